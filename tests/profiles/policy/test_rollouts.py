"""A roll-out that breaks tablets stops by itself, and what was in force before is in force again."""

from __future__ import annotations

from datetime import timedelta

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.reconcile.models import ProfileState, TabletProfile
from mdm.reconcile.rollouts import stop_failing_rollouts
from profiles.policy import life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind, StageKind, VersionState
from profiles.policy.models import PolicyVersion
from tests.profiles.policy.places import PolicyTown, value_on
from tests.support.policy import publish_content
from tests.support.world import TownFactory


def _start_rollout(runtime: Runtime) -> tuple[PolicyTown, PolicyVersion]:
    with runtime.open_unit_of_work() as work:
        town = PolicyTown(work)
        document = town.open(work, PlaceKind.TOWN)
        publish_content(work, document, PolicyContent({"all": {"allowCamera": True}}))
        version = life.save_draft(work, SYSTEM, document, life.Draft(PolicyContent({"all": {"allowCamera": False}})))
        life.publish(work, SYSTEM, document, version.number, life.Stage(StageKind.CLASS, town.classes[0].id))
        for tablet in town.tablets[0]:
            TownFactory(work).enroll_tablet(tablet, last_seen_at=work.now - timedelta(minutes=5))
            work.session.add(
                TabletProfile(tablet_id=tablet.id, desired_sha256="0" * 64, state=ProfileState.VERIFIED, changed_at=work.now)
            )
    return town, version


def test_a_failed_tablet_of_the_stage_stops_it(runtime: Runtime, clock: ManualClock) -> None:
    town, version = _start_rollout(runtime)
    clock.advance(timedelta(minutes=2))
    with runtime.open_unit_of_work() as work:
        assert stop_failing_rollouts(work) == 0
        row = work.session.get_one(TabletProfile, town.tablets[0][1].id)
        row.state, row.changed_at = ProfileState.FAILED, work.now
        work.session.flush()
        assert stop_failing_rollouts(work) == 1
        stopped = work.session.get_one(PolicyVersion, version.id)
        assert (stopped.state, stopped.stop_reason) == (VersionState.STOPPED, "1 of 2 tablets could not apply it")
        assert value_on(work, town.tablets[0][0], "allowCamera") is True


def test_a_stage_that_falls_silent_stops_it(runtime: Runtime, clock: ManualClock) -> None:
    _, version = _start_rollout(runtime)
    clock.advance(timedelta(hours=1))
    with runtime.open_unit_of_work() as work:
        assert stop_failing_rollouts(work) == 0
    clock.advance(timedelta(hours=1, minutes=1))
    with runtime.open_unit_of_work() as work:
        assert stop_failing_rollouts(work) == 1
        assert work.session.get_one(PolicyVersion, version.id).stop_reason == "2 of 2 tablets are out of contact since"
