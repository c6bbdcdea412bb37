"""Every tablet in contact is asked once a day whatever the size of the fleet, and silent ones are woken once a day."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select

from cartable.clock import ManualClock
from cartable.outbox import JobLane, OutboxRow, Topic
from cartable.unit_of_work import Runtime
from mdm.devices.models import LastSeen
from mdm.devices.push_target_repository import PushTargetRepository
from mdm.queue.models import CommandBody, QueuedCommand
from mdm.reconcile import refresh
from mdm.reconcile.refresh import refresh_stale_tablets, wake_silent_tablets
from tests.mdm.queue.connect_loop import enroll_tablets


def _asked(runtime: Runtime) -> list[int]:
    """Let the refresh run once. Returns the enrollments that it asks."""
    with runtime.open_unit_of_work() as work:
        refresh_stale_tablets(work)
    with runtime.open_unit_of_work() as work:
        statement = select(QueuedCommand.enrollment_id).join(CommandBody, CommandBody.id == QueuedCommand.body_id)
        asked = list(work.session.scalars(statement.where(CommandBody.request_type == "DeviceInformation")))
        work.session.execute(delete(QueuedCommand))
    return sorted(asked)


def test_those_asked_longest_ago_are_asked_first_and_nobody_is_forgotten(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        ids = [row.id for row in enroll_tablets(work, refresh.MINIMUM_SHARE + 20)]
    assert _asked(runtime) == ids[: refresh.MINIMUM_SHARE]
    assert _asked(runtime) == ids[refresh.MINIMUM_SHARE :], "the second run goes on where the first one stopped"
    assert _asked(runtime) == []
    clock.advance(timedelta(hours=21))
    assert _asked(runtime) == ids[: refresh.MINIMUM_SHARE]


def test_a_silent_tablet_is_not_asked_but_woken_once_a_day(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        talking, silent, deaf = enroll_tablets(work, 3)
        for row in (talking, silent, deaf):
            PushTargetRepository(work.session).save_push_token(row.id, b"t" * 32, "magic", "topic", work.now)
        PushTargetRepository(work.session).mark_token_invalid(deaf.id, work.now, "410 Unregistered", work.now)
        ids = talking.id, silent.id
    clock.advance(timedelta(days=3))
    with runtime.open_unit_of_work() as work:
        work.session.get_one(LastSeen, ids[0]).last_seen_at = work.now
    assert _asked(runtime) == [ids[0]]
    for expected in ([str(ids[1])], []):
        with runtime.open_unit_of_work() as work:
            work.session.execute(delete(OutboxRow))
            wake_silent_tablets(work)
        with runtime.open_unit_of_work() as work:
            rows = work.session.query(OutboxRow).filter_by(topic=Topic.PUSH).all()
            assert [row.key for row in rows] == expected
            assert {row.lane for row in rows} <= {JobLane.BACKGROUND}
            PushTargetRepository(work.session).mark_pushed([ids[1]], work.now)
