"""Property lists in and out, bounded before they are believed. Knows no message.

XML and binary are accepted (protocol.md section 2), XML is sent. The standard library refuses entity
declarations; what it lets through (depth, shared references that explode when walked) is bounded here.
"""

from __future__ import annotations

import plistlib
from typing import Any

from mdm.protocol.errors import BadPlist

MAX_BYTES = 20 * 2**20
MAX_DEPTH = 32
#: Values in one message; a report of 1 000 apps has about 20 000.
MAX_VALUES = 1_000_000


def loads(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Read a property list whose root is a dictionary. Raises `BadPlist` and nothing else."""
    if len(data) > max_bytes:
        raise BadPlist("too large")
    binary = data[:8] == b"bplist00"
    if not binary and _nesting_exceeds(data, max_depth):
        raise BadPlist("nested too deeply")
    try:
        root = plistlib.loads(data, fmt=plistlib.FMT_BINARY if binary else plistlib.FMT_XML)
    except RecursionError:
        raise BadPlist("nested too deeply") from None
    except Exception as error:  # plistlib raises a dozen unrelated types for damaged input
        raise BadPlist(type(error).__name__) from error
    if not isinstance(root, dict):
        raise BadPlist("the root is not a dictionary")
    _check(root, max_depth)
    return root


def dumps(value: dict[str, Any]) -> bytes:
    """Write an XML property list; `None` values must have been left out."""
    return plistlib.dumps(value, fmt=plistlib.FMT_XML, sort_keys=False)


def _nesting_exceeds(data: bytes, max_depth: int) -> bool:
    """A cheap upper bound on the nesting of an XML plist, so that 200 000 nested arrays are never built."""
    opened = data.count(b"<array>") + data.count(b"<dict>")
    if opened <= max_depth:
        return False
    depth = 0
    at = 0
    while (at := data.find(b"<", at)) >= 0:
        if data.startswith((b"<array>", b"<dict>"), at):
            depth += 1
            if depth > max_depth:
                return True
        elif data.startswith((b"</array>", b"</dict>"), at):
            depth -= 1
        at += 1
    return False


def _check(root: dict[str, Any], max_depth: int) -> None:
    """Bound depth and number of values as they would be walked: a binary plist may share or repeat its parts."""
    stack: list[tuple[Any, int]] = [(root, 1)]
    seen = 0
    while stack:
        value, depth = stack.pop()
        seen += 1
        if depth > max_depth:
            raise BadPlist("nested too deeply")
        if isinstance(value, dict):
            if any(not isinstance(key, str) for key in value):
                raise BadPlist("a key is not a string")
            seen += len(value)
            stack.extend((child, depth + 1) for child in value.values() if isinstance(child, dict | list))
        elif isinstance(value, list):
            seen += len(value)
            stack.extend((child, depth + 1) for child in value if isinstance(child, dict | list))
        if seen > MAX_VALUES:
            raise BadPlist("too many values")
