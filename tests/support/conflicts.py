"""Makes PostgreSQL end the next transactions that write to a table as it ends one of a deadlock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text


@contextmanager
def provoke_conflicts(engine: Engine, table: str, count: int) -> Iterator[None]:
    """The first `count` transactions that change a row of `table` fail with SQLSTATE 40P01. A sequence counts: it is not rolled back."""
    with engine.begin() as connection:
        connection.execute(text("CREATE SEQUENCE test_conflicts"))
        connection.execute(
            text(
                "CREATE FUNCTION test_conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF nextval('test_conflicts') <= {count} THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF; "
                "RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(f'CREATE TRIGGER test_conflict BEFORE INSERT OR UPDATE ON "{table}" EXECUTE FUNCTION test_conflict()')
        )
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP FUNCTION test_conflict CASCADE"))
            connection.execute(text("DROP SEQUENCE test_conflicts"))
