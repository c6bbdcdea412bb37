"""The data dictionary, read from `dictionary.json` (PRIV-01): for every personal field its owner, purpose, legal ground, retention
and recipients. A field without an entry fails the build.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData

from cartable.database import SealedBytes, SealedText
from cartable.i18n import Message, available_languages, read_message

#: Tables that are people: whatever points at one of them speaks of a person.
PEOPLE = frozenset({"pupil", "guardian", "staff_member", "account"})
#: Columns that say nothing of anybody.
TECHNICAL = frozenset({"id", "town_id"})


@dataclass(frozen=True, slots=True)
class Entry:
    """What the dictionary says of one field. `retention` is a rule of the retention table; without one `until` tells it."""

    table: str
    field: str
    words: Message
    of: str
    owner: str
    purpose: Message
    ground: Message
    retention: str | None
    until: Message | None
    recipients: tuple[str, ...]
    exported: bool


@cache
def _listed() -> dict[str, Any]:
    listed: dict[str, Any] = json.loads((Path(__file__).parent / "dictionary.json").read_text("utf-8"))
    return listed


@cache
def entries() -> tuple[Entry, ...]:
    """Every field, table by table."""
    return tuple(
        Entry(
            table=name,
            field=field,
            words=read_message(label),
            of=table["of"],
            owner=table["owner"],
            purpose=read_message(_listed()["purposes"][table["purpose"]]),
            ground=read_message(_listed()["grounds"][table["ground"]]),
            retention=table["retention"],
            until=read_message(table["until"]) if "until" in table else None,
            recipients=tuple(table["recipients"]),
            exported=field not in table.get("not_exported", ()),
        )
        for name, table in _listed()["tables"].items()
        for field, label in table["fields"].items()
    )


def purposes() -> dict[str, dict[str, str]]:
    """Return why data are kept, by purpose then language code."""
    texts = {name: read_message(text) for name, text in _listed()["purposes"].items()}
    return {name: {each.code: text.translate(each) for each in available_languages()} for name, text in texts.items()}


def retention_of(table: str) -> str | None:
    """The rule by which a table's rows end."""
    found: str | None = _listed()["tables"].get(table, {}).get("retention")
    return found


def is_exported(table: str, field: str) -> bool:
    """Whether a field of a child's rows is handed out: not another person's data, a hash or a secret."""
    listed = _listed()["tables"].get(table)
    if listed is None:
        return not field.endswith(("_hash", "_by"))
    return field in listed["fields"] and field not in listed.get("not_exported", ())


def missing(metadata: MetaData) -> list[str]:
    """The fields of the database that speak of people and have no entry: `table` or `table.column`, and entries of nothing."""
    told: list[str] = []
    tables: dict[str, Any] = _listed()["tables"]
    for table in metadata.sorted_tables:
        sealed = [c.name for c in table.columns if isinstance(c.type, SealedText | SealedBytes)]
        open_ones = [name for name in sealed if f"{table.name}.{name}" not in _listed()["secrets"]]
        points = any(key.column.table.name in PEOPLE for key in table.foreign_keys)
        if table.name not in tables and (open_ones or points or table.name in PEOPLE):
            told.append(table.name)
        if table.name in tables:
            keys = {column.name for column in table.columns} - TECHNICAL
            pupil = {key.parent.name for key in table.foreign_keys if key.column.table.name == "pupil"}
            fields = set(tables[table.name]["fields"])
            told += [f"{table.name}.{name}" for name in sorted((keys - fields - pupil) | (fields - keys))]
    return [*told, *sorted(set(tables) - set(metadata.tables))]
