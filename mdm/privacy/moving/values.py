"""Values of columns as JSON and back. Sealed columns are plain here: the archive as a whole is encrypted."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Date, LargeBinary, Uuid

from cartable.database import SealedBytes, UtcDateTime

_DECODERS: list[tuple[tuple[type, ...], Callable[[Any], Any]]] = [
    ((Uuid,), UUID),
    ((UtcDateTime,), datetime.fromisoformat),
    ((Date,), date.fromisoformat),
    ((LargeBinary, SealedBytes), base64.b64decode),
]


def encode_value(value: Any) -> Any:
    """Return a value of a column as JSON has it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return str(value) if isinstance(value, UUID) else value


def decode_value(column: Column[Any], value: Any) -> Any:
    """Return the value of a column that `encode_value` made. Raises `ValueError`."""
    if value is None:
        return None
    for kinds, decode in _DECODERS:
        if isinstance(column.type, kinds):
            return decode(value)
    return value
