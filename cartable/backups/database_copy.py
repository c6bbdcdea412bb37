"""A consistent copy of the database in one file, while the server runs; and the way back into an empty database."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
from sqlalchemy import Engine, inspect, make_url

from cartable.backups.errors import BackupFailed
from cartable.embedded_postgres import find_binaries
from cartable.settings import Settings

#: Where Debian puts the programs of each version.
INSTALLED = Path("/usr/lib/postgresql")
#: Options of a database URL that PostgreSQL's programs take from the environment.
_ENVIRONMENT = {
    "host": "PGHOST", "port": "PGPORT", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
}  # fmt: skip


def get_dialect(settings: Settings) -> str:
    """Return the kind of the configured database: `sqlite` or `postgresql`."""
    return make_url(settings.effective_database_url).get_backend_name()


def copy_database(settings: Settings, target: Path) -> None:
    """Write a copy of the database to `target`, which must not exist, and check it. Raises `BackupFailed`."""
    if get_dialect(settings) == "sqlite":
        _copy_sqlite(_get_sqlite_file(settings), target)
    else:
        _run_tool(settings, "pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"])
        _run_tool(settings, "pg_restore", ["--list", str(target)])


def load_database(settings: Settings, source: Path) -> None:
    """Fill the configured database, which must be empty, from a copy. Raises `BackupFailed`."""
    if get_dialect(settings) == "sqlite":
        file = _get_sqlite_file(settings)
        _check_sqlite(source)
        shutil.move(source, file)
        file.chmod(0o600)
    else:
        database = make_url(settings.effective_database_url).database or ""
        _run_tool(
            settings, "pg_restore", ["--no-owner", "--no-privileges", "--single-transaction", f"--dbname={database}", str(source)]
        )


def require_empty_database(settings: Settings, engine: Engine) -> None:
    """Raise `BackupFailed` when the configured database holds a table: a restore overwrites nothing."""
    if get_dialect(settings) == "sqlite":
        if _get_sqlite_file(settings).exists():
            raise BackupFailed(
                f"{_get_sqlite_file(settings)} exists. A backup is restored into an empty place only: move the old one away."
            )
    elif inspect(engine).get_table_names():
        raise BackupFailed("the database has tables. A backup is restored into an empty database only: create a new one.")


def _get_sqlite_file(settings: Settings) -> Path:
    return Path(make_url(settings.effective_database_url).database or "")


def _copy_sqlite(file: Path, target: Path) -> None:
    if not file.exists():
        raise BackupFailed(f"there is no database at {file}.")
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(file, timeout=60)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    _check_sqlite(target)


def _check_sqlite(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        try:
            [answer] = connection.execute("PRAGMA integrity_check").fetchone()
        except sqlite3.DatabaseError as error:
            raise BackupFailed(f"the copy of the database is damaged ({error}).") from error
    if answer != "ok":
        raise BackupFailed(f"the copy of the database is damaged ({answer}).")


def _run_tool(settings: Settings, name: str, arguments: list[str]) -> None:
    """Run a program of PostgreSQL. The password goes by the environment: arguments are visible to every user of the machine."""
    program = _find_tool(name)
    finished = subprocess.run([str(program), *arguments], env=_build_environment(settings), capture_output=True, check=False)  # noqa: S603 - fixed arguments
    if finished.returncode != 0:
        last_line = finished.stderr.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1]
        raise BackupFailed(f"{name} failed: {last_line}")


def _find_tool(name: str) -> Path:
    """Return the newest program of this name on the machine: an older one refuses a newer server."""
    folder, installed = find_binaries(), shutil.which(name)
    candidates = {Path(installed)} if installed is not None else set()
    candidates |= set(INSTALLED.glob(f"*/bin/{name}"))
    if folder is not None and (folder / name).exists():
        candidates.add(folder / name)
    if not candidates:
        raise BackupFailed(f"the program {name} is missing: install PostgreSQL's client programs (on Debian: postgresql-client).")
    return max(candidates, key=_read_version)


def _read_version(program: Path) -> tuple[int, ...]:
    answer = subprocess.run([str(program), "--version"], capture_output=True, check=False).stdout.decode("utf-8", "replace")  # noqa: S603
    match = re.search(r"\d+(\.\d+)*", answer)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _build_environment(settings: Settings) -> dict[str, str]:
    url = make_url(settings.effective_database_url)
    values = {"PGUSER": url.username, "PGPASSWORD": url.password, "PGHOST": url.host, "PGDATABASE": url.database}
    values["PGPORT"] = str(url.port) if url.port else None
    values |= {variable: str(url.query[option]) for option, variable in _ENVIRONMENT.items() if option in url.query}
    return os.environ | {name: value for name, value in values.items() if value}


def describe_server(engine: Engine) -> str:
    """Return the kind and version of the database, for the head of a backup."""
    if engine.dialect.name == "sqlite":
        return f"SQLite {sqlite3.sqlite_version}"
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        return f"PostgreSQL {driver.info.server_version // 10000}"
