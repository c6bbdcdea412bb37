"""Passes many rows to one SQL statement as one parameter per column, on both dialects. Knows no table.

The text of such a statement does not depend on the number of rows, so it is prepared once and needs one round trip.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID


def build_table_sql(dialect: str, alias: str, columns: Mapping[str, str]) -> str:
    """Return the SQL of a table `alias` made of parameters. `columns` maps names to PostgreSQL's types.

    They are bigint, text, uuid, timestamptz (aware instants), or jsonb (its text).
    """
    if dialect == "postgresql":
        arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in columns.items())
        return f"unnest({arrays}) AS {alias}({', '.join(columns)})"
    fields = ", ".join(f"json_extract(value, '$[{index}]') AS {name}" for index, name in enumerate(columns))
    return f"(SELECT {fields} FROM json_each(:{alias})) AS {alias}"  # noqa: S608 - fixed names


def build_parameters(dialect: str, alias: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return the parameters that fill the table of `build_table_sql` with rows."""
    if dialect == "postgresql":
        return {name: [row[index] for row in rows] for index, name in enumerate(columns)}
    return {alias: json.dumps(rows, default=_format_value)}


def _format_value(value: datetime | UUID) -> str:
    """Return an instant or an id as SQLite stores it in the columns of type `UtcDateTime` and `Uuid`."""
    if isinstance(value, UUID):
        return value.hex
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
