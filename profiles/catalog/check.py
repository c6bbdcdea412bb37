"""Validates a value against its schema, down to the sub-key that is not acceptable. Repeated entries of a list: `settings`. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cartable.i18n import Message
from profiles.catalog.fields import Field, ValueProblem
from profiles.catalog.kinds import ValueKind

_MAX_MAP_BYTES = 20_000
_MAX_MAP_DEPTH = 8
_LARGEST_INTEGER = 2**31 - 1


def find_problem(field: Field, value: Any, path: str = "") -> ValueProblem | None:
    """Return the first problem of a value; None when it is acceptable."""
    return _CHECKS[field.kind](field, value, path)


def _problem(path: str, message: Message) -> ValueProblem:
    return ValueProblem(path, message)


def _check_boolean(_field: Field, value: Any, path: str) -> ValueProblem | None:
    return None if isinstance(value, bool) else _problem(path, Message("not true or false"))


def _check_integer(field: Field, value: Any, path: str) -> ValueProblem | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return _problem(path, Message("not a whole number"))
    return _check_bounds(field, value, path)


def _check_real(field: Field, value: Any, path: str) -> ValueProblem | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return _problem(path, Message("not a number"))
    return _check_bounds(field, value, path)


def _check_bounds(field: Field, value: float, path: str) -> ValueProblem | None:
    least, most = field.least or 0, _LARGEST_INTEGER if field.most is None else field.most
    if field.choices:
        return _check_choice(field, value, path)
    if not least <= value <= most:
        return _problem(path, Message("not between {least} and {most}").bind(least=f"{least:g}", most=f"{most:g}"))
    return None


def _check_choice(field: Field, value: Any, path: str) -> ValueProblem | None:
    if value in field.choices:
        return None
    choices = ", ".join(str(choice) for choice in field.choices)
    return _problem(path, Message("not one of: {choices}").bind(choices=choices))


def _check_string(field: Field, value: Any, path: str) -> ValueProblem | None:
    if not isinstance(value, str):
        return _problem(path, Message("not a text"))
    if field.choices:
        return _check_choice(field, value, path)
    if not field.text_format.matches(value):
        return _problem(path, Message("not {format}").bind(format=field.text_format.label))
    return None


def _check_data(field: Field, value: Any, path: str) -> ValueProblem | None:
    most = int(field.most or 100_000)
    try:
        content = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        return _problem(path, Message("not base64"))
    if len(content) > most:
        return _problem(path, Message("more than {count} byte", plural="more than {count} bytes").bind(count=most))
    return None


def _check_list(field: Field, value: Any, path: str) -> ValueProblem | None:
    if not isinstance(value, list):
        return _problem(path, Message("not a list"))
    if len(value) > field.most_items:
        return _problem(path, Message("more than {count} entry", plural="more than {count} entries").bind(count=field.most_items))
    item = replace(field, kind=field.kind.item_kind)
    problems = (find_problem(item, entry, f"{path}[{index}]") for index, entry in enumerate(value))
    return next((problem for problem in problems if problem is not None), None)


def _check_object(field: Field, value: Any, path: str) -> ValueProblem | None:
    if not isinstance(value, Mapping):
        return _problem(path, Message("not an object"))
    for key in value:
        if key not in field.fields:
            return _problem(f"{path}.{str(key)[:80]}", Message("unknown key"))
    for key, sub_field in field.fields.items():
        key_path = f"{path}.{key}"
        problem = _check_presence(field, sub_field, value, key_path)
        if problem is None and key in value:
            problem = find_problem(sub_field, value[key], key_path)
        if problem is not None:
            return problem
    return None


def _check_presence(field: Field, sub_field: Field, value: Mapping[str, Any], path: str) -> ValueProblem | None:
    is_present = sub_field.key in value
    if sub_field.required_when is None:
        return _problem(path, Message("is required")) if sub_field.required and not is_present else None
    sibling, required_value = sub_field.required_when
    is_required = value.get(sibling, field.fields[sibling].default) == required_value
    if is_required and not is_present:
        return _problem(path, Message("is required when {sibling} is {value}").bind(sibling=sibling, value=required_value))
    if is_present and not is_required:
        return _problem(path, Message("only when {sibling} is {value}").bind(sibling=sibling, value=required_value))
    return None


def _check_map(_field: Field, value: Any, path: str) -> ValueProblem | None:
    if not isinstance(value, Mapping):
        return _problem(path, Message("not an object"))
    if not _is_plain(value, _MAX_MAP_DEPTH) or len(json.dumps(value)) > _MAX_MAP_BYTES:
        return _problem(path, Message("holds more than plain values"))
    return None


def _is_plain(value: Any, depth: int) -> bool:
    """Return whether a property list can hold the value."""
    if depth == 0:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(key, depth) and _is_plain(item, depth - 1) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_plain(item, depth - 1) for item in value)
    if isinstance(value, str):
        return value.isprintable()
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**63)


_CHECKS: dict[ValueKind, Callable[[Field, Any, str], ValueProblem | None]] = {
    ValueKind.BOOLEAN: _check_boolean,
    ValueKind.INTEGER: _check_integer,
    ValueKind.REAL: _check_real,
    ValueKind.STRING: _check_string,
    ValueKind.DATA: _check_data,
    ValueKind.REFERENCE: _check_string,
    ValueKind.STRINGS: _check_list,
    ValueKind.INTEGERS: _check_list,
    ValueKind.DATAS: _check_list,
    ValueKind.REFERENCES: _check_list,
    ValueKind.OBJECT: _check_object,
    ValueKind.OBJECTS: _check_list,
    ValueKind.PAGES: _check_list,
    ValueKind.MAP: _check_map,
}
