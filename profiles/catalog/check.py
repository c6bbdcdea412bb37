"""What is wrong with a value: walked against its schema down to the sub-key that does not fit. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cartable.i18n import Words
from profiles.catalog.fields import Field, Trouble
from profiles.catalog.kinds import Kind

_MAX_MAP_BYTES = 20_000
_MAX_MAP_DEPTH = 8
_LARGEST_INTEGER = 2**31 - 1


def trouble(field: Field, value: Any, path: str = "") -> Trouble | None:
    """The first thing that is wrong with a value; None: nothing."""
    return _CHECKS[field.kind](field, value, path)


def _wrong(path: str, fr: str, en: str) -> Trouble:
    return Trouble(path, Words(fr=fr, en=en))


def _boolean(_field: Field, value: Any, path: str) -> Trouble | None:
    return None if isinstance(value, bool) else _wrong(path, "ni vrai ni faux", "not true or false")


def _integer(field: Field, value: Any, path: str) -> Trouble | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return _wrong(path, "n'est pas un nombre entier", "not a whole number")
    return _number(field, value, path)


def _real(field: Field, value: Any, path: str) -> Trouble | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return _wrong(path, "n'est pas un nombre", "not a number")
    return _number(field, value, path)


def _number(field: Field, value: float, path: str) -> Trouble | None:
    least, most = field.least or 0, _LARGEST_INTEGER if field.most is None else field.most
    if field.choices:
        return _choice(field, value, path)
    if not least <= value <= most:
        return _wrong(path, f"n'est pas entre {least:g} et {most:g}", f"not between {least:g} and {most:g}")
    return None


def _choice(field: Field, value: Any, path: str) -> Trouble | None:
    if value in field.choices:
        return None
    known = ", ".join(str(choice) for choice in field.choices)
    return _wrong(path, f"n'est pas un de ces choix : {known}", f"not one of: {known}")


def _string(field: Field, value: Any, path: str) -> Trouble | None:
    if not isinstance(value, str):
        return _wrong(path, "n'est pas un texte", "not a text")
    if field.choices:
        return _choice(field, value, path)
    if not field.form.fits(value):
        return _wrong(path, f"n'est pas {field.form.words.fr}", f"not {field.form.words.en}")
    return None


def _data(field: Field, value: Any, path: str) -> Trouble | None:
    most = int(field.most or 100_000)
    try:
        content = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        return _wrong(path, "n'est pas du base64", "not base64")
    if len(content) > most:
        return _wrong(path, f"dépasse {most} octets", f"more than {most} bytes")
    return None


def _list(field: Field, value: Any, path: str) -> Trouble | None:
    if not isinstance(value, list):
        return _wrong(path, "n'est pas une liste", "not a list")
    if len(value) > field.most_items:
        return _wrong(path, f"plus de {field.most_items} éléments", f"more than {field.most_items} entries")
    item = replace(field, kind=field.kind.one)
    found = (trouble(item, each, f"{path}[{index}]") for index, each in enumerate(value))
    return next((each for each in found if each is not None), None)


def _object(field: Field, value: Any, path: str) -> Trouble | None:
    if not isinstance(value, Mapping):
        return _wrong(path, "n'est pas un objet", "not an object")
    for key in value:
        if key not in field.fields:
            return _wrong(f"{path}.{str(key)[:80]}", "clé inconnue", "unknown key")
    for key, below in field.fields.items():
        here = f"{path}.{key}"
        found = _presence(field, below, value, here) or (trouble(below, value[key], here) if key in value else None)
        if found is not None:
            return found
    return None


def _presence(field: Field, below: Field, value: Mapping[str, Any], path: str) -> Trouble | None:
    present = below.key in value
    if below.when is None:
        return _wrong(path, "est obligatoire", "is required") if below.required and not present else None
    sibling, wanted = below.when
    holds = value.get(sibling, field.fields[sibling].default) == wanted
    if holds and not present:
        return _wrong(path, f"est obligatoire quand {sibling} est {wanted}", f"is required when {sibling} is {wanted}")
    if present and not holds:
        return _wrong(path, f"seulement quand {sibling} est {wanted}", f"only when {sibling} is {wanted}")
    return None


def _map(_field: Field, value: Any, path: str) -> Trouble | None:
    if not isinstance(value, Mapping):
        return _wrong(path, "n'est pas un objet", "not an object")
    if not _plain(value, _MAX_MAP_DEPTH) or len(json.dumps(value)) > _MAX_MAP_BYTES:
        return _wrong(path, "contient autre chose que des valeurs simples", "holds more than plain values")
    return None


def _plain(value: Any, depth: int) -> bool:
    """Whether a property list can carry it."""
    if depth == 0:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _plain(key, depth) and _plain(below, depth - 1) for key, below in value.items())
    if isinstance(value, list):
        return all(_plain(below, depth - 1) for below in value)
    if isinstance(value, str):
        return value.isprintable()
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**63)


_CHECKS: dict[Kind, Callable[[Field, Any, str], Trouble | None]] = {
    Kind.BOOLEAN: _boolean,
    Kind.INTEGER: _integer,
    Kind.REAL: _real,
    Kind.STRING: _string,
    Kind.DATA: _data,
    Kind.REFERENCE: _string,
    Kind.STRINGS: _list,
    Kind.INTEGERS: _list,
    Kind.DATAS: _list,
    Kind.REFERENCES: _list,
    Kind.OBJECT: _object,
    Kind.OBJECTS: _list,
    Kind.PAGES: _list,
    Kind.MAP: _map,
}
