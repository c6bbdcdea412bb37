"""Classes with the same hours share one schedule, so that a town is evaluated per timetable and not per class."""

from __future__ import annotations

from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.facts import load_facts
from profiles.schedule import authoring
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.service import evaluate_modes, load_schedules
from tests.profiles.schedule.places import FOUR_DAYS_JSON
from tests.support.world import TownFactory


def test_classes_share_a_schedule_until_an_exception_is_written_for_one(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        school = factory.create_school(town)
        classes = [factory.create_class(school, label) for label in ("CE2 A", "CE2 B", "CE2 C")]
        pupils = [factory.create_pupil(each) for each in classes]
        tablets = [factory.create_tablet(town, school_id=school.id) for _ in pupils]
        for tablet, pupil in zip(tablets, pupils, strict=True):
            factory.lend_tablet(tablet, pupil)
        authoring.save_timetable(work, SYSTEM, town.id, None, week=FOUR_DAYS_JSON, calendar="zone", night=None)
        facts = load_facts(work, [each.id for each in tablets])
        schedules = load_schedules(work, [town.id])
        first, *others = (schedules.get_schedule(facts[each.id]) for each in tablets)
        assert first is not None
        assert all(each is first for each in others)
        assert len({id(each) for each in evaluate_modes(work, facts.values()).values()}) == 1
        today = work.now.date()
        authoring.create_override(
            work, SYSTEM, town.id, school_id=school.id, class_id=classes[2].id, first=today, last=today, kind=OverrideKind.CLOSED
        )
        work.session.flush()
        schedules = load_schedules(work, [town.id])
        first, second, third = (schedules.get_schedule(facts[each.id]) for each in tablets)
        assert first is second
        assert third is not first
