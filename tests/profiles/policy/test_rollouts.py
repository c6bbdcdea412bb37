"""A roll-out that breaks tablets stops by itself, and what held before holds again."""

from __future__ import annotations

from datetime import timedelta

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.devices.models import DeviceEnrollment, EnrollmentState, LastSeen
from mdm.reconcile.models import ProfileState, TabletProfile
from mdm.reconcile.rollouts import stop_failing_rollouts
from profiles.policy import service
from profiles.policy.kinds import LayerKind, StageKind, VersionState
from profiles.policy.models import LayerVersion
from profiles.policy.service import Stage
from tests.profiles.policy.test_layers import Place, put, value


def _rolling(runtime: Runtime) -> tuple[Place, LayerVersion]:
    with runtime.open_unit_of_work() as work:
        place = Place(work)
        layer = place.layer(work, LayerKind.TOWN)
        put(work, layer, {"allowCamera": True})
        draft = service.save_draft(work, SYSTEM, layer.id, {"all": {"allowCamera": False}})
        service.publish(work, SYSTEM, layer.id, draft.number, Stage(StageKind.CLASS, place.classes[0].id))
        for tablet in place.tablets[0]:
            row = DeviceEnrollment(
                town_id=place.town.id, tablet_id=tablet.id, channel_key=tablet.serial, udid=tablet.serial,
                state=EnrollmentState.ENROLLED, fingerprint=tablet.serial, authenticated_at=work.now,
            )  # fmt: skip
            work.session.add(row)
            work.session.flush()
            work.session.add(LastSeen(enrollment_id=row.id, last_seen_at=work.now - timedelta(minutes=5)))
            work.session.add(
                TabletProfile(tablet_id=tablet.id, wanted_sha256="0" * 64, state=ProfileState.VERIFIED, changed_at=work.now)
            )
    return place, draft


def test_a_failed_tablet_of_the_stage_stops_it(runtime: Runtime, clock: ManualClock) -> None:
    place, draft = _rolling(runtime)
    clock.advance(timedelta(minutes=2))
    with runtime.open_unit_of_work() as work:
        assert stop_failing_rollouts(work) == 0
        row = work.session.get_one(TabletProfile, place.tablets[0][1].id)
        row.state, row.changed_at = ProfileState.FAILED, work.now
        work.session.flush()
        assert stop_failing_rollouts(work) == 1
        stopped = work.session.get_one(LayerVersion, draft.id)
        assert (stopped.state, stopped.stopped_why) == (VersionState.STOPPED, "1 of 2 tablets could not apply it")
        assert value(work, place.tablets[0][0], "allowCamera") is True


def test_a_stage_that_falls_silent_stops_it(runtime: Runtime, clock: ManualClock) -> None:
    _, draft = _rolling(runtime)
    clock.advance(timedelta(hours=1))
    with runtime.open_unit_of_work() as work:
        assert stop_failing_rollouts(work) == 0
    clock.advance(timedelta(hours=1, minutes=1))
    with runtime.open_unit_of_work() as work:
        assert stop_failing_rollouts(work) == 1
        assert work.session.get_one(LayerVersion, draft.id).stopped_why == "2 of 2 tablets fell silent"
