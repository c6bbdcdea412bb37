"""The managed configuration of an app: keys and values that the app reads, with variables of the tablet. Pure.

See docs/domain/apps.md#configuration.
"""

from __future__ import annotations

import hashlib
import json
import math
import plistlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from profiles.apps.errors import BadConfiguration

MAX_ENTRIES, MAX_KEY, MAX_VALUE = 60, 120, 2000
_VARIABLE = re.compile(r"\{\{(.*?)\}\}")
_TRUE, _FALSE = frozenset({"true", "yes", "1", "oui", "vrai"}), frozenset({"false", "no", "0", "non", "faux"})


class EntryKind(StrEnum):
    """What an app expects under a key."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"  # texts, one a line
    DATE = "date"


class Variable(StrEnum):
    """What `{{name}}` in a text stands for. A child's name is none of them: it goes to no publisher of an app."""

    TAG = "tag"
    SERIAL = "serial"
    GRADE = "grade"


@dataclass(frozen=True, slots=True)
class ConfigurationEntry:
    """One key with its value as a person types it."""

    key: str
    kind: EntryKind
    value: str


def check_entries(entries: Iterable[ConfigurationEntry]) -> list[ConfigurationEntry]:
    """Return the entries without blank ends. Raises `BadConfiguration` for a key twice, a value of another kind, an unknown variable."""
    checked = [ConfigurationEntry(each.key.strip(), each.kind, each.value.strip()) for each in entries]
    seen: set[str] = set()
    for entry in checked:
        if not entry.key or len(entry.key) > MAX_KEY or not entry.key.isprintable() or entry.key in seen:
            raise BadConfiguration(key=entry.key[:MAX_KEY])
        seen.add(entry.key)
        unknown = {*_VARIABLE.findall(entry.value)} - {*Variable}
        try:
            value = _parse_value(entry, {})
        except ValueError as error:
            raise BadConfiguration(key=entry.key) from error
        if unknown or len(entry.value) > MAX_VALUE or not _is_storable(value):
            raise BadConfiguration(key=entry.key)
    if len(checked) > MAX_ENTRIES:
        raise BadConfiguration(key=checked[MAX_ENTRIES].key)
    return checked


def build_configuration(entries: Iterable[ConfigurationEntry], variables: Mapping[Variable, str]) -> dict[str, Any]:
    """Return what a tablet gives to the app, as values of a property list. A variable that the tablet lacks is empty."""
    return {entry.key: _parse_value(entry, variables) for entry in entries}


def compute_digest(configuration: Mapping[str, Any]) -> str | None:
    """Return what stands for a configuration: equal for equal keys and values; None for an empty one."""
    if not configuration:
        return None
    return hashlib.sha256(plistlib.dumps(dict(configuration), sort_keys=True)).hexdigest()


def compute_entries_digest(stored: str) -> str:
    """Return what stands for stored entries, whatever the tablet: equal for equal entries."""
    return hashlib.sha256(stored.encode()).hexdigest()[:32]


def dump_entries(entries: Iterable[ConfigurationEntry]) -> str | None:
    """Return the entries as they are stored; None for none."""
    rows = [[each.key, each.kind.value, each.value] for each in entries]
    return json.dumps(rows, ensure_ascii=False) if rows else None


def load_entries(stored: str | None) -> list[ConfigurationEntry]:
    """Return the entries that `dump_entries` has stored."""
    return [ConfigurationEntry(key, EntryKind(kind), value) for key, kind, value in json.loads(stored or "[]")]


def _parse_value(entry: ConfigurationEntry, variables: Mapping[Variable, str]) -> Any:
    match entry.kind:
        case EntryKind.TEXT:
            return _fill(entry.value, variables)
        case EntryKind.LIST:
            return [_fill(line.strip(), variables) for line in entry.value.splitlines() if line.strip()]
        case EntryKind.NUMBER:
            number = float(entry.value.replace(",", "."))
            if not math.isfinite(number):
                raise ValueError(entry.value)
            return int(number) if number.is_integer() else number
        case EntryKind.BOOLEAN:
            if entry.value.casefold() not in _TRUE | _FALSE:
                raise ValueError(entry.value)
            return entry.value.casefold() in _TRUE
        case EntryKind.DATE:
            day = date.fromisoformat(entry.value)
            return datetime(day.year, day.month, day.day)  # noqa: DTZ001 (property lists have instants of UTC without a zone)


def _fill(text: str, variables: Mapping[Variable, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(Variable(match[1]), "") if match[1] in {*Variable} else match[0], text)


def _is_storable(value: Any) -> bool:
    """Return whether a property list can hold a value: no control characters, numbers of 64 bits at most."""
    try:
        plistlib.dumps({"value": value})
    except (ValueError, OverflowError):
        return False
    return True
