"""The data dictionary, read from `dictionary.json` (PRIV-01): owner, purpose, legal ground, retention and recipients of every personal
field. `mdm.cli.checks` fails when a field has no entry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData

from cartable.database import SealedBytes, SealedText
from cartable.i18n import Message, list_available_languages, read_message

#: Tables of people: a row that references one of them is personal.
PERSON_TABLES = frozenset({"pupil", "guardian", "staff_member", "account"})
#: Columns that are not personal.
TECHNICAL_COLUMNS = frozenset({"id", "town_id"})


@dataclass(frozen=True, slots=True)
class DictionaryEntry:
    """The entry of one field. `retention` is the id of a rule of the retention table; without one, `until` describes the term."""

    table: str
    field: str
    label: Message
    subject: str
    owner: str
    purpose: Message
    legal_ground: Message
    retention: str | None
    until: Message | None
    recipients: tuple[str, ...]
    exported: bool


@cache
def _load_document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((Path(__file__).parent / "dictionary.json").read_text("utf-8"))
    return document


@cache
def list_entries() -> tuple[DictionaryEntry, ...]:
    """Return the entries of all fields, table by table."""
    return tuple(
        DictionaryEntry(
            table=name,
            field=field,
            label=read_message(label),
            subject=table["of"],
            owner=table["owner"],
            purpose=read_message(_load_document()["purposes"][table["purpose"]]),
            legal_ground=read_message(_load_document()["grounds"][table["ground"]]),
            retention=table["retention"],
            until=read_message(table["until"]) if "until" in table else None,
            recipients=tuple(table["recipients"]),
            exported=field not in table.get("not_exported", ()),
        )
        for name, table in _load_document()["tables"].items()
        for field, label in table["fields"].items()
    )


def list_secrets() -> frozenset[str]:
    """Return the columns (table.column) that hold keys and tokens."""
    return frozenset(_load_document()["secrets"])


def list_purposes() -> dict[str, dict[str, str]]:
    """Return why data are kept, by purpose then language code."""
    texts = {name: read_message(text) for name, text in _load_document()["purposes"].items()}
    return {name: {each.code: text.translate(each) for each in list_available_languages()} for name, text in texts.items()}


def get_retention_rule(table: str) -> str | None:
    """Return the id of the retention rule of a table, if it has one."""
    rule_id: str | None = _load_document()["tables"].get(table, {}).get("retention")
    return rule_id


def is_exported(table: str, field: str) -> bool:
    """Return whether the export of a child contains a field: no data of other people, no hash, no secret."""
    entry = _load_document()["tables"].get(table)
    if entry is None:
        return not field.endswith(("_hash", "_by"))
    return field in entry["fields"] and field not in entry.get("not_exported", ())


def find_missing_entries(metadata: MetaData) -> list[str]:
    """Return personal tables and columns without an entry, as `table` or `table.column`, and entries of missing tables or columns."""
    faults: list[str] = []
    tables: dict[str, Any] = _load_document()["tables"]
    for table in metadata.sorted_tables:
        sealed = [c.name for c in table.columns if isinstance(c.type, SealedText | SealedBytes)]
        undescribed = [name for name in sealed if f"{table.name}.{name}" not in _load_document()["secrets"]]
        references_person = any(key.column.table.name in PERSON_TABLES for key in table.foreign_keys)
        if table.name not in tables and (undescribed or references_person or table.name in PERSON_TABLES):
            faults.append(table.name)
        if table.name in tables:
            columns = {column.name for column in table.columns} - TECHNICAL_COLUMNS
            pupil_columns = {key.parent.name for key in table.foreign_keys if key.column.table.name == "pupil"}
            fields = set(tables[table.name]["fields"])
            faults += [f"{table.name}.{name}" for name in sorted((columns - fields - pupil_columns) | (fields - columns))]
    return [*faults, *sorted(set(tables) - set(metadata.tables))]
