"""One row in every table for a town, made from the columns, so that a test can name an object of every kind, also of kinds to come."""

from __future__ import annotations

import zlib
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from itertools import count
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import JSON, Boolean, Column, CursorResult, Date, Float, Integer, LargeBinary, Numeric, Table, Uuid

from cartable.database import EnumText, SealedBytes, SealedText, UtcDateTime
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from mdm.tables import metadata

_numbers = count(1)
#: Values that a column needs so that its row can be read, by table and column. `{number}` is another number each time.
_VALUES: dict[tuple[str, str], Any] = {
    ("school", "uai"): "09{number:05d}X",
    ("timetable", "week"): {},
    ("timetable", "calendar"): "official",
    ("town_calendar", "periods"): [],
    ("town_calendar", "public_holidays"): [],
    ("rollover", "from_year"): "2026-2027",
    ("rollover", "to_year"): "2027-2028",
    ("school_class", "school_year"): "2026-2027",
    ("policy_version", "presets"): [],
    ("roster_import", "warnings"): [],
    ("roster_export", "class_ids"): [],
    ("column_mapping", "kind"): "pupils",
    ("ade_server", "skip_setup_items"): [],
    ("command_body", "request_type"): "DeviceLock",
    ("worker_process", "kinds"): [],
    ("worker_process", "stuck"): [],
    ("service_token", "permissions"): [],
    ("former_filter_category", "name"): "games",
    ("exam_day", "starts"): 9 * 60,
    ("exam_day", "ends"): 10 * 60,
    ("filter_block", "body"): zlib.compress(b"jeu.example"),
    ("filter_list_release", "changes"): [],
    ("filter_list_release", "shrunk"): [],
    ("filter_options", "own_hosts"): [],
    ("filter_options", "trial_schools"): [],
}
#: Tables whose rows change what the whole server does.
_OF_THE_SERVER = {"clock_pause", "database_restore"}
#: References that must be empty beside another one.
_EMPTY = {("policy_version", "preset_id"), ("loan", "staff_id")}


def fill_tables(work: UnitOfWork, town: Town) -> dict[str, Any]:
    """Add one row to every table, each referring to the others of the same town. Returns the keys by table."""
    keys: dict[str, Any] = {"town": town.id}
    for table in metadata.sorted_tables:
        if table.name == "town" or _is_of_the_server(table):
            continue
        values = {column.name: _make_value(table, column, keys) for column in table.columns if not _is_left_out(table, column)}
        result = cast("CursorResult[Any]", work.session.execute(table.insert().values(**values)))
        inserted = result.inserted_primary_key
        keys[table.name] = inserted[0] if inserted is not None and len(inserted) == 1 else tuple(inserted or ())
    work.session.expire_all()
    return keys


def _is_of_the_server(table: Table) -> bool:
    """Return whether a table is none of a town: it has one row for the server, whose key is given, or its rows stop everything."""
    keys = [column for column in table.primary_key if not column.foreign_keys]
    return table.name in _OF_THE_SERVER or any(
        isinstance(column.type, Integer) and column.autoincrement is False for column in keys
    )


def _is_left_out(table: Table, column: Column[Any]) -> bool:
    """Return whether a column is left empty: a generated key, a reference to the own table, or anything that may be missing."""
    if (table.name, column.name) in _VALUES:
        return False
    if (table.name, column.name) in _EMPTY:
        return True
    references = [key.column.table for key in column.foreign_keys]
    if table in references:
        return True
    if references or column.name in ("town_id", "school_id"):
        return False
    is_generated = column.primary_key and isinstance(column.type, Integer) and len(table.primary_key.columns) == 1
    return is_generated or bool(column.nullable)


def _make_value(table: Table, column: Column[Any], keys: dict[str, Any]) -> Any:
    given = _VALUES.get((table.name, column.name))
    if given is not None:
        return given.format(number=next(_numbers)) if isinstance(given, str) else given
    for key in column.foreign_keys:
        return keys[key.column.table.name]
    if column.name == "town_id":
        return keys["town"]
    return _make_plain_value(column)


def _make_plain_value(column: Column[Any]) -> Any:
    kind, number = column.type, next(_numbers)
    if isinstance(kind, EnumText):
        return next(iter(cast("type[Enum]", kind.kind)))
    by_type: dict[tuple[type, ...], Any] = {
        (SealedBytes, LargeBinary): b"x", (SealedText,): "x", (UtcDateTime,): datetime.now(UTC) + timedelta(days=1), (Uuid,): uuid4(),
        (Boolean,): False, (Date,): date(2026, 11, 26), (Integer,): number, (Float, Numeric): 1.0,
    }  # fmt: skip
    for types, value in by_type.items():
        if isinstance(kind, types):
            return value
    if isinstance(kind, JSON):
        return {}
    return f"{number}-{uuid4().hex}"[: getattr(kind, "length", None) or 64]


def as_id(key: Any) -> str:
    """Return a key as the API spells it."""
    return str(key[0]) if isinstance(key, tuple) else str(key)
