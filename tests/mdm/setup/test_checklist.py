"""The checklist of a town is computed from facts; the tour of a demonstration town from what people did there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cartable import audit
from cartable.errors import Forbidden
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from enrollment.places.towns import create_town
from mdm.push.certificates import ensure_simulated_certificate
from mdm.setup.checklist import SetupStep, TourAct, load_checklist
from profiles.schedule import authoring
from profiles.schedule.calendar import FOLLOW_ZONE
from tests.profiles.apps.test_bundles import BundleTown
from tests.support.accounts import create_account
from tests.support.statements import count_statements
from tests.support.world import TownFactory, create_actor

WEEK = {"mon": [{"kind": "school", "from": "08:20", "to": "16:30"}]}


def test_each_step_is_done_when_its_fact_is_true(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = create_town(work, SYSTEM, name="Clamart")
        admin = create_actor(Role.TOWN_ADMIN, town)

        def list_done() -> set[SetupStep | TourAct]:
            return {item for item, done in load_checklist(work, admin, town.id).items if done}

        ensure_simulated_certificate(work)
        assert list_done() == set(), "a simulated push certificate wakes no real tablet"
        world = TownFactory(work)
        school = world.create_school(town)
        assert list_done() == {SetupStep.SCHOOLS}
        world.create_pupil(world.create_class(school))
        authoring.save_timetable(work, SYSTEM, town.id, None, week=WEEK, calendar=FOLLOW_ZONE, night=None)
        world.enroll_tablet(world.create_tablet(town))
        expected = {SetupStep.SCHOOLS, SetupStep.ROSTER, SetupStep.HOURS, SetupStep.FIRST_TABLET}
        assert list_done() == expected
        for login in ("one", "two"):
            create_account(work, town.id, Role.TOWN_ADMIN, login).password_changed_at = work.now
        audit.record_event(work, SYSTEM, "backup.create", "server", "server", town_id=None)
        work.session.flush()
        assert list_done() == expected | {SetupStep.COLLEAGUES, SetupStep.BACKUP}
        work.now += timedelta(days=9)
        assert SetupStep.BACKUP not in list_done(), "a backup of last week protects nobody"
        other = create_actor(Role.TOWN_ADMIN, world.create_town())
        with pytest.raises(Forbidden):
            load_checklist(work, other, town.id)


def test_a_bundle_in_force_is_the_first_bundle(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        place = BundleTown(work)
        checklist = load_checklist(work, SYSTEM, place.town.id)
        assert dict(checklist.items)[SetupStep.BUNDLE]


def test_a_checklist_takes_a_constant_number_of_statements(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = create_town(work, SYSTEM, name="Clamart")
        with count_statements(runtime.engine) as statements:
            load_checklist(work, SYSTEM, town.id)
        assert len(statements) <= 3


def test_the_tour_is_ticked_off_by_what_people_did(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = create_town(work, SYSTEM, name="Valmont")
        town.is_demonstration = True
        admin = create_actor(Role.TOWN_ADMIN, town)

        def list_done() -> set[SetupStep | TourAct]:
            checklist = load_checklist(work, admin, town.id)
            assert checklist.is_tour
            return {item for item, done in checklist.items if done}

        def act(*actions: str, by: object = admin) -> None:
            for action in actions:
                audit.record_event(work, by, action, "tablet", "x", town_id=town.id)  # type: ignore[arg-type]

        act("roster.confirm", "policy.publish", "loan.open", by=SYSTEM)
        assert list_done() == set(), "what the demonstration did itself does not count"
        act("tablet.mark_lost")
        assert list_done() == set(), "lost, not found yet"
        act("tablet.lift_lost", "loan.close", "loan.open")
        assert list_done() == {TourAct.LOSE_AND_FIND, TourAct.RETURN_AND_LEND}
        act("policy.publish", "override.write", "roster.confirm")
        assert load_checklist(work, admin, town.id).is_complete
