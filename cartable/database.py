"""The database layer: metadata, column types, engines. Hides the differences between SQLite (WAL) and PostgreSQL."""

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
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cartable.crypto import Keyring
from cartable.outages import renew_read_only_connections

E = TypeVar("E", bound=StrEnum)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

#: A 64-bit key; INTEGER on SQLite, which generates values only for that type.
BigKey = BigInteger().with_variant(Integer, "sqlite")
#: JSON; JSONB on PostgreSQL.
Json = JSON().with_variant(JSONB(none_as_null=True), "postgresql")

#: Storage of PostgreSQL for tables whose rows change often: room on each page, so that a changed row stays there and its indexes are
#: not written (HOT updates).
HOT_ROWS = {"fillfactor": 80}


class Base(DeclarativeBase):
    """Base class of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: Json, list[Any]: Json}


class TownOwned:
    """Mixin of tables whose rows belong to one town. Their rows are read through `cartable.scope`."""

    town_id: Mapped[UUID] = mapped_column(ForeignKey("town.id"), index=True)


class CarriesTown:
    """Mixin of the hot tables: rows that many tablets cause, each with the town of the row that it belongs to, copied when it is written.

    Without a foreign key, which would read and lock the town's row for each of them, and without an index, because they are found by
    their enrollment or command. It lets a town be moved, and walls be built between the rows of towns.
    """

    town_id: Mapped[UUID]


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant. Raises `ValueError` for a naive one."""

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
    """A `StrEnum` stored as text, so that a new member needs no migration. Raises `ValueError` for a member that is too long."""

    MAX_LENGTH: ClassVar[int] = 32
    impl = String(MAX_LENGTH)
    cache_ok = True

    def __init__(self, kind: type[E]) -> None:
        super().__init__()
        for member in kind:
            if len(member.value) > self.MAX_LENGTH:
                raise ValueError(f"{kind.__name__}.{member.name} is longer than {self.MAX_LENGTH} characters")
        self.kind = kind

    def process_bind_param(self, value: E | str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(self.kind(value).value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        return None if value is None else self.kind(value)


_keyring: Keyring | None = None


def use_keyring(keyring: Keyring) -> None:
    """Set the keyring of encrypted columns. The composition root calls it once, before any query."""
    global _keyring
    _keyring = keyring


def get_keyring() -> Keyring:
    """Return the keyring in use. Raises `RuntimeError` before `use_keyring`."""
    if _keyring is None:
        raise RuntimeError("no keyring: call use_keyring first")
    return _keyring


class SealedBytes(TypeDecorator[bytes]):
    """Bytes encrypted at rest. `purpose` is table.column, so that a value cannot be moved to another column."""

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
    """Text encrypted at rest; see `SealedBytes`."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.purpose = purpose

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else get_keyring().seal(value.encode(), self.purpose)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else get_keyring().open(bytes(value), self.purpose).decode()


def make_engine(url: str, *, pool_size: int = 10, is_pooled: bool = False) -> Engine:
    """Return an engine for a database URL.

    On SQLite it uses WAL, foreign keys, a busy timeout, and `BEGIN IMMEDIATE` for every transaction, because deferred
    transactions lose updates when two writers read first. Errors never contain the values of a statement, since they are
    logged. `is_pooled`: PgBouncer in transaction mode stands before PostgreSQL, and prepared statements would be those of others.
    """
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, hide_parameters=True)
        event.listen(engine, "connect", _sqlite_pragmas)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine
    arguments = {"prepare_threshold": None} if is_pooled else {}
    return renew_read_only_connections(
        create_engine(url, pool_size=pool_size, max_overflow=5, pool_pre_ping=True, hide_parameters=True, connect_args=arguments)
    )


def make_index_only_engine(engine: Engine, *, is_pooled: bool = False) -> Engine:
    """Return an engine on the same database for statements that must always use indexes.

    PostgreSQL keeps the plan of a prepared statement. A plan made while a table was empty scans the whole table, and still
    does so when the table has many rows, until the statistics are renewed. This engine forbids such plans. Behind PgBouncer nothing
    is prepared, and every statement is planned anew: the engine itself does.

    Its connections are not asked whether they live before each use: whoever uses it tries once more when one was lost.
    """
    if engine.dialect.name != "postgresql" or is_pooled:
        return engine
    options = {"options": "-c enable_seqscan=off"}
    return renew_read_only_connections(
        create_engine(engine.url, pool_size=2, max_overflow=2, hide_parameters=True, connect_args=options)
    )


def get_insert(dialect: str) -> Any:
    """Return the function that builds an INSERT which knows ON CONFLICT: both databases have it, by a function of their own."""
    return postgresql.insert if dialect == "postgresql" else sqlite.insert


def _sqlite_pragmas(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
