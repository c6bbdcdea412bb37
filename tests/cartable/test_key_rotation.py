"""Rotation of the master key: what was sealed stays readable at each moment, a killed run goes on, concurrent writes are not lost."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, LargeBinary, select, type_coerce

from cartable import resealing
from cartable.clock import ManualClock
from cartable.crypto import DecryptionError, Keyring, MasterKeys
from cartable.database import use_keyring
from cartable.master_keys import KeyFolder, MasterKeyMissing
from cartable.resealing import reseal
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.people.models import Pupil
from mdm.cli import keys
from mdm.tables import metadata
from tests.conftest import KEYRING
from tests.support.world import TownFactory

NAMES = [f"NOM{number}" for number in range(7)]


Start = Callable[[], Runtime]


@pytest.fixture
def start(settings: Settings, engine: Engine, clock: ManualClock) -> Iterator[Start]:
    """Start a process on the installation's database and key files. The tests' own keyring is in use again afterwards."""

    def start_process() -> Runtime:
        folder = KeyFolder(settings)
        keyring = Keyring(folder.load(), folder.load)
        use_keyring(keyring)
        return Runtime(settings=settings, engine=engine, clock=clock, keyring=keyring)

    yield start_process
    use_keyring(KEYRING)


def create_pupils(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work)
        school_class = town.create_class(town.create_school(town.create_town()))
        for name in NAMES:
            town.create_pupil(school_class, last=name)


def read_names(runtime: Runtime) -> list[str]:
    use_keyring(runtime.keyring)
    with runtime.open_unit_of_work() as work:
        return list(work.session.scalars(select(Pupil.last_name).order_by(Pupil.name_hash)))


def read_prefixes(runtime: Runtime) -> set[bytes]:
    with runtime.open_unit_of_work() as work:
        values = work.session.scalars(select(type_coerce(Pupil.last_name, LargeBinary)))
        return {bytes(value)[:5] for value in values}


def test_names_are_sealed_anew_while_a_process_that_knows_only_the_old_key_reads_and_writes(
    start: Start, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH_SIZE", 2)
    serving = start()
    create_pupils(serving)
    old_prefix, old_hash = serving.keyring.current_prefix, serving.keyring.keyed_hash("x", "test")
    assert KeyFolder(settings).begin_rotation()
    rotating = start()
    run = reseal(rotating, metadata)
    next(run)  # then the process is killed, after its first batch
    assert len(read_prefixes(serving)) == 2
    assert read_names(serving) == NAMES, "the process asks for the new key when it meets it"
    assert read_names(rotating) == NAMES
    assert not KeyFolder(settings).begin_rotation(), "the second run goes on, it makes no third key"
    use_keyring(rotating.keyring)
    for _ in reseal(start(), metadata):
        pass
    assert read_prefixes(serving) == {rotating.keyring.current_prefix} != {old_prefix}
    assert read_names(serving) == NAMES
    assert rotating.keyring.keyed_hash("x", "test") == old_hash, "hashes are made with a key of their own, which stays"


def test_a_value_that_is_changed_meanwhile_is_not_overwritten(
    start: Start, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = start()
    create_pupils(serving)
    KeyFolder(settings).begin_rotation()
    rotating = start()
    if rotating.engine.dialect.name == "sqlite":
        return  # transactions are serial there
    open_value = rotating.keyring.open
    changed: list[str] = []

    def change_then_open(sealed: bytes, purpose: str) -> bytes:
        if purpose == "pupil.last_name" and not changed:
            changed.append(purpose)
            with serving.open_unit_of_work() as work:
                work.session.scalars(select(Pupil).order_by(Pupil.name_hash)).all()[3].last_name = "CHANGED"
        return open_value(sealed, purpose)

    monkeypatch.setattr(rotating.keyring, "open", change_then_open)
    for _ in reseal(rotating, metadata):
        pass
    assert read_names(serving)[3] == "CHANGED"


def test_commands_rotate_and_forget(
    start: Start, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    create_pupils(start())

    def run(action: str) -> tuple[int, str]:
        code = keys.run(start(), argparse.Namespace(action=action))
        return code, "".join(capsys.readouterr())

    assert run("status")[0] == 0
    code, output = run("rotate")
    assert code == 0
    assert "14 values sealed with the current key, 0 with another one" in output
    code, output = run("forget")
    assert (code, "just begun" in output) == (3, True)
    monkeypatch.setattr(keys, "SETTLING_SECONDS", -1)
    assert run("forget")[0] == 0
    assert read_names(start()) == NAMES
    folder = KeyFolder(settings)
    assert not folder.previous.exists()
    assert {path.stat().st_mode & 0o777 for path in (folder.current, folder.hashing)} == {0o600}


def test_forgetting_is_refused_while_the_previous_key_is_needed(
    start: Start, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "SETTLING_SECONDS", -1)
    create_pupils(start())
    KeyFolder(settings).begin_rotation()
    assert keys.forget_previous_key(start()) == 3
    assert KeyFolder(settings).previous.exists()


@pytest.mark.parametrize("killed_after", ["hashing", "previous", "master"])
def test_a_rotation_that_is_killed_between_two_files_goes_on(
    settings: Settings, killed_after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = KeyFolder(settings)
    first = folder.load().current
    replace_file = Path.replace

    def replace_then_die(path: Path, target: Path) -> Path:
        result = replace_file(path, target)
        if target.name.startswith(killed_after):
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", replace_then_die)
        folder.begin_rotation()
    keys_after = folder.load()
    assert first in (keys_after.current, keys_after.previous)
    assert keys_after.hashing == first
    folder.begin_rotation()
    keys_after = folder.load()
    assert (keys_after.previous, keys_after.hashing) == (first, first)
    assert keys_after.current != first


def test_a_missing_key_of_an_existing_database_is_never_made_anew(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "cartable.db").touch()
    with pytest.raises(MasterKeyMissing):
        KeyFolder(settings).load()


def test_a_value_opens_with_its_own_key_and_purpose_only() -> None:
    first, second = os.urandom(32), os.urandom(32)
    sealed = Keyring(first).seal(b"Zo\xc3\xa9", "pupil.first_name")
    assert Keyring(MasterKeys(second, previous=first)).open(sealed, "pupil.first_name") == b"Zo\xc3\xa9"
    for keyring, value, purpose in (
        (Keyring(second), sealed, "pupil.first_name"),
        (Keyring(first), sealed, "pupil.last_name"),
        (Keyring(first), sealed[:-1], "pupil.first_name"),
        (Keyring(first), sealed[:20], "pupil.first_name"),
        (Keyring(first), b"", "pupil.first_name"),
    ):
        with pytest.raises(DecryptionError):
            keyring.open(value, purpose)
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKeys(b"short")
