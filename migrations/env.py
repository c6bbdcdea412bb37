"""Runs migrations: one transaction each, short lock waits, one runner at a time."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import JSON, Connection, TypeDecorator, text

from cartable.database import make_engine
from cartable.partitions import create_default_partitions, list_partition_names, list_partitioned_tables
from cartable.private_files import ensure_private_folder
from cartable.settings import Settings
from mdm.tables import metadata

_ADVISORY_LOCK = 0x0CA27AB1E


def render_item(kind: str, item: object, context: Any) -> str | bool:
    """Write our column types as the plain types beneath: a migration must not change when the code does."""
    if kind != "type":
        return False
    if isinstance(item, TypeDecorator):
        return f"sa.{item.impl!r}"
    if isinstance(item, JSON):
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql")'
    return False


def run(connection: Connection) -> None:
    """Apply migrations on an open connection."""
    sqlite = connection.dialect.name == "sqlite"
    partitions = list_partition_names(connection)
    connection.rollback()  # what follows begins its own transactions
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=sqlite,
        transaction_per_migration=not sqlite,
        compare_type=True,
        include_name=lambda name, kind, _parents: kind != "table" or name not in partitions,
        render_item=render_item,
    )
    with context.begin_transaction():
        if not sqlite:
            # Whoever comes second waits for the first as long as it takes; only then waits for tables are short.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            connection.execute(text("SET LOCAL lock_timeout = '4s'"))
        context.run_migrations()
    if not sqlite:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})  # two may come here at once
        create_default_partitions(connection, list_partitioned_tables(metadata))
        connection.commit()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    settings = Settings()
    ensure_private_folder(settings.data_dir)
    engine = make_engine(settings.effective_database_url)
    with engine.connect() as opened:
        run(opened)
    engine.dispose()
