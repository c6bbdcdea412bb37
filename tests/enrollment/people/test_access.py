"""Every reading of a child's record leaves a line, whoever reads; what the server does by itself leaves none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from enrollment.people import service
from enrollment.people.models import AccessKind, RecordAccess
from enrollment.places.models import Grade
from enrollment.rosters.exports import service as exports
from mdm.care import overview
from mdm.care.overview_repository import TabletFilter
from tests.enrollment.rosters.school import SchoolScenario
from tests.support.world import create_actor


@pytest.fixture
def scenario(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        yield SchoolScenario(work)


def list_accesses(scenario: SchoolScenario) -> list[tuple[str, str, int]]:
    scenario.work.session.expire_all()
    rows = scenario.work.session.scalars(
        select(RecordAccess).order_by(RecordAccess.day, RecordAccess.kind, RecordAccess.actor_name)
    )
    return [(row.actor_name, row.kind.value, row.access_count) for row in rows]


def test_each_way_of_reading_is_counted_by_person_and_day(scenario: SchoolScenario) -> None:
    school_class = scenario.world.create_class(scenario.school)
    pupil = scenario.world.create_pupil(school_class, Grade.CE2, last="EL HADJ")
    tablet = scenario.world.create_tablet(scenario.town)
    scenario.world.lend_tablet(tablet, pupil)
    helpdesk = create_actor(Role.HELPDESK, scenario.town, name="helpdesk")
    for _ in range(2):
        service.list_pupils_of_class(scenario.work, helpdesk, school_class.id)
    service.search_pupils(scenario.work, scenario.admin, {scenario.town.id}, "hadj")
    service.search_pupils(scenario.work, scenario.admin, {scenario.town.id}, "nobody")
    overview.list_tablets(scenario.work, helpdesk, TabletFilter(town_id=scenario.town.id))
    overview.view_tablet(scenario.work, helpdesk, tablet.id)
    service.list_pupils_of_class(scenario.work, SYSTEM, school_class.id)
    assert list_accesses(scenario) == [("helpdesk", "class_list", 2), ("one", "search", 1), ("helpdesk", "tablet", 2)]
    [row] = scenario.work.session.scalars(select(RecordAccess).where(RecordAccess.kind == AccessKind.CLASS_LIST))
    assert (row.pupil_id, row.town_id, row.first_at) == (pupil.id, scenario.town.id, scenario.work.now)
    scenario.work.now += timedelta(days=1)
    service.list_pupils_of_class(scenario.work, helpdesk, school_class.id)
    assert len(list_accesses(scenario)) == 4


def test_handing_out_a_whole_town_is_a_reading_of_each_child(scenario: SchoolScenario) -> None:
    school_class = scenario.world.create_class(scenario.school)
    for number in range(510):
        scenario.world.create_pupil(school_class, last=f"NOM{number}")
    exports.export_own_template(scenario.work, scenario.admin, scenario.town.id, None)
    exports.export_oneroster(scenario.work, scenario.admin, scenario.town.id)
    assert list_accesses(scenario) == [("one", "roster", 2)] * 510


def test_a_tablet_without_a_pupil_tells_of_nobody(scenario: SchoolScenario) -> None:
    overview.view_tablet(scenario.work, scenario.admin, scenario.world.create_tablet(scenario.town).id)
    assert list_accesses(scenario) == []
