"""A disk that is really full, below SQLite or a PostgreSQL cluster of its own: tablets come later, nothing is lost, all goes on by itself.

The disk is a small file system in memory, which only root may mount; elsewhere the test is skipped.
"""

from __future__ import annotations

import asyncio
import os
import plistlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from cartable.clock import SystemClock
from cartable.database import make_engine
from cartable.embedded_postgres import PostgresServer, find_binaries
from cartable.migrate import upgrade
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity.verifier import TrustStore
from mdm.channel.batcher import Batcher
from mdm.channel.messages import BUSY
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.queries import SecurityInfo
from mdm.queue.models import CommandResult, CommandState, QueuedCommand
from tests.conftest import KEYRING
from tests.mdm.queue.connect_loop import build_request, enqueue_for, enroll_tablets
from tests.support.databases import sqlite_template

#: Tablets that answer at once; their answers are too large for the space that is left.
TABLETS = 30
ANSWER_BYTES = 200_000


class SmallDisk:
    """A mounted file system of a few megabytes, and what runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster: PostgresServer | None = None
        self._filler = folder / "filler"

    def fill(self, leave: int) -> None:
        """Write a file that leaves so many bytes free."""
        free = shutil.disk_usage(self.folder).free
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(free - leave, 1))

    def make_room(self) -> None:
        """Remove that file. A cluster that ended because it could not write its log is started again, as its service manager does."""
        self._filler.unlink()
        if self.cluster is not None and self.cluster.process is not None and self.cluster.process.poll() is not None:
            self.cluster.start()


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    folder = Path(tempfile.mkdtemp(prefix="disk-"))  # the path of a socket may have 107 bytes, and those of `tmp_path` are longer
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0755", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("a file system can only be mounted by root")
    made = SmallDisk(folder)
    try:
        yield made
    finally:
        if made.cluster is not None:
            made.cluster.stop()
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_on_disk(request: pytest.FixtureRequest, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A migrated database whose files are on the small disk."""
    if request.param == "sqlite":
        shutil.copy(sqlite_template(), disk.folder / "cartable.db")
        made = make_engine(f"sqlite:///{disk.folder / 'cartable.db'}")
    else:
        binaries = find_binaries()
        if binaries is None:
            pytest.skip("no PostgreSQL is installed")
        monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
        disk.cluster = PostgresServer(binaries, durable=True)
        monkeypatch.undo()
        made = make_engine(disk.cluster.create_database("cartable"))
        upgrade(made)
    yield made
    made.dispose()


@pytest.mark.timeout(120)
def test_answers_come_again_when_the_disk_has_room(engine_on_disk: Engine, disk: SmallDisk, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "data")
    runtime = Runtime(settings=settings, engine=engine_on_disk, clock=SystemClock(), keyring=KEYRING)
    with runtime.open_unit_of_work() as work:
        enrollments = enroll_tablets(work, TABLETS)
    enqueue_for(runtime, [enrollment.id for enrollment in enrollments], SecurityInfo())
    batcher = Batcher(runtime, TrustStore(runtime))
    uuids = [
        plistlib.loads(response.body)["CommandUUID"]
        for response in batcher.process_batch([build_request(enrollment) for enrollment in enrollments])
    ]
    disk.fill(leave=1 << 20)
    accepted = _send_answers(batcher, enrollments, uuids)
    assert len(accepted) < TABLETS, "the disk was full"
    disk.make_room()
    with suppress(Exception):
        engine_on_disk.dispose()
    assert _count_results(runtime) == len(accepted), "what was acknowledged is stored, and nothing else"
    rest = [index for index in range(TABLETS) if index not in accepted]
    again = _send_answers(batcher, [enrollments[index] for index in rest], [uuids[index] for index in rest])
    assert len(again) == len(rest), "all goes on by itself"
    with runtime.open_unit_of_work() as work:
        states = work.session.scalars(select(QueuedCommand.state)).all()
        assert (len(states), set(states)) == (TABLETS, {CommandState.ACKNOWLEDGED})
    assert _count_results(runtime) == TABLETS
    asyncio.run(batcher.stop())


def _send_answers(batcher: Batcher, enrollments: list[DeviceEnrollment], uuids: list[str]) -> set[int]:
    """Send the answers one after the other. Returns the places of those that were taken; each other one must come later."""
    accepted = set()
    for index, (enrollment, uuid) in enumerate(zip(enrollments, uuids, strict=True)):
        noise = os.urandom(ANSWER_BYTES)  # cannot be compressed
        [response] = batcher.process_batch([build_request(enrollment, "Acknowledged", uuid, SecurityInfo={"Noise": noise})])
        assert response.status in {200, BUSY.status}, "never 500, 401 or 410"
        if response.status == 200:
            accepted.add(index)
    return accepted


def _count_results(runtime: Runtime) -> int:
    with runtime.open_unit_of_work() as work:
        return len(work.session.scalars(select(CommandResult.command_id)).all())
