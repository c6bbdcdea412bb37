"""The data folder is closed to other users, however it came to be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartable.private_files import ensure_private_folder, list_paths_of_others
from cartable.settings import Settings
from mdm.cli import preflight
from mdm.composition import compose


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def open_mask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_mask")
def test_an_existing_folder_loses_the_rights_of_others(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o777)
    ensure_private_folder(folder)
    assert _mode(folder) == 0o700


@pytest.mark.usefixtures("open_mask")
@pytest.mark.parametrize("command", ["compose", "preflight"])
def test_every_command_closes_the_data_folder(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    settings = Settings(_env_file=None, data_dir=folder)
    if command == "compose":
        compose(settings).engine.dispose()
        assert _mode(folder / "secrets") == 0o700
        assert _mode(folder / "secrets" / "master.key") == 0o600
    else:
        preflight.check_data_folder(folder)
    assert _mode(folder) == 0o700


def test_paths_of_another_user_are_found(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    owner_id = tmp_path.stat().st_uid
    assert list_paths_of_others(tmp_path, owner_id) == []
    assert list_paths_of_others(tmp_path, owner_id + 1) == [tmp_path, tmp_path / "secrets"]
