"""Everything that is stored of one town, as a readable archive: one file of JSON lines for each table. For the end of a contract.

A table belongs to the town if it has the town's id, or refers to a row that does. Keys, tokens and hashes are left out: they are
worth nothing elsewhere.
"""

from __future__ import annotations

import base64
import json
import os
import zipfile
from collections.abc import Mapping
from datetime import date, datetime, time
from enum import Enum
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Table

from cartable import audit
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from mdm.privacy.dictionary import list_secrets
from mdm.privacy.town_repository import list_town_tables, stream_rows

_BATCH = 500
_SECRET_WORDS = ("hash", "secret", "password", "private_key")


def export_town(work: UnitOfWork, town: Town, target: Path) -> dict[str, int]:
    """Write the archive of a town to `target`, which must not exist, for its owner alone. Returns the number of rows by table."""
    audit.record_event(work, SYSTEM, "town.export", "town", town.id, town_id=town.id)
    counts: dict[str, int] = {}
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for table, statement in list_town_tables(town.id).items():
            columns = _list_columns(table)
            with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as entry:
                counts[table.name] = 0
                for row in stream_rows(work.session, statement, columns, _BATCH):
                    entry.write(_encode_row(columns, row))
                    counts[table.name] += 1
        archive.writestr("tables.json", json.dumps(counts, indent=1))
    return counts


def _list_columns(table: Table) -> list[Column[Any]]:
    return [
        column
        for column in table.columns
        if f"{table.name}.{column.name}" not in list_secrets() and not any(word in column.name for word in _SECRET_WORDS)
    ]


def _encode_row(columns: list[Column[Any]], row: Any) -> bytes:
    values: Mapping[str, Any] = {column.name: value for column, value in zip(columns, row, strict=True) if value is not None}
    return json.dumps(values, default=_to_json, ensure_ascii=False).encode() + b"\n"


def _to_json(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return str(value)
