"""What grows with time has an end: a simulated year of history is reduced, what is active survives, in batches of bounded size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, func, select, update

from cartable.clock import ManualClock
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.channel.models import ChannelNote
from mdm.devices.models import DeclarativeState
from mdm.privacy import history
from mdm.queue import service as queue
from mdm.queue.models import ArchivedCommand, CommandBody, CommandResult, CommandState, QueuedCommand
from mdm.worker.schedule import HOUSEKEEPING
from profiles.effective.models import DeclarationSet, RenderedProfile
from profiles.effective.repository import CompiledRepository
from tests.support.world import TownFactory

DAYS = 400


def count(work: UnitOfWork, model: type) -> int:
    return work.session.scalar(select(func.count()).select_from(model)) or 0


@pytest.fixture
def year(runtime: Runtime, clock: ManualClock) -> datetime:
    """400 days of history of two tablets, one command and one note a day each; every fifth command is still open. Returns today."""
    start = clock.now()
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work)
        place = town.create_town()
        channels = [town.enroll_tablet(town.create_tablet(place)).id for _ in range(2)]
        for day in range(DAYS):
            at = start + timedelta(days=day)
            body = CommandBody(nonce=day, request_type="DeviceInformation", args=b"{}", requested_by_name="", created_at=at)
            work.session.add(body)
            work.session.flush()
            for channel in channels:
                state = CommandState.QUEUED if day % 5 == 0 else CommandState.ACKNOWLEDGED
                row = QueuedCommand(
                    enrollment_id=channel, town_id=place.id, generation=1, body_id=body.id, state=state, deadline=at, created_at=at, lane=1,
                    finished_at=at if state is CommandState.ACKNOWLEDGED else None,
                )  # fmt: skip
                work.session.add(row)
                work.session.flush()
                if state is CommandState.ACKNOWLEDGED:
                    work.session.add(
                        CommandResult(command_id=row.id, town_id=place.id, status="Acknowledged", received_at=at, body=b"plist")
                    )
                work.session.add(ChannelNote(at=at, udid="U", fingerprint="f", kind="unknown_keys", details={}))
        profile = {"identifier": "i", "uuid": "u", "plain": b"", "signed": b"", "created_at": start, "town_id": place.id}
        for name in ("desired-set", "unused"):
            work.session.add(RenderedProfile(sha256=f"{name}-profile", last_used_at=start, **profile))
            work.session.add(
                DeclarationSet(
                    sha256=name, town_id=place.id, items=[], profiles=[f"{name}-profile"], created_at=start, last_used_at=start
                )
            )
        work.session.add(DeclarativeState(enrollment_id=channels[0], town_id=place.id, set_sha256="desired-set"))
    clock.advance(timedelta(days=DAYS))
    return clock.now()


def test_a_year_of_history_is_reduced_and_what_is_active_survives(
    runtime: Runtime, year: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "ROWS_PER_RUN", 10)
    monkeypatch.setattr(queue, "ARCHIVED_PER_RUN", 10)
    sizes: list[int] = []

    def note_size(*arguments: object) -> None:
        cursor, statement = arguments[1], str(arguments[2])
        if statement.startswith("DELETE"):
            sizes.append(cursor.rowcount)  # type: ignore[attr-defined]

    event.listen(runtime.engine, "after_cursor_execute", note_size)
    changed = 1
    while changed:
        with runtime.open_unit_of_work() as work:
            changed = queue.archive_ended_commands(work)
            changed += sum(history.purge_history(work).values())
            changed += history.drop_ended_month(work) is not None
    event.remove(runtime.engine, "after_cursor_execute", note_size)
    assert max(sizes) <= 10, "each statement deletes a bounded number of rows"
    with runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(func.min(ArchivedCommand.created_at))) >= datetime(2026, 12, 1, tzinfo=UTC)  # type: ignore[operator]
        kept_for = year - timedelta(days=30)
        ended = QueuedCommand.state == CommandState.ACKNOWLEDGED
        assert work.session.scalar(select(func.min(QueuedCommand.created_at)).where(ended)) >= kept_for  # type: ignore[operator]
        assert count(work, CommandResult) == count(work, QueuedCommand) - 2 * 80
        assert work.session.scalar(select(func.count()).where(QueuedCommand.state == CommandState.QUEUED)) == 2 * 80
        archived_days = (kept_for - datetime(2026, 12, 1, 8, tzinfo=UTC)).days
        assert abs(count(work, ArchivedCommand) - archived_days * 4 / 5 * 2) <= 4, "one a day and tablet, but every fifth"
        used = work.session.scalars(select(QueuedCommand.body_id).distinct()).all()
        assert set(work.session.scalars(select(CommandBody.id))) == set(used)
        assert count(work, ChannelNote) == 2 * 30
        assert list(work.session.scalars(select(DeclarationSet.sha256))) == ["desired-set"]
        assert list(work.session.scalars(select(RenderedProfile.sha256))) == ["desired-set-profile"]


def test_what_is_compiled_again_is_kept_for_the_next_weeks(runtime: Runtime, year: datetime) -> None:
    with runtime.open_unit_of_work() as work:
        known = CompiledRepository(work.session).list_known_profiles(["unused-profile", "absent"], work.now)
        assert known == {"unused-profile"}
    with runtime.open_unit_of_work() as work:
        history.purge_history(work)
        kept = set(work.session.scalars(select(RenderedProfile.sha256)))
        assert kept == {"desired-set-profile", "unused-profile"}


def test_nothing_due_means_nothing_deleted_and_the_newest_rows_keep_their_numbers(
    runtime: Runtime, year: datetime, clock: ManualClock
) -> None:
    with runtime.open_unit_of_work() as work:
        work.session.execute(update(QueuedCommand).values(state=CommandState.ACKNOWLEDGED, finished_at=work.now))
    clock.advance(timedelta(days=400))
    with runtime.open_unit_of_work() as work:
        newest = work.session.scalar(select(func.max(QueuedCommand.id)))
        HOUSEKEEPING["archive_commands"](work)
        work.session.flush()
        assert list(work.session.scalars(select(QueuedCommand.id))) == [newest]
        assert count(work, CommandBody) == 1
        assert queue.archive_ended_commands(work) == 0
