"""Monthly partitions of tables that hold history: made when a month gets its first row, dropped when the term of the month is over.

PostgreSQL only; on SQLite such a table is a plain one, and nothing here does anything. A table is partitioned when its model says
`postgresql_partition_by: RANGE (column)`. Each has a default partition too, so that no row is ever refused: what stands in it when
its month is made moves there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, MetaData, Table, text

#: How long a dropped partition waits for those who read the table. Others wait behind it, so it gives up early: the next run tries again.
_LOCK_TIMEOUT = "2s"
_SELECT_PARTITIONS = """
SELECT child.relname FROM pg_inherits
JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent
WHERE parent.relname = :table AND pg_table_is_visible(parent.oid) ORDER BY child.relname
"""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC: what one partition holds."""

    year: int
    number: int

    @classmethod
    def of(cls, instant: datetime) -> Month:
        """Return the month of an instant."""
        utc = instant.astimezone(UTC)
        return cls(utc.year, utc.month)

    @property
    def start(self) -> datetime:
        """The first instant of the month."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def following(self) -> Month:
        """The next month."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)


def list_partitioned_tables(metadata: MetaData) -> list[Table]:
    """Return the tables that are partitioned on PostgreSQL."""
    return [table for table in metadata.sorted_tables if table.dialect_options["postgresql"]["partition_by"]]


def list_partition_names(connection: Connection) -> set[str]:
    """Return the names of all partitions of the database: tables that no model describes."""
    if connection.dialect.name != "postgresql":
        return set()
    return set(connection.scalars(text("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")))


def create_default_partitions(connection: Connection, tables: Iterable[Table]) -> None:
    """Give each of these tables that exists its default partition, if it has none."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        if connection.scalar(text("SELECT to_regclass(:name)"), {"name": table.name}) is not None:
            connection.execute(
                text(f'CREATE TABLE IF NOT EXISTS "{_get_default_name(table)}" PARTITION OF "{table.name}" DEFAULT')
            )


def list_months(connection: Connection, table: Table) -> list[Month]:
    """Return the months that have a partition, the oldest first."""
    if connection.dialect.name != "postgresql":
        return []
    names = connection.scalars(text(_SELECT_PARTITIONS), {"table": table.name}).all()
    prefix = f"{table.name}_y"
    return sorted(Month(int(name[-7:-3]), int(name[-2:])) for name in names if name.startswith(prefix))


def count_default_rows(connection: Connection, table: Table) -> int:
    """Return how many rows stand in the default partition, because the partition of their month was missing; 0 on SQLite."""
    if connection.dialect.name != "postgresql":
        return 0
    return connection.scalar(text(f'SELECT count(*) FROM "{_get_default_name(table)}"')) or 0  # noqa: S608 - names of our tables


def ensure_months(connection: Connection, table: Table, months: Iterable[Month]) -> None:
    """Make the partitions of these months that are missing. Rows of the month in the default partition move into the new one.

    The partition is filled apart and then attached, which lets others read and write the table meanwhile (`CREATE TABLE ... PARTITION
    OF` would lock them out). Of two transactions that make the same month, the second waits and finds it made.
    """
    missing = [] if connection.dialect.name != "postgresql" else sorted(set(months) - set(list_months(connection, table)))
    if not missing:
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:table, 0))"), {"table": table.name})
    column = _get_range_column(table)
    for month in sorted(set(missing) - set(list_months(connection, table))):
        name, start, end = _get_month_name(table, month), month.start.isoformat(), month.following.start.isoformat()
        in_month = f"\"{column}\" >= '{start}' AND \"{column}\" < '{end}'"
        moved = f'DELETE FROM "{_get_default_name(table)}" WHERE {in_month} RETURNING *'  # noqa: S608 - names of our tables
        connection.exec_driver_sql(f'CREATE TABLE "{name}" (LIKE "{table.name}" INCLUDING DEFAULTS)')
        connection.exec_driver_sql(f'WITH moved AS ({moved}) INSERT INTO "{name}" SELECT * FROM moved')  # noqa: S608
        connection.exec_driver_sql(
            f"ALTER TABLE \"{table.name}\" ATTACH PARTITION \"{name}\" FOR VALUES FROM ('{start}') TO ('{end}')"
        )


def drop_oldest_month(connection: Connection, table: Table, before: datetime) -> Month | None:
    """Drop the partition of the oldest month if all of it lies before an instant. Returns the month, or None when none does.

    Raises an operational error when somebody reads the table for longer than two seconds.
    """
    due = [month for month in list_months(connection, table) if month.following.start <= before]
    if not due:
        return None
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    connection.execute(text(f'DROP TABLE "{_get_month_name(table, due[0])}"'))
    return due[0]


def _get_range_column(table: Table) -> str:
    expression: str = table.dialect_options["postgresql"]["partition_by"]
    return expression.removeprefix("RANGE (").removesuffix(")")


def _get_default_name(table: Table) -> str:
    return f"{table.name}_default"


def _get_month_name(table: Table, month: Month) -> str:
    return f"{table.name}_y{month.year:04}m{month.number:02}"
