"""A fast reader of the property lists in which tablets answer commands: dictionaries and lists of texts, numbers, truth values and data.

It declines dates, entities, comments, other encodings, unusual headers and whatever is damaged, which `mdm.protocol.plist` reads then.
Where it does not decline, both read the same. A dictionary without others in it is read by `flat_plist`, in less time.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from typing import Any

from mdm.protocol.flat_plist import HEADER, drop_groups

#: A list of some thousand apps. Each value has seven bytes at least, so that there are never too many.
MAX_BYTES = 2**20
#: Without `&`, `<` and `>`, control characters, and the bytes with which U+F000 to U+FFFF begin: two of these no document may contain.
_TEXT = rb"[\x20-\x25\x27-\x3b\x3d\x3f-\x7e\n\t\x80-\xee\xf0-\xf4]*+"
_VALUES: dict[bytes, Callable[[bytes], Any]] = {
    rb"<string>(" + _TEXT + rb")</string>": bytes.decode,
    rb"<(true|false)/>": lambda text: text == b"true",
    rb"<integer>(-?[0-9]{1,18})</integer>": int,
    rb"<real>(-?[0-9]{1,15}\.[0-9]{1,17})</real>": float,
    rb"<data>([A-Za-z0-9+/=\n\t ]++)</data>": binascii.a2b_base64,
    rb"<(dict|array)/?>": lambda name: {} if name == b"dict" else [],
}
_TOKENS = (rb"<key>(" + _TEXT + rb")</key>", rb"</(dict|array)>", *_VALUES)
_KEY, _END = 1, 2
_PARSERS = (None, None, None, *_VALUES.values())
_CONTAINER = len(_TOKENS)
_TOKEN = re.compile(rb"[\n\t ]*+(?:" + rb"|".join(_TOKENS) + rb")")
# Possessive quantifiers: what is not usual is declined after one pass.
_USUAL = re.compile(HEADER + rb"((?:" + drop_groups(_TOKEN.pattern) + rb")++)[\n\t ]*+</plist>[\n\t ]*+")


def parse_nested_plist(data: bytes, max_depth: int) -> dict[str, Any] | None:
    """Return the root dictionary of a usual property list; None for any other document."""
    if len(data) > MAX_BYTES:
        return None
    document = _USUAL.fullmatch(data)
    if document is None:
        return None
    try:
        roots = _build_values(document[1], max_depth)
    except (UnicodeDecodeError, binascii.Error):
        return None
    return roots[0] if roots is not None and len(roots) == 1 and isinstance(roots[0], dict) else None


def _build_values(tokens: bytes, max_depth: int) -> list[Any] | None:
    """Return the values of a sequence of tokens; None where keys, values and ends do not fit one another."""
    current: Any = []
    outer: list[Any] = []
    key: str | None = None
    for token in _TOKEN.finditer(tokens):
        kind = token.lastindex
        assert kind is not None
        text = token[kind]
        is_list = type(current) is list
        if kind == _KEY:
            if is_list or key is not None:
                return None
            key = text.decode()
        elif kind == _END:
            if not outer or key is not None or (text == b"array") is not is_list:
                return None
            current = outer.pop()
        else:
            parse = _PARSERS[kind]
            assert parse is not None
            value = parse(text)
            if is_list:
                current.append(value)
            elif key is None:
                return None
            else:
                current[key] = value
                key = None
            if kind == _CONTAINER and tokens[token.end() - 2 : token.end() - 1] != b"/":
                outer.append(current)
                current = value
                if len(outer) > max_depth:
                    return None
    return None if outer else current
