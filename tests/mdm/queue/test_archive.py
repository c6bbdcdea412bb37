"""The archive of ended commands: when a command goes there, what stays of it, and that nobody who looks at it notices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from cartable.clock import ManualClock
from cartable.paging import PageRequest
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.care.overview import TimelineEntry, list_timeline
from mdm.cli.doctor.history import check_history
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.queries import DeviceInformation, ProfileList, SecurityInfo
from mdm.queue import service as queue
from mdm.queue.archive_repository import CommandArchiveRepository
from mdm.queue.models import ArchivedCommand, CommandBody, CommandResult, CommandState, QueuedCommand
from mdm.queue.service import archive_ended_commands
from tests.mdm.queue.connect_loop import enqueue_for, enroll_tablets, send_status
from tests.support.concurrency import run_overlapping
from tests.support.statements import count_statements


@pytest.fixture
def rows(runtime: Runtime) -> list[DeviceEnrollment]:
    """Two enrolled tablets."""
    with runtime.open_unit_of_work() as work:
        return enroll_tablets(work, 2)


def answer_all(runtime: Runtime, row: DeviceEnrollment) -> None:
    """Let the tablet acknowledge every command that waits."""
    delivered = send_status(runtime, row)
    while delivered is not None:
        delivered = send_status(runtime, row, "Acknowledged", delivered[1])


def archive(runtime: Runtime) -> int:
    with runtime.open_unit_of_work() as work:
        return archive_ended_commands(work)


def list_ids(runtime: Runtime, model: type[QueuedCommand | ArchivedCommand]) -> Sequence[int]:
    with runtime.open_unit_of_work() as work:
        return work.session.scalars(select(model.id).order_by(model.id)).all()


def read_timeline(runtime: Runtime, tablet_id: UUID) -> list[TimelineEntry]:
    """Return the commands of the timeline, read two entries at a time."""
    entries: list[TimelineEntry] = []
    cursor = None
    while True:
        with runtime.open_unit_of_work() as work:
            page = list_timeline(work, SYSTEM, tablet_id, PageRequest(limit=2, cursor=cursor))
        entries += page.items
        cursor = page.next_cursor
        if cursor is None:
            return [entry for entry in entries if entry.command_id is not None]


def test_a_command_is_archived_thirty_days_after_its_end(
    runtime: Runtime, rows: list[DeviceEnrollment], clock: ManualClock
) -> None:
    enqueue_for(runtime, [row.id for row in rows], SecurityInfo())
    answer_all(runtime, rows[0])
    clock.advance(timedelta(days=29, hours=23))
    enqueue_for(runtime, [rows[0].id], ProfileList())
    assert archive(runtime) == 0
    clock.advance(timedelta(hours=2))
    assert archive(runtime) == 1
    with runtime.open_unit_of_work() as work:
        [archived] = work.session.scalars(select(ArchivedCommand)).all()
        assert (archived.enrollment_id, archived.town_id) == (rows[0].id, rows[0].town_id)
        assert (archived.request_type, archived.state, archived.status) == (
            "SecurityInfo",
            CommandState.ACKNOWLEDGED,
            "Acknowledged",
        )
        assert archived.requested_by_name == SYSTEM.name
        open_ids = set(work.session.scalars(select(QueuedCommand.id)))
        assert archived.id not in open_ids
        assert len(open_ids) == 2, "the open one of the other tablet, and the newest"
        assert work.session.scalar(select(func.count()).select_from(CommandResult)) == 0
        assert work.session.scalar(select(func.count()).select_from(CommandBody)) == 2, "the body has another command yet"


def test_a_timeline_is_the_same_before_and_after_also_between_two_pages(
    runtime: Runtime, rows: list[DeviceEnrollment], clock: ManualClock
) -> None:
    for _ in range(3):
        enqueue_for(runtime, [rows[0].id], SecurityInfo(), ProfileList())
        answer_all(runtime, rows[0])
        clock.advance(timedelta(days=1))
    before = read_timeline(runtime, rows[0].tablet_id)
    assert len(before) == 6
    clock.advance(timedelta(days=29))
    assert archive(runtime) == 4
    assert read_timeline(runtime, rows[0].tablet_id) == before
    with runtime.open_unit_of_work() as work:
        page = list_timeline(work, SYSTEM, rows[0].tablet_id, PageRequest(limit=3, cursor=None))
    clock.advance(timedelta(days=1))
    assert archive(runtime) == 1, "the newest stays"
    with runtime.open_unit_of_work() as work:
        rest = list_timeline(work, SYSTEM, rows[0].tablet_id, PageRequest(limit=9, cursor=page.next_cursor))
    assert [*page.items, *rest.items] == before


def test_a_tablet_from_a_drawer_still_answers_what_it_received(
    runtime: Runtime, rows: list[DeviceEnrollment], clock: ManualClock
) -> None:
    enqueue_for(runtime, [rows[0].id], SecurityInfo())
    delivered = send_status(runtime, rows[0])
    assert delivered is not None
    clock.advance(timedelta(days=40))
    with runtime.open_unit_of_work() as work:
        assert queue.reap_commands(work) == 1
    enqueue_for(runtime, [rows[1].id], DeviceInformation(queries=("SerialNumber",)))
    clock.advance(timedelta(days=80))
    assert archive(runtime) == 0, "it was delivered and has no answer yet"
    assert send_status(runtime, rows[0], "Acknowledged", delivered[1]) is None
    assert archive(runtime) == 1
    with runtime.open_unit_of_work() as work:
        [archived] = work.session.scalars(select(ArchivedCommand)).all()
        assert (archived.state, archived.status) == (CommandState.EXPIRED, "Acknowledged")


def test_an_answer_that_never_came_is_not_waited_for_without_end(
    runtime: Runtime, rows: list[DeviceEnrollment], clock: ManualClock
) -> None:
    enqueue_for(runtime, [rows[0].id], SecurityInfo())
    delivered = send_status(runtime, rows[0])
    assert delivered is not None
    clock.advance(timedelta(days=40))
    with runtime.open_unit_of_work() as work:
        queue.reap_commands(work)
    enqueue_for(runtime, [rows[1].id], SecurityInfo())
    clock.advance(timedelta(days=91))
    assert archive(runtime) == 1
    enqueue_for(runtime, [rows[0].id], ProfileList())
    following = send_status(runtime, rows[0], "Acknowledged", delivered[1])
    assert following is not None, "an answer to what nobody knows any more holds nothing up"
    assert following[0] == "ProfileList"


def test_two_workers_archive_each_command_once(runtime: Runtime, rows: list[DeviceEnrollment], clock: ManualClock) -> None:
    for _ in range(3):
        enqueue_for(runtime, [row.id for row in rows], SecurityInfo())
        for row in rows:
            answer_all(runtime, row)
    clock.advance(timedelta(days=31))
    ids = list_ids(runtime, QueuedCommand)
    assert sorted(map(str, run_overlapping(runtime, archive_ended_commands, archive_ended_commands))) == ["0", "5"]
    assert list_ids(runtime, ArchivedCommand) == ids[:-1]
    assert list_ids(runtime, QueuedCommand) == ids[-1:]


def test_a_batch_costs_the_same_number_of_statements_whatever_its_size(
    runtime: Runtime, rows: list[DeviceEnrollment], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        enqueue_for(runtime, [row.id for row in rows], SecurityInfo())
        for row in rows:
            answer_all(runtime, row)
    clock.advance(timedelta(days=31))
    counts = []
    for size in (1, 2, 8):  # the first makes the partition
        monkeypatch.setattr(queue, "ARCHIVED_PER_RUN", size)
        with count_statements(runtime.engine) as statements:
            assert archive(runtime) == size
        counts.append(len(statements))
    assert counts[1] == counts[2] <= 10


def test_archived_commands_of_a_town_lose_their_author(
    runtime: Runtime, rows: list[DeviceEnrollment], clock: ManualClock
) -> None:
    enqueue_for(runtime, [rows[0].id], SecurityInfo())
    with runtime.open_unit_of_work() as work:
        work.session.execute(CommandBody.__table__.update().values(reason="why", requested_by=rows[0].town_id))  # type: ignore[attr-defined]
    answer_all(runtime, rows[0])
    enqueue_for(runtime, [rows[1].id], SecurityInfo())
    clock.advance(timedelta(days=40))
    assert archive(runtime) == 1
    with runtime.open_unit_of_work() as work:
        repository = CommandArchiveRepository(work.session)
        repository.clear_authors(rows[0].town_id, work.now - timedelta(days=41))
        assert work.session.scalars(select(ArchivedCommand.reason)).one() == "why"
        repository.clear_authors(rows[0].town_id, work.now - timedelta(days=39))
        work.session.expire_all()
        row = work.session.scalars(select(ArchivedCommand)).one()
        assert (row.reason, row.requested_by, row.requested_by_name) == (None, None, "")


def test_the_doctor_sees_a_queue_that_is_not_archived_and_a_month_that_is_not_ended(
    runtime: Runtime, rows: list[DeviceEnrollment], clock: ManualClock
) -> None:
    def diagnose() -> str:
        with runtime.open_unit_of_work() as work:
            [found] = check_history(work)
            return f"{found.health}: {found.text}"

    for row in rows:
        enqueue_for(runtime, [row.id], SecurityInfo())
        answer_all(runtime, row)
    clock.advance(timedelta(days=32))
    assert diagnose() == "good: ended commands are archived, and deleted at the end of their term"
    clock.advance(timedelta(days=2))
    assert diagnose() == "warning: commands that should be in the archive for days are not"
    assert archive(runtime) == 1
    assert diagnose().startswith("good")
    clock.advance(timedelta(days=365))
    assert diagnose() == "warning: archived commands of 2026-11 are kept beyond their term"


def test_the_doctor_sees_commands_that_stand_in_no_month(runtime: Runtime, rows: list[DeviceEnrollment]) -> None:
    with runtime.open_unit_of_work() as work:
        assert [each.check for each in check_history(work)] == ["history"]
        work.session.add(
            ArchivedCommand(
                id=1, created_at=work.now + timedelta(days=3000), enrollment_id=rows[0].id, generation=1, request_type="ProfileList",
                state=CommandState.ACKNOWLEDGED, requested_by_name="", town_id=rows[0].town_id,
            )
        )  # fmt: skip
        work.session.flush()
        found = [(each.check, each.health.value) for each in check_history(work)]
    is_partitioned = runtime.engine.dialect.name == "postgresql"
    assert found == [("history", "good"), *([("partitions", "warning")] if is_partitioned else [])]
