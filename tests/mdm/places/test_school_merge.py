"""A school is merged into another one at any time of the year: everything goes along, once, or nothing does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, update

from cartable import audit
from cartable.errors import Conflict, Forbidden, Invalid, NotFound, ReauthenticationRequired
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import School, SchoolClass, Town
from enrollment.rollover.models import Rollover, RolloverState
from enrollment.rosters.models import ImportState, RosterImport
from mdm.places.school_merge import SchoolClosed, SchoolInRollover, merge_schools, preview_merge
from mdm.tables import metadata
from tests.support.concurrency import run_overlapping
from tests.support.rows import fill_tables
from tests.support.statements import count_statements
from tests.support.world import TownFactory, create_actor

#: Tables with a school whose rows stay with the closed one: its own hours, licences and history.
STAYING = {
    "timetable", "exam_day", "licence_token_school", "bulk_command", "roster_import", "roster_import_school",
    "rollover_line", "rollover_school", "return_day", "return_tablet",
}  # fmt: skip


def create_two_schools(work: UnitOfWork, pupils: int = 2) -> tuple[Town, School, School]:
    world = TownFactory(work)
    town = world.create_town()
    old, new = world.create_school(town, "École A"), world.create_school(town, "École B")
    for school in (old, new):
        school_class = world.create_class(school, "CE2 A")
        for _ in range(pupils):
            world.lend_tablet(world.create_tablet(town), world.create_pupil(school_class))
    return town, old, new


def test_everything_goes_along_and_the_school_is_closed(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town, old, new = create_two_schools(work)
        admin = create_actor(Role.TOWN_ADMIN, town)
        expected = preview_merge(work, admin, old.id, new.id).counts
        assert (expected["pupils"], expected["tablets"], expected["classes"], expected["renamed_classes"]) == (2, 2, 1, 1)
        assert merge_schools(work, admin, old.id, new.id).counts == expected
        assert old.closed_on is not None
        labels = work.session.scalars(select(SchoolClass.label).where(SchoolClass.school_id == new.id)).all()
        assert sorted(labels) == ["CE2 A", f"CE2 A ({old.uai})"]
        event = audit.list_events(work, town.id).items[0]
        assert (event.action, event.subject_id) == ("school.merge", str(old.id))
        with pytest.raises(SchoolClosed):
            merge_schools(work, admin, new.id, old.id)


def test_every_table_with_a_school_moves_or_is_known_to_stay(runtime: Runtime) -> None:
    """A table to come must be moved, or be named in `STAYING`."""
    with runtime.open_unit_of_work() as work:
        town, _, new = create_two_schools(work)
        keys = fill_tables(work, town)
        old_id: UUID = keys["school"]
        work.session.execute(update(School).where(School.id == old_id).values(closed_on=None))
        work.session.execute(update(Rollover).values(state=RolloverState.CLOSED))
        work.session.execute(update(RosterImport).values(state=ImportState.PREVIEWED))
        work.session.expire_all()
        merge_schools(work, SYSTEM, old_id, new.id)
        left = {
            table.name
            for table in metadata.sorted_tables
            if "school_id" in table.c
            and work.session.execute(select(table.c.school_id).where(table.c.school_id == old_id)).first()
        }
        assert left <= STAYING
        assert work.session.scalars(select(RosterImport.state).where(RosterImport.town_id == town.id)).all() == [
            ImportState.DISCARDED
        ]


def test_who_may_and_what_is_refused(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town, old, new = create_two_schools(work)
        _, elsewhere, _ = create_two_schools(work)
        admin = create_actor(Role.TOWN_ADMIN, town)
        refusals: list[tuple[Any, UUID, type[Exception]]] = [
            (create_actor(Role.HEAD, town, old), new.id, Forbidden),
            (create_actor(Role.TECHNICIAN, town), new.id, Forbidden),
            (admin, elsewhere.id, NotFound),
            (admin, old.id, Invalid),
            (replace(admin, reauthenticated=False), new.id, ReauthenticationRequired),
        ]
        for actor, into, error in refusals:
            with pytest.raises(error):
                merge_schools(work, actor, old.id, into)
        assert (old.closed_on, preview_merge(work, admin, old.id, new.id).counts["pupils"]) == (None, 2)


def test_a_rollover_that_is_not_closed_comes_first(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town, _, new = create_two_schools(work)
        old_id = fill_tables(work, town)["school"]
        work.session.execute(update(School).where(School.id == old_id).values(closed_on=None))
        work.session.execute(update(Rollover).values(state=RolloverState.DRAFT))
        work.session.expire_all()
        with pytest.raises(SchoolInRollover):
            merge_schools(work, SYSTEM, old_id, new.id)


def test_the_number_of_statements_does_not_grow(runtime: Runtime, engine: Engine) -> None:
    numbers = []
    for pupils in (1, 12):
        with runtime.open_unit_of_work() as work:
            _, old, new = create_two_schools(work, pupils)
            work.session.flush()
            with count_statements(engine) as statements:
                merge_schools(work, SYSTEM, old.id, new.id)
                work.session.flush()
            numbers.append(len(statements))
    assert numbers[0] == numbers[1]


def test_two_people_merge_two_schools_into_each_other_at_once(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        _, old, new = create_two_schools(work)
        first, second = old.id, new.id
    earlier, later = run_overlapping(
        runtime,
        lambda work: merge_schools(work, SYSTEM, first, second).counts["pupils"],
        lambda work: merge_schools(work, SYSTEM, second, first).counts["pupils"],
    )
    assert (earlier, isinstance(later, Conflict)) == (2, True)
    with runtime.open_unit_of_work() as work:
        assert [work.session.get_one(School, each).closed_on is None for each in (first, second)] == [False, True]
