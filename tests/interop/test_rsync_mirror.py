"""Lists from a real rsync daemon: fetched when they changed, within their size, with their checksum."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cartable.settings import Settings
from mdm.cli.doctor.diagnosis import Health
from mdm.cli.doctor.resolver import check_mirror
from profiles.filters.mirror import fetch_archive
from profiles.filters.models import UpdateProblem
from profiles.filters.reading import read_archive
from profiles.filters.rsync_mirror import MirrorProblem
from tests.interop.conftest import require_program
from tests.profiles.filters.test_lists import archive
from tests.support.server import find_free_port
from tests.support.waiting import wait_until

MAX = 2**20


@dataclass
class Daemon:
    """A daemon with one folder."""

    folder: Path
    url: str

    def offer(self, hosts: bytes, *, changed_at: int) -> None:
        content = archive({"l/games/domains": hosts}).getvalue()
        (self.folder / "lists.tar.gz").write_bytes(content)
        (self.folder / "lists.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  lists.tar.gz\n")
        os.utime(self.folder / "lists.tar.gz", (changed_at, changed_at))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    program, folder = require_program("rsync"), tmp_path_factory.mktemp("mirror")
    files, port = folder / "files", find_free_port()
    files.mkdir()
    owner = f"uid = {os.getuid()}\ngid = {os.getgid()}\n" if os.getuid() == 0 else ""
    (folder / "rsyncd.conf").write_text(f"use chroot = no\n{owner}[lists]\npath = {files}\nread only = yes\n")
    command = [program, "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={folder / 'rsyncd.conf'}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        assert wait_until(lambda: _listens(port), 30), (folder / "log").read_text()
        yield Daemon(files, f"rsync://127.0.0.1:{port}/lists/lists.tar.gz")
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def fetch(
    daemon: Daemon, version: str | None = None, *, max_bytes: int = MAX, url: str = ""
) -> tuple[dict[str, int], str | None] | None:
    """Return the hosts of the archive by category and its version; None when it has not changed."""
    checksum_url = daemon.url.replace("tar.gz", "sha256")
    with fetch_archive(url or daemon.url, version, max_bytes=max_bytes, checksum_url=checksum_url) as fetched:
        return (read_archive(fetched.file).count_hosts(), fetched.etag) if fetched is not None else None


def test_an_archive_is_fetched_once_until_it_changes(daemon: Daemon) -> None:
    daemon.offer(b"a.example\n", changed_at=1_700_000_000)
    first = fetch(daemon)
    assert first is not None
    assert first[0] == {"games": 1}
    assert fetch(daemon, first[1]) is None
    daemon.offer(b"a.example\nb.example\n", changed_at=1_700_000_060)
    second = fetch(daemon, first[1])
    assert second is not None
    assert second[0] == {"games": 2}


def test_what_is_too_large_wrong_a_folder_or_away_changes_nothing(daemon: Daemon) -> None:
    daemon.offer(b"a.example\n", changed_at=1_700_000_000)
    cases = {
        UpdateProblem.TOO_LARGE: {"max_bytes": 10},
        UpdateProblem.UNREADABLE: {"url": daemon.url.removesuffix("lists.tar.gz")},
        UpdateProblem.UNREACHABLE: {"url": f"{daemon.url}.none"},
    }
    for problem, options in cases.items():
        with pytest.raises(MirrorProblem) as raised:
            fetch(daemon, **options)  # type: ignore[arg-type]
        assert raised.value.problem is problem
    (daemon.folder / "lists.sha256").write_text("0" * 64)
    with pytest.raises(MirrorProblem) as raised:
        fetch(daemon)
    assert raised.value.problem is UpdateProblem.CHECKSUM


def test_without_the_program_the_town_and_the_doctor_say_so(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(_env_file=None, filter_lists_url=daemon.url)
    assert [each.health for each in check_mirror(settings)] == [Health.GOOD]
    monkeypatch.setenv("PATH", "/nowhere")
    assert [each.health for each in check_mirror(settings)] == [Health.FAILED]
    with pytest.raises(MirrorProblem) as raised:
        fetch(daemon)
    assert raised.value.problem is UpdateProblem.PROGRAM_MISSING
