"""Parsing and writing of property lists, with limits on size, depth and number of values. Knows no message types.

XML and binary are accepted (docs/domain/protocol.md#transport), XML is sent. The standard library refuses entity declarations.
It does not limit depth, nor shared references that multiply when they are walked: these limits are here.
"""

from __future__ import annotations

import plistlib
from typing import Any

from cartable.storable import make_storable
from mdm.protocol import lenient_plist
from mdm.protocol.errors import BadPlist
from mdm.protocol.flat_plist import parse_flat_plist
from mdm.protocol.nested_plist import parse_nested_plist

MAX_BYTES = 20 * 2**20
MAX_DEPTH = 32
#: Values in one message; a report of 1 000 apps has about 20 000.
MAX_VALUES = 1_000_000


def loads(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Return the root dictionary of a property list; its values can be stored. Raises only `BadPlist`."""
    if len(data) > max_bytes:
        raise BadPlist("too large")
    flat = parse_flat_plist(data)
    if flat is not None:
        return {**flat}
    nested = parse_nested_plist(data, max_depth)
    if nested is not None:
        return nested
    binary = data[:8] == b"bplist00"
    if not binary and _nesting_exceeds(data, max_depth):
        raise BadPlist("nested too deeply")
    try:
        root = plistlib.loads(data, fmt=plistlib.FMT_BINARY if binary else plistlib.FMT_XML)
    except RecursionError:
        raise BadPlist("nested too deeply") from None
    except Exception as error:  # plistlib raises a dozen unrelated types for damaged input
        raise BadPlist(type(error).__name__) from error
    return _check_root(root, max_depth)


def loads_leniently(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Return the root dictionary of a property list, or what is readable of a damaged one. Raises only `BadPlist`.

    A damaged one is read without what its format forbids, and values that cannot be read are left out. The limits hold
    for both.
    """
    try:
        return loads(data, max_bytes=max_bytes, max_depth=max_depth)
    except BadPlist:
        if len(data) > max_bytes:
            raise
        try:
            root = lenient_plist.parse(data, max_depth)
        except lenient_plist.Unreadable as error:
            raise BadPlist(str(error)) from error
        return _check_root(root, max_depth)


def dumps(value: dict[str, Any]) -> bytes:
    """Return an XML property list. `value` must not contain None."""
    return plistlib.dumps(value, fmt=plistlib.FMT_XML, sort_keys=False)


def _check_root(root: object, max_depth: int) -> dict[str, Any]:
    if not isinstance(root, dict):
        raise BadPlist("the root is not a dictionary")
    _check_limits(root, max_depth)
    storable: dict[str, Any] = make_storable(root)
    return storable


def _nesting_exceeds(data: bytes, max_depth: int) -> bool:
    """Return whether an XML plist nests too deeply. Cheap: it runs before parsing, so 200 000 nested arrays are never built."""
    opening_tags = data.count(b"<array>") + data.count(b"<dict>")
    if opening_tags <= max_depth:
        return False
    depth = 0
    position = 0
    while (position := data.find(b"<", position)) >= 0:
        if data.startswith((b"<array>", b"<dict>"), position):
            depth += 1
            if depth > max_depth:
                return True
        elif data.startswith((b"</array>", b"</dict>"), position):
            depth -= 1
        position += 1
    return False


def _check_limits(root: dict[str, Any], max_depth: int) -> None:
    """Raise `BadPlist` for too much depth or too many values, counted as they are walked: binary plists may share parts."""
    stack: list[tuple[Any, int]] = [(root, 1)]
    value_count = 0
    while stack:
        value, depth = stack.pop()
        value_count += 1
        if depth > max_depth:
            raise BadPlist("nested too deeply")
        if isinstance(value, dict):
            if any(not isinstance(key, str) for key in value):
                raise BadPlist("a key is not a string")
            value_count += len(value)
            stack.extend((child, depth + 1) for child in value.values() if isinstance(child, dict | list))
        elif isinstance(value, list):
            value_count += len(value)
            stack.extend((child, depth + 1) for child in value if isinstance(child, dict | list))
        if value_count > MAX_VALUES:
            raise BadPlist("too many values")
