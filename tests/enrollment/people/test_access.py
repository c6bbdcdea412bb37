"""Every reading of a child's record leaves a line, whoever reads; what the server does by itself leaves none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from cartable.ids import new_id
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.people import service
from enrollment.people.models import AccessKind, RecordAccess
from enrollment.places.models import Grade
from enrollment.rosters.exports import service as exports
from mdm.care import overview
from mdm.care.overview_repository import TabletFilter
from tests.enrollment.rosters.school import SchoolScenario


@pytest.fixture
def one(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        yield SchoolScenario(work)


def read(one: SchoolScenario) -> list[tuple[str, str, int]]:
    one.work.session.expire_all()
    rows = one.work.session.scalars(select(RecordAccess).order_by(RecordAccess.day, RecordAccess.kind, RecordAccess.actor_name))
    return [(row.actor_name, row.kind.value, row.access_count) for row in rows]


def test_each_way_of_reading_is_counted_by_person_and_day(one: SchoolScenario) -> None:
    school_class = one.world.create_class(one.school)
    pupil = one.world.create_pupil(school_class, Grade.CE2, last="EL HADJ")
    tablet = one.world.create_tablet(one.town)
    one.world.lend_tablet(tablet, pupil)
    helpdesk = Actor(new_id(), "helpdesk", (RoleAssignment(Role.HELPDESK, one.town.id),))
    for _ in range(2):
        service.list_pupils_of_class(one.work, helpdesk, school_class.id)
    service.search_pupils(one.work, one.admin, one.town.id, "hadj")
    service.search_pupils(one.work, one.admin, one.town.id, "nobody")
    overview.list_tablets(one.work, helpdesk, TabletFilter(town_id=one.town.id))
    overview.view_tablet(one.work, helpdesk, tablet.id)
    service.list_pupils_of_class(one.work, SYSTEM, school_class.id)
    assert read(one) == [("helpdesk", "class_list", 2), ("one", "search", 1), ("helpdesk", "tablet", 2)]
    [row] = one.work.session.scalars(select(RecordAccess).where(RecordAccess.kind == AccessKind.CLASS_LIST))
    assert (row.pupil_id, row.town_id, row.first_at) == (pupil.id, one.town.id, one.work.now)
    one.work.now += timedelta(days=1)
    service.list_pupils_of_class(one.work, helpdesk, school_class.id)
    assert len(read(one)) == 4


def test_handing_out_a_whole_town_is_a_reading_of_each_child(one: SchoolScenario) -> None:
    school_class = one.world.create_class(one.school)
    for number in range(510):
        one.world.create_pupil(school_class, last=f"NOM{number}")
    exports.export_own_template(one.work, one.admin, one.town.id, None)
    exports.export_oneroster(one.work, one.admin, one.town.id)
    assert read(one) == [("one", "roster", 2)] * 510


def test_a_tablet_without_a_pupil_tells_of_nobody(one: SchoolScenario) -> None:
    overview.view_tablet(one.work, one.admin, one.world.create_tablet(one.town).id)
    assert read(one) == []
