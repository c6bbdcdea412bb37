"""Makes values from outside storable in both databases. What a value means, and whether it is plausible, is decided elsewhere."""

from __future__ import annotations

import math
import re
from typing import Any

#: PostgreSQL stores no U+0000 in a text or in JSON, and no driver encodes a lone surrogate.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MAX_INTEGER = 2**63 - 1
_ABSENT = object()


def make_storable(value: Any) -> Any:
    """Return a parsed document (JSON or property list) in which every value fits a column.

    Texts lose U+0000, and lone surrogates become U+FFFD. NaN, infinities and integers beyond 64 bits are left out of the
    dictionaries and lists that contain them; alone they become None. The caller has limited the depth.
    """
    storable = _convert(value)
    return None if storable is _ABSENT else storable


def make_storable_text(text: str) -> str:
    """Return a text without U+0000 and lone surrogates."""
    if text.isascii():
        return text.replace("\x00", "") if "\x00" in text else text
    return _UNSTORABLE.sub(lambda match: "" if match[0] == "\x00" else "\ufffd", text)


def _convert(value: Any) -> Any:  # noqa: PLR0911  (one return per type)
    kind = type(value)
    if kind is str:
        return make_storable_text(value)
    if kind is dict:
        converted = {make_storable_text(key): _convert(child) for key, child in value.items()}
        if any(child is _ABSENT for child in converted.values()):
            return {key: child for key, child in converted.items() if child is not _ABSENT}
        return converted
    if kind is list:
        return [child for child in map(_convert, value) if child is not _ABSENT]
    if kind is int:
        return value if -_MAX_INTEGER <= value <= _MAX_INTEGER else _ABSENT
    if kind is float:
        return value if math.isfinite(value) else _ABSENT
    return value
