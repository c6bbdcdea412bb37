"""Values of settings in forms: what a person types or chooses, by the kind of the setting. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from mdm.console.policy.home_screen import HOME_SCREEN, NotAHomeScreen, format_home_screen, parse_home_screen
from profiles.catalog.fields import Field
from profiles.catalog.hosts import display_host
from profiles.catalog.kinds import ValueKind
from profiles.catalog.secrets import hide_secrets
from profiles.catalog.text_formats import TextFormat

MAX_TEXT = 20_000


class FormKind(StrEnum):
    """How a value is asked for."""

    SWITCH = "switch"
    CHOICE = "choice"
    NUMBER = "number"
    TEXT = "text"
    LINES = "lines"  # a list, one entry per line
    SCREENS = "screens"  # the home screen, as `home_screen` reads it
    JSON = "json"  # what has parts of its own


class NotAValue(ValueError):
    """What was typed is no value of the setting's kind."""


_LINES = frozenset({ValueKind.STRINGS, ValueKind.INTEGERS, ValueKind.REFERENCES})
_NUMBERS = frozenset({ValueKind.INTEGER, ValueKind.REAL})
_TEXTS = frozenset({ValueKind.STRING, ValueKind.REFERENCE, ValueKind.DATA})


def get_form_kind(field: Field) -> FormKind:
    """Return how a value of a setting is asked for."""
    if field.kind is ValueKind.BOOLEAN:
        return FormKind.SWITCH
    if field.key == HOME_SCREEN:
        return FormKind.SCREENS
    if field.choices and field.kind in _NUMBERS | _TEXTS:
        return FormKind.CHOICE
    if field.kind in _NUMBERS:
        return FormKind.NUMBER
    if field.kind in _TEXTS:
        return FormKind.TEXT
    return FormKind.LINES if field.kind in _LINES else FormKind.JSON


def format_value(field: Field, value: Any) -> str:
    """Return a value as its form shows it, without secrets; an empty text for none."""
    if value is None:
        return ""
    shown = hide_secrets(field, value)
    match get_form_kind(field):
        case FormKind.SWITCH:
            return "true" if shown else "false"
        case FormKind.LINES:
            is_host = field.text_format is TextFormat.FILTER_HOST
            return "\n".join(display_host(entry) if is_host else str(entry) for entry in shown)
        case FormKind.SCREENS:
            return format_home_screen(shown)
        case FormKind.JSON:
            return json.dumps(shown, ensure_ascii=False, indent=2)
        case _:
            return str(shown)


def parse_value(field: Field, text: str, identifiers: Mapping[str, str] = MappingProxyType({})) -> Any:
    """Return the value that a person typed, None for an empty text: then the place does not set it. Raises `NotAValue`.

    `identifiers` are those of apps, by folded name, for values that name apps. Bounds and formats are checked when the version is
    saved.
    """
    text = text.strip()
    if not text:
        return None
    match get_form_kind(field):
        case FormKind.SWITCH:
            return {"true": True, "false": False}.get(text)
        case FormKind.LINES:
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            return [_parse_scalar(field, line) for line in lines]
        case FormKind.SCREENS:
            return _parse_screens(text, identifiers)
        case FormKind.JSON:
            return _parse_json(text)
        case _:
            return _parse_scalar(field, text)


def _parse_scalar(field: Field, text: str) -> Any:
    kind = field.kind.item_kind
    if kind is ValueKind.INTEGER:
        if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            raise NotAValue(text)
        return int(text)
    if kind is ValueKind.REAL:
        if not re.fullmatch(r"-?\d{1,15}([.,]\d{1,15})?", text, re.ASCII):
            raise NotAValue(text)
        return float(text.replace(",", "."))
    return text


def _parse_screens(text: str, identifiers: Mapping[str, str]) -> Any:
    try:
        return parse_home_screen(text, identifiers)
    except NotAHomeScreen as error:
        raise NotAValue(str(error)) from error


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text[:MAX_TEXT], parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NotAValue("JSON") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)
