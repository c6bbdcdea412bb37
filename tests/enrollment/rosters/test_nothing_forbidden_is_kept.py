"""What must not be kept of a child or a guardian is in no table, no log, no temporary file (docs/domain/rosters.md#forbidden-columns,
PRIV-02), whatever file it came in: shown over real HTTPS, by looking everywhere.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select, text

from cartable.scope import Role
from mdm.tables import metadata
from tests.enrollment.rosters.files import (
    CHILD,
    GUARDIANS,
    OLD_ONDE,
    ONDE,
    PAIRS,
    STAFF,
    build_oneroster,
    onde_line,
    sheet_file,
    text_file,
)
from tests.support import databases
from tests.support.server import LiveServer
from tests.support.world import TownFactory

_opened: list[str] = []
_watching = False


def _see(event: str, arguments: tuple[Any, ...]) -> None:
    if (
        not _watching or event != "open" or threading.current_thread().name == "timeline"
    ):  # which writes how far the database has got
        return
    if arguments[2] is not None and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        _opened.append(str(arguments[0]))


sys.addaudithook(_see)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every file that the process opens for writing."""
    global _watching
    _opened.clear()
    _watching = True
    with tempfile.TemporaryFile():
        assert _opened, "the watch sees temporary files"
    _opened.clear()
    yield _opened
    _watching = False


def _files(uai: str, bad: str, ine: str, born: str) -> dict[str, tuple[bytes, bool]]:
    """Every kind of file, with what is forbidden in all the columns that may not be kept; whether to name the school."""
    onde = [
        onde_line(
            f"KEPT{n}",
            "Zoé",
            ine=ine if n == 0 else "",
            born=born,
            label="CE1 A",
            forbidden=bad * 5,
            decision=f"Maintien {bad}" if n else "Maintien",
        )
        for n in range(1500)
    ]
    guardian = f"{bad};;KEPTGUARDIAN;Nadia;{bad};{bad};{bad};{bad};{bad}@home.example;{bad};{bad};{bad};{bad};;KEPT1;Zoé;CE1 A;;KEPT2;Zoé;CE1 A"
    pair = f"KEPT1;Zoé;;CE1 A;{bad};;KEPTGUARDIAN;Nadia;{bad};{bad};{bad};{bad};{bad}@home.example;{bad};{bad};{bad}"
    extra = "Commune naissance;Dépt naissance;Pays naissance;Nationalité;Deuxième prénom;Téléphone;Profession"
    return {
        "onde.csv": (text_file(ONDE, *onde), True),
        "onde.xlsx": (sheet_file(ONDE, *onde[:20]), True),
        "old.csv": (text_file(OLD_ONDE, f"KEPT1;;Zoé;{born};{bad};{bad};{bad};{bad};{bad};{bad};CE1;CE1 A;{bad};{bad};{bad}"), True),
        "custom.csv": (text_file(f"Nom;Prénom;Niveau;Classe;{extra}", ";".join(["KEPT1", "Zoé", "CE1", "CE1 A", *[bad] * 7])), True),
        "faulty.csv": (text_file(ONDE, onde_line("", "Zoé", ine=f"{ine}9", born=f"99/{born}", grade=bad[:2], forbidden=bad, decision=bad)), True),
        "refused.csv": (text_file(f"Nom;{bad}", f"{bad};Ã©{bad}", encoding="utf-8"), True),
        "guardians.csv": (text_file(GUARDIANS.format(desk="Numéro de poste;") + f"{CHILD};{CHILD}", guardian), True),
        "pairs.csv": (text_file(PAIRS, pair), True),
        "staff.csv": (text_file(f"{STAFF};{extra}", ";".join([uai, "KEPTTEACHER", "Paul", "p@ecole.example", "", "main", *[bad] * 7])), False),
        "oneroster.zip": (build_oneroster(uai, forbidden=bad), False),
        "oneroster11.zip": (build_oneroster(uai, version="1.1", forbidden=bad), False),
    }  # fmt: skip


def _use(client: httpx.Client, town_id: str, uai: str, files: dict[str, tuple[bytes, bool]]) -> None:
    """Look at, preview, read, download and carry out each file."""
    for name, (content, named) in files.items():
        data = {"town_id": town_id, **({"school_uai": uai} if named else {})}
        client.post("/rosters/columns", files={"file": (name, content)}, data=data)
        previewed = client.post("/rosters", files={"file": (name, content)}, data=data)
        if name == "refused.csv":
            assert previewed.json()["details"] == {"why": "encoding_suspect"}
            continue
        assert previewed.status_code == 201, (name, previewed.text)
        made = previewed.json()
        for part in ("lines", "report.csv", "report.xlsx"):
            client.get(f"/rosters/{made['id']}/{part}").raise_for_status()
        if not made["needs_second_person"]:
            client.post(f"/rosters/{made['id']}/confirm").raise_for_status()


def test_what_is_forbidden_is_nowhere(
    capfd: pytest.CaptureFixture[str], server: LiveServer, watched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, ine, born = f"KANARI{secrets.token_hex(4)}", f"9{secrets.randbelow(10**9):09d}K", "17/05/1947"
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
    files = _files(school.uai, bad, ine, born)
    assert len(files["onde.csv"][0]) > 2**20, "larger than what a framework keeps in memory by itself"
    with contextlib.closing(server.sign_in(town.id, Role.TOWN_ADMIN, "admin")) as client:
        with monkeypatch.context() as patched:
            patched.setattr(tempfile, "tempdir", "/nonexistent")
            watched.clear()
            _use(client, str(town.id), school.uai, files)
        assert watched == [], "no file was opened for writing"
    opened_values = str(_every_value(server.runtime.engine))
    raw = b"".join(_raw(server.runtime.engine))
    logged = "".join(capfd.readouterr())
    assert "KEPT1" in opened_values
    assert "KEPTGUARDIAN" in opened_values
    assert "KEPTTEACHER" in opened_values
    assert "/api/v1/rosters" in logged
    for secret in (bad, ine, born, "1947-05-17"):
        assert secret not in opened_values
        assert secret.encode() not in raw
        assert secret not in logged
    assert b"KEPT1" not in raw, "names are sealed"
    assert "KEPT1" not in logged
    assert "home.example" not in opened_values, "contacts of guardians who have no portal"


def _every_value(engine: Engine) -> list[Any]:
    """All rows of all tables, unsealed."""
    with engine.connect() as connection:
        return [row for table in metadata.sorted_tables for row in connection.execute(select(table))]


def _raw(engine: Engine) -> Iterator[bytes]:
    """The bytes of the database on disk, write-ahead log included."""
    if engine.dialect.name == "sqlite":
        database = str(engine.url.database)
        for suffix in ("", "-wal"):
            if Path(database + suffix).exists():
                yield Path(database + suffix).read_bytes()
        return
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_switch_wal()"))
        oid = connection.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
    data = Path(os.environ[databases.POSTGRES_FOLDER_VARIABLE]) / "data"
    for folder in (data / "base" / str(oid), data / "pg_wal"):
        for path in folder.iterdir():
            if path.is_file():
                yield path.read_bytes()
