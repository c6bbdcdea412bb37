"""The archive of a backup: readable with its passphrase alone, every damage noticed, nothing overwritten, private on the disk."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from stat import S_IMODE

import pytest
from sqlalchemy import Engine

from cartable.backups.archive import read_archive
from cartable.backups.database_copy import copy_database
from cartable.backups.errors import BackupFailed
from cartable.backups.service import make_backup, restore_backup
from cartable.clock import ManualClock
from cartable.database import make_engine
from cartable.settings import Settings
from cartable.timeline.restores import is_restored
from cartable.unit_of_work import Runtime
from mdm.care.restores.service import TimelineWatch
from tests.conftest import KEYRING
from tests.support.databases import create_sqlite_engine, empty_postgres_engine

PASSPHRASE = b"correct horse battery staple"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
UNREACHABLE = Settings(_env_file=None, database_url="postgresql+psycopg://cartable:MARKED-SECRET@127.0.0.1:1/cartable")


@pytest.fixture
def source(runtime: Runtime, engine: Engine, settings: Settings) -> Settings:
    """The settings of a server with a timeline, a key and an upload, and stores that are made from the database."""
    TimelineWatch(runtime).check()
    (settings.secrets_dir / "master.key").write_bytes(bytes(32))
    (settings.data_dir / "public-url").write_text("https://mdm.test:8443\n")
    (settings.data_dir / "resolver").mkdir()
    (settings.data_dir / "resolver" / "index.cdb").write_bytes(b"x")
    return settings.model_copy(update={"database_url": engine.url.render_as_string(hide_password=False)})


@pytest.fixture
def archive(source: Settings, engine: Engine, tmp_path: Path) -> Path:
    file = tmp_path / "monday.backup"
    make_backup(source, engine, file, PASSPHRASE, NOW)
    return file


def test_an_archive_is_private_and_names_what_it_holds(archive: Path, engine: Engine) -> None:
    assert S_IMODE(archive.stat().st_mode) == 0o600
    head = read_archive(archive, PASSPHRASE)
    assert sorted(head.hashes) == ["data/public-url", "data/secrets/master.key", "database"]
    assert head.facts["dialect"] == engine.dialect.name
    content = archive.read_bytes()
    assert b"master.key" not in content
    assert b"https://mdm.test" not in content


def test_no_damage_goes_unnoticed(archive: Path, tmp_path: Path) -> None:
    content = archive.read_bytes()
    damaged = tmp_path / "damaged"
    middle = len(content) // 2
    for changed in (
        content[:middle],
        content[:-1],
        content[:middle] + b"\0" + content[middle + 1 :],
        content + content[-99:],
        b"",
        b"x",
    ):
        damaged.write_bytes(changed)
        if changed.startswith(content):
            continue  # what follows the last piece is not read
        with pytest.raises(BackupFailed):
            read_archive(damaged, PASSPHRASE)
    with pytest.raises(BackupFailed, match="passphrase is wrong"):
        read_archive(archive, b"another passphrase")


def test_a_backup_overwrites_nothing_and_leaves_no_half_one(
    archive: Path, source: Settings, engine: Engine, tmp_path: Path
) -> None:
    before = archive.read_bytes()
    with pytest.raises(BackupFailed, match="exists"):
        make_backup(source, engine, archive, PASSPHRASE, NOW)
    assert archive.read_bytes() == before
    with pytest.raises(BackupFailed, match="12 characters"):
        make_backup(source, engine, tmp_path / "short", b"short", NOW)
    with pytest.raises(BackupFailed, match="cannot be written"):
        make_backup(source, engine, tmp_path / "no such folder" / "file", PASSPHRASE, NOW)
    assert sorted(path.name for path in source.data_dir.iterdir()) == ["public-url", "resolver", "secrets"], (
        "no copy of the database is left"
    )


def test_a_restore_fills_an_empty_place_only(archive: Path, source: Settings, engine: Engine) -> None:
    with pytest.raises(BackupFailed, match="empty"):
        restore_backup(source, engine, archive, PASSPHRASE)
    (source.data_dir / "public-url").unlink()
    (source.secrets_dir / "master.key").unlink()
    with pytest.raises(BackupFailed, match="empty"):
        restore_backup(source, engine, archive, PASSPHRASE)


def test_what_was_restored_is_what_was_saved_and_knows_it(tmp_path: Path, clock: ManualClock) -> None:
    engine = create_sqlite_engine(tmp_path)
    source = Settings(_env_file=None, data_dir=tmp_path / "old", database_url=f"sqlite:///{tmp_path / 'cartable.db'}")
    TimelineWatch(Runtime(settings=source, engine=engine, clock=clock, keyring=KEYRING)).check()
    (source.secrets_dir / "master.key").write_bytes(bytes(32))
    archive = tmp_path / "monday.backup"
    make_backup(source, engine, archive, PASSPHRASE, NOW)
    target = Settings(_env_file=None, data_dir=tmp_path / "new")
    restored = make_engine(target.effective_database_url)
    restore_backup(target, restored, archive, PASSPHRASE)
    assert (target.secrets_dir / "master.key").read_bytes() == bytes(32)
    modes = {path.name: S_IMODE(path.stat().st_mode) for path in [target.data_dir, *target.data_dir.rglob("*")]}
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
    with Runtime(settings=target, engine=restored, clock=clock, keyring=KEYRING).open_unit_of_work() as work:
        assert is_restored(work)
    engine.dispose()
    restored.dispose()


def test_an_archive_of_another_kind_of_database_is_refused(tmp_path: Path) -> None:
    engine = empty_postgres_engine()
    source = Settings(_env_file=None, data_dir=tmp_path / "old", database_url=engine.url.render_as_string(hide_password=False))
    source.data_dir.mkdir()
    make_backup(source, engine, tmp_path / "archive", PASSPHRASE, NOW)
    target = Settings(_env_file=None, data_dir=tmp_path / "new")
    empty = make_engine(target.effective_database_url)
    with pytest.raises(BackupFailed, match="postgresql"):
        restore_backup(target, empty, tmp_path / "archive", PASSPHRASE)
    assert list(target.data_dir.iterdir()) == []
    empty.dispose()


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cartable.backups.database_copy.find_binaries", lambda: None)
    monkeypatch.setattr("cartable.backups.database_copy.INSTALLED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupFailed, match="pg_dump is missing"):
        copy_database(UNREACHABLE, tmp_path / "copy")


def test_the_password_of_the_database_is_in_no_message(tmp_path: Path) -> None:
    with pytest.raises(BackupFailed) as failure:
        copy_database(UNREACHABLE, tmp_path / "copy")
    assert "MARKED-SECRET" not in str(failure.value)
