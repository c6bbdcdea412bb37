"""The database edge: metadata, column types, engine. SQLite (WAL) and PostgreSQL behave alike from here up."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Engine,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cartable.crypto import Keyring

E = TypeVar("E", bound=StrEnum)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

#: A 64-bit key that SQLite also numbers by itself (it does so only for INTEGER).
BigKey = BigInteger().with_variant(Integer, "sqlite")
#: JSON that PostgreSQL stores parsed.
Json = JSON().with_variant(JSONB(none_as_null=True), "postgresql")


class Base(DeclarativeBase):
    """Mother of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: Json, list[Any]: Json}


class TownOwned:
    """Mixin of every row that belongs to one town; reads of it go through `cartable.scope`."""

    town_id: Mapped[UUID] = mapped_column(ForeignKey("town.id"), index=True)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant; refuses naive ones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant must be aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class EnumText(TypeDecorator[E], Generic[E]):
    """A `StrEnum` kept as its text, so that a new member needs no migration."""

    impl = String(32)
    cache_ok = True

    def __init__(self, kind: type[E]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: E | str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(self.kind(value).value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        return None if value is None else self.kind(value)


_keyring: Keyring | None = None


def use_keyring(keyring: Keyring) -> None:
    """Give the sealed columns their key. Called once by the composition root, before any query."""
    global _keyring
    _keyring = keyring


def get_keyring() -> Keyring:
    """Return the keyring in use. Raises `RuntimeError` before `use_keyring`."""
    if _keyring is None:
        raise RuntimeError("no keyring: call use_keyring first")
    return _keyring


class SealedBytes(TypeDecorator[bytes]):
    """Bytes encrypted at rest. `purpose` (table.column) keeps a value from being moved elsewhere."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.purpose = purpose

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return None if value is None else get_keyring().seal(value, self.purpose)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return None if value is None else get_keyring().open(bytes(value), self.purpose)


class SealedText(TypeDecorator[str]):
    """Text encrypted at rest."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.purpose = purpose

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else get_keyring().seal(value.encode(), self.purpose)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else get_keyring().open(bytes(value), self.purpose).decode()


def make_engine(url: str, *, pool_size: int = 10) -> Engine:
    """Open a database. On SQLite: WAL, foreign keys, a busy timeout, and `BEGIN IMMEDIATE` for every transaction,
    because a deferred one loses updates when two writers read first. Errors never hold the values of a statement: they are
    logged.
    """
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, hide_parameters=True)
        event.listen(engine, "connect", _sqlite_pragmas)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine
    return create_engine(url, pool_size=pool_size, max_overflow=5, pool_pre_ping=True, hide_parameters=True)


def make_index_only_engine(engine: Engine) -> Engine:
    """An engine on the same database for work that only ever follows indexes.

    PostgreSQL keeps the plan of a statement that it has prepared. One made while a table was empty reads the whole table, and
    goes on doing so when it has filled, until the statistics are renewed: here the planner may not choose that.
    """
    if engine.dialect.name != "postgresql":
        return engine
    options = {"options": "-c enable_seqscan=off"}
    return create_engine(engine.url, pool_size=2, max_overflow=2, pool_pre_ping=True, hide_parameters=True, connect_args=options)


def _sqlite_pragmas(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
