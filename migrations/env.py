"""Runs migrations: one transaction each, short lock waits, one runner at a time."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from mdm.kit.db import make_engine
from mdm.kit.settings import Settings
from mdm.tables import metadata

_ADVISORY_LOCK = 0x0CA27AB1E


def run(connection: Connection) -> None:
    """Apply migrations on an open connection."""
    sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=sqlite,
        transaction_per_migration=not sqlite,
        compare_type=True,
        user_module_prefix="mdm.kit.db.",
    )
    with context.begin_transaction():
        if not sqlite:
            connection.execute(text("SET LOCAL lock_timeout = '4s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    settings = Settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine = make_engine(settings.effective_database_url)
    with engine.connect() as opened:
        run(opened)
    engine.dispose()
