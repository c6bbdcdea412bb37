"""24 to 31 August: heads import the lists of the new year. Levels change on 1 September, once, whatever comes first."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from cartable.clock import ManualClock
from cartable.errors import Invalid
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Grade, SchoolClass
from enrollment.rollover import applying, service
from enrollment.rollover.incoming_year import get_summer_freeze
from enrollment.rollover.models import RolloverDecision, RolloverLine, RolloverState
from enrollment.rollover.repository import RolloverRepository
from enrollment.rosters.errors import ExportRefused
from enrollment.rosters.exports import service as exports
from enrollment.rosters.imports import service as imports
from enrollment.tablets.models import Tablet
from tests.enrollment.rollover.school_year import SEPTEMBER, RolloverTown, pupil_line, school_day, set_clock

OLD = [
    pupil_line("PREMIER", 1, "CP", "CP", "1"), pupil_line("MONTE", 2, "CE1", "CE1", "2"), pupil_line("REDOUBLE", 3, "CE1", "CE1", "2"),
    pupil_line("SAUTE", 4, "CE1", "CE1", "2"), pupil_line("PART", 5, "CM2", "CM2", "5"), pupil_line("DEMENAGE", 6, "CE2", "CE2", "3"),
]  # fmt: skip
NEW = [
    pupil_line("PREMIER", 1, "CE1", "CE1 Mme Roux", "12"), pupil_line("MONTE", 2, "CE2", "CE2", "13"),
    pupil_line("REDOUBLE", 3, "CE1", "CE1 Mme Roux", "12"), pupil_line("SAUTE", 4, "CM1", "CM1", "14"),
    pupil_line("NOUVEAU", 7, "CP", "CP", "11"),
]  # fmt: skip


def _start_rollover(runtime: Runtime, clock: ManualClock) -> RolloverTown:
    """A school as of May, its passage previewed, nobody ticked: only the lists of August know of the retained pupil."""
    set_clock(clock, school_day(5, 20))
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        town.import_roster(*OLD)
        town.preview_rollover()
        return town


def _get_grades(work: UnitOfWork, town: RolloverTown) -> dict[str, str]:
    work.session.expire_all()
    rows = work.session.scalars(select(Pupil).where(Pupil.town_id == town.town.id))
    return {row.last_name: row.grade.value for row in rows if row.state is PupilState.ACTIVE}


BEFORE = {"PREMIER": "CP", "MONTE": "CE1", "REDOUBLE": "CE1", "SAUTE": "CE1", "PART": "CM2", "DEMENAGE": "CE2"}
AFTER = {"PREMIER": "CE1", "MONTE": "CE2", "REDOUBLE": "CE1", "SAUTE": "CM1", "NOUVEAU": "CP"}


def test_a_roster_of_august_waits_for_september_and_nobody_is_promoted_twice(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_rollover(runtime, clock)
    set_clock(clock, school_day(8, 26))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        made = town.preview_roster(*NEW)
        counts = made.counts
        assert (counts["year"], counts["frozen"], counts["new"], counts["left_file"]) == ("2027-2028", True, 1, 1)
        assert (counts["changed_grade"], counts["moved_class"]) == (2, 2), "what differs from the passage as it was drafted"
        imports.confirm_import(work, town.admin, made.id)
        assert _get_grades(work, town) == {**BEFORE, "NOUVEAU": "CP"}, "no pupil has moved"
        rollover = RolloverRepository(work.session).find_by_from_year(town.town.id, "2026-2027")
        assert rollover is not None
        placements = {
            pupil.last_name: (line.decision, line.decided_by_roster)
            for line, pupil in RolloverRepository(work.session).list_expected_at_schools(rollover.id, [town.school.id])
        }
        assert placements == {
            "PREMIER": (RolloverDecision.PROMOTED, True), "MONTE": (RolloverDecision.PROMOTED, True), "REDOUBLE": (RolloverDecision.RETAINED, True),
            "SAUTE": (RolloverDecision.SKIPPING, True), "PART": (RolloverDecision.LEAVER, False), "DEMENAGE": (RolloverDecision.PROMOTED, False),
            "NOUVEAU": (RolloverDecision.ARRIVED, True),
        }  # fmt: skip
        again = town.preview_roster(*NEW)
        assert (again.counts["unchanged"], again.counts["new"]) == (5, 0), "the same file twice: nothing changes"
        town.preview_rollover()
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        assert town.apply(rollover) == 6
        assert _get_grades(work, town) == {**AFTER, "DEMENAGE": "CM1"}
        labels = dict(
            work.session.execute(select(Pupil.id, SchoolClass.label).join(SchoolClass, SchoolClass.id == Pupil.class_id)).all()
        )
        names = {row.last_name: labels.get(row.id) for row in work.session.scalars(select(Pupil))}
        assert (names["MONTE"], names["REDOUBLE"], names["PART"]) == ("CE2", "CE1 Mme Roux", "CM2")
    set_clock(clock, school_day(9, 2))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        made = town.import_roster(*NEW)
        assert (made.counts["unchanged"], made.counts["left_file"], made.needs_second_person) == (5, 1, True), (
            "leavers are not counted"
        )
        assert _get_grades(work, town) == AFTER
        assert town.apply(rollover) == 0


@pytest.mark.parametrize("classes", [True, False])
def test_a_roster_of_september_before_the_rollover_is_applied(runtime: Runtime, clock: ManualClock, *, classes: bool) -> None:
    town = _start_rollover(runtime, clock)
    set_clock(clock, school_day(9, 2))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        lines = NEW if classes else [pupil_line(name, n, level, "") for name, n, level in
                                     [("PREMIER", 1, "CE1"), ("MONTE", 2, "CE2"), ("REDOUBLE", 3, "CE1"), ("SAUTE", 4, "CM1"), ("NOUVEAU", 7, "CP")]]  # fmt: skip
        town.import_roster(*lines)
        rollover = RolloverRepository(work.session).find_by_from_year(town.town.id, "2026-2027")
        assert rollover is not None
        levels = _get_grades(work, town)
        assert {name: levels[name] for name in AFTER} == AFTER
        town.preview_rollover()
        town.apply(rollover)
        levels = _get_grades(work, town)
        assert {name: levels[name] for name in AFTER} == AFTER, "the retained pupil above all"


def test_a_roster_of_august_is_undone_with_its_lines(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_rollover(runtime, clock)
    set_clock(clock, school_day(8, 31, 20))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        before = _lines(work)
        made = town.import_roster(*NEW)
        assert _lines(work) != before
        imports.undo_import(work, town.admin, made.id)
        assert _lines(work) == before
        assert work.session.scalar(select(func.count()).select_from(Pupil)) == len(OLD)
        made = town.import_roster(*NEW)
    set_clock(clock, school_day(9, 1))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        rollover = RolloverRepository(work.session).find_by_from_year(town.town.id, "2026-2027")
        assert rollover is not None
        town.apply(rollover)
        levels = _get_grades(work, town)
        imports.undo_import(work, town.admin, made.id)
        del levels["NOUVEAU"]
        assert _get_grades(work, town) == levels, "what is in force by now stays; undoing it is the passage's"
        town.undo(rollover)
        assert _get_grades(work, town) == BEFORE


def _lines(work: UnitOfWork) -> set[tuple[object, ...]]:
    work.session.flush()
    work.session.expire_all()
    rows = work.session.scalars(select(RolloverLine))
    return {
        (row.pupil_id, row.decision, row.grade_after, row.class_after, row.school_after, row.decided_by_roster) for row in rows
    }


def test_a_roster_of_august_creates_the_missing_rollover(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, school_day(5, 20))
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        town.import_roster(*OLD)
    set_clock(clock, school_day(8, 26))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        town.import_roster(*NEW)
        assert _get_grades(work, town) == {**BEFORE, "NOUVEAU": "CP"}
        rollover = RolloverRepository(work.session).find_by_from_year(town.town.id, "2026-2027")
        assert rollover is not None
        assert rollover.state is RolloverState.DRAFT


def test_from_3_july_to_the_first_school_day_nobody_is_removed(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_rollover(runtime, clock)
    set_clock(clock, school_day(7, 2))
    with runtime.open_unit_of_work() as work:
        waiting = town.bind(work).preview_roster(*OLD[:4])
        assert (waiting.counts["left_file"], waiting.needs_second_person, waiting.counts["frozen"]) == (2, True, False)
        assert get_summer_freeze(work, town.town.id).roster_year == "2026-2027"
    set_clock(clock, school_day(7, 3, 0))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        imports.confirm_import(work, town.second, waiting.id)
        assert set(_get_grades(work, town)) == set(BEFORE), "previewed the day before, confirmed in the freeze"
        assert get_summer_freeze(work, town.town.id).is_active
        late = town.import_roster(*OLD[:4], year="2026-2027")
        assert (late.counts["year"], late.counts["left_file"], late.needs_second_person) == ("2026-2027", 2, False)
        assert set(_get_grades(work, town)) == set(BEFORE)
        for year in ("2025-2026", "2028-2029"):
            with pytest.raises(Invalid):
                town.preview_roster(*OLD, year=year)
    set_clock(clock, school_day(9, 1))
    with runtime.open_unit_of_work() as work:
        assert not get_summer_freeze(work, town.town.id).is_active


def test_a_town_chooses_the_days_of_its_freeze(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_rollover(runtime, clock)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        rollover = town.preview_rollover()
        service.set_dates(work, town.admin, rollover.id, school_day(7, 6).date(), school_day(9, 3).date())
        with pytest.raises(Invalid):
            service.set_dates(work, town.admin, rollover.id, school_day(9, 6).date(), school_day(9, 3).date())
    for at, frozen in ((school_day(7, 5), False), (school_day(7, 6), True), (school_day(9, 2), True), (school_day(9, 3), False)):
        set_clock(clock, at)
        with runtime.open_unit_of_work() as work:
            assert get_summer_freeze(work, town.town.id).is_active is frozen, at


def test_a_pupil_who_changes_school_is_matched_by_the_new_rosters(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_rollover(runtime, clock)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        pupil = next(each for each in work.session.scalars(select(Pupil)) if each.last_name == "DEMENAGE")
        tablet = town.world.create_tablet(town.town)
        town.world.lend_tablet(tablet, pupil)
    set_clock(clock, school_day(8, 27))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        made = town.import_roster(pupil_line("DEMENAGE", 6, "CM1", "CM1", "44"), school=town.other)
        assert (made.counts["moved_class"], made.counts["ambiguous"], made.counts["new"]) == (1, 0, 0)
        assert town.get_placement(pupil.id)[2] == town.school.id
        again = town.import_roster(*NEW)
        assert again.counts["left_file"] == 0, "the school that the pupil leaves does not miss anybody"
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        rollover = RolloverRepository(work.session).find_by_from_year(town.town.id, "2026-2027")
        assert rollover is not None
        town.apply(rollover)
        assert town.get_placement(pupil.id)[2] == town.other.id
        work.session.expire_all()
        assert work.session.get_one(Tablet, tablet.id).school_id == town.other.id


def test_nothing_is_exported_to_apple_until_each_head_has_confirmed_the_lists(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_rollover(runtime, clock)
    set_clock(clock, school_day(8, 26))
    with runtime.open_unit_of_work() as work:
        assert "summer_freeze" in _list_blockers(town.bind(work))
        town.import_roster(*NEW)
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        rollover = RolloverRepository(work.session).find_by_from_year(town.town.id, "2026-2027")
        assert rollover is not None
        town.apply(rollover)
        town.import_roster(*NEW)
        assert _list_blockers(town) == {"lists_unconfirmed", "school_without_pupils"}
        service.mark_school_done(work, town.create_head(), rollover.id, town.school.id, lists=True)
        assert _list_blockers(town) == {"school_without_pupils"}


def _list_blockers(town: RolloverTown) -> set[str]:
    with pytest.raises(ExportRefused) as caught:
        exports.export_apple(town.work, town.admin, town.town.id)
    reasons: list[dict[str, str]] = caught.value.details["reasons"]  # type: ignore[assignment]
    return {each["code"] for each in reasons}


def test_a_rollover_applies_itself_at_midnight_in_the_town(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_rollover(runtime, clock)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        rollover = town.preview_rollover()
        applying.set_auto_apply(work, town.admin, rollover.id, enabled=True)
    set_clock(clock, school_day(8, 31, 23))
    with runtime.open_unit_of_work() as work:
        assert applying.apply_due_rollover(work) == 0
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        assert applying.apply_due_rollover(work) == len(OLD)
    with runtime.open_unit_of_work() as work:
        assert applying.apply_due_rollover(work) == 0
        assert work.session.scalar(select(func.count()).select_from(Pupil).where(Pupil.grade == Grade.CP)) == 0
