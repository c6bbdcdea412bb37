"""A fast reader of the property lists that tablets send most: one dictionary of texts, truth values and data, in printable ASCII.

It declines everything else (nested values, numbers, dates, entities, comments, other encodings, unusual headers), which
`mdm.protocol.plist` reads then. Where it does not decline, both read the same.
"""

from __future__ import annotations

import binascii
import re

#: Longer ones are seldom flat, and the time of an attempt should not count.
MAX_BYTES = 64 * 1024


def drop_groups(pattern: bytes) -> bytes:
    """Return the pattern without its groups: Python 3.11 fails with `SystemError` where a possessive repetition gives back what one holds."""
    return re.sub(rb"\((?!\?)", b"(?:", pattern)


# Possessive quantifiers: what is not flat is declined after one pass.
_KEY = rb"<key>([\x20-\x25\x27-\x3b\x3d\x3f-\x7e]++)</key>"
_VALUE = rb"(?:<string>([\x20-\x25\x27-\x3b\x3d\x3f-\x7e\n\t]*+)</string>|<data>([A-Za-z0-9+/=\n\t ]++)</data>|<(true|false)/>)"
_PAIR = re.compile(rb"[\n\t ]*+" + _KEY + rb"[\n\t ]*+" + _VALUE)
#: How a usual property list begins.
HEADER = (
    rb'(?:<\?xml version="1\.0" encoding="UTF-8"\?>\n)?'
    rb'(?:<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1\.0//EN" "http://www\.apple\.com/DTDs/PropertyList-1\.0\.dtd">\n)?'
    rb'<plist version="1\.0">'
)
_FLAT = re.compile(
    HEADER + rb"[\n\t ]*+<dict>((?:" + drop_groups(_PAIR.pattern) + rb")*+)[\n\t ]*+</dict>[\n\t ]*+</plist>[\n\t ]*+"
)


def parse_flat_plist(data: bytes) -> dict[str, str | bytes | bool] | None:
    """Return the dictionary of a flat property list; None for any other document."""
    if len(data) > MAX_BYTES:
        return None
    document = _FLAT.fullmatch(data)
    if document is None:
        return None
    values: dict[str, str | bytes | bool] = {}
    for key, text, encoded, truth in _PAIR.findall(document[1]):
        if truth:
            values[key.decode()] = truth == b"true"
        elif encoded:
            try:
                values[key.decode()] = binascii.a2b_base64(encoded)
            except binascii.Error:
                return None
        else:
            values[key.decode()] = text.decode()
    return values
