"""Every case of docs/domain/school-year.md#cases, each by its name, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from cartable.clock import ManualClock
from cartable.errors import Forbidden, Invalid, NotFound
from cartable.unit_of_work import Runtime
from enrollment.people.models import AssignmentKind as Kind
from enrollment.people.models import Pupil, PupilState, RosterState, StaffMember, TeacherAssignment
from enrollment.places.models import Grade
from enrollment.rollover import applying, drafting, service, succession
from enrollment.rollover.errors import DecisionNotSelectable, RolloverAlreadyApplied, RolloverNotFound
from enrollment.rollover.models import RolloverDecision
from enrollment.rollover.rules import compute_leaving_date
from enrollment.tablets import custody, inventory
from enrollment.tablets.models import Condition, Loan, Tablet, TabletState
from profiles.policy import documents, groups
from profiles.policy.kinds import PlaceKind
from profiles.policy.models import PolicyGroupMember
from tests.enrollment.rollover.school_year import SEPTEMBER, RolloverTown, pupil_line, school_day, set_clock
from tests.support.audit_trail import find_fault


def test_a_cm2_pupil_is_retained(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        pupil, tablet = town.with_tablet(town.world.create_class(town.school, "CM2"), Grade.CM2)
        rollover = town.preview_rollover()
        assert town.get_line(rollover, pupil).decision is RolloverDecision.LEAVER
        service.record_decision(work, town.create_head(), rollover.id, [pupil.id], RolloverDecision.RETAINED)
        placed = service.create_class(work, town.create_head(), rollover.id, town.school.id, "CM2", [pupil.id])
        town.preview_rollover()
        town.apply(rollover)
        assert town.get_placement(pupil.id) == (Grade.CM2, placed.id, town.school.id, "active")
        assert work.session.scalar(select(Loan.closed_at).where(Loan.tablet_id == tablet.id)) is None


def test_a_ce1_pupil_skips_to_cm1(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        pupil = town.create_pupil(town.world.create_class(town.school, "CE1"), Grade.CE1)
        rollover = town.preview_rollover()
        service.record_decision(work, town.create_head(), rollover.id, [pupil.id], RolloverDecision.SKIPPING)
        town.apply(rollover)
        assert town.get_placement(pupil.id)[0] is Grade.CM1


def test_a_pupil_of_the_ulis_goes_by_age_and_groups_are_not_touched(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        pupil = town.create_pupil(town.world.create_class(town.school, "ULIS"), Grade.CE2)
        newcomer = town.create_pupil(town.world.create_class(town.school, "CP A"), Grade.CP)
        group = groups.create_group(work, town.admin, town.town.id, "UPE2A", [newcomer.id, pupil.id])
        rollover = town.preview_rollover()
        assert [town.get_line(rollover, each).ulis for each in (pupil, newcomer)] == [True, False]
        kept = service.create_class(work, town.create_head(), rollover.id, town.school.id, "ULIS", [pupil.id])
        town.apply(rollover)
        assert town.get_placement(pupil.id) == (Grade.CM1, kept.id, town.school.id, "active")
        assert town.get_placement(newcomer.id)[0] is Grade.CE1
        assert {row.pupil_id for row in work.session.query(PolicyGroupMember).filter_by(group_id=group.id)} == {
            pupil.id,
            newcomer.id,
        }


def test_a_leaver_returns_in_october_with_history_and_gets_a_tablet_again(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, school_day(5, 20))
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        town.import_roster(pupil_line("PARTI", 1, "CE2", "CE2 A", "7"), pupil_line("RESTE", 2, "CE2", "CE2 A", "7"))
        pupil = work.session.scalars(select(Pupil).where(Pupil.last_name.is_not(None))).all()
        gone = next(each for each in pupil if each.last_name == "PARTI")
        tablet = town.world.create_tablet(town.town)
        town.world.lend_tablet(tablet, gone)
        rollover = town.preview_rollover()
        service.record_decision(work, town.create_head(), rollover.id, [gone.id], RolloverDecision.LEAVER)
    set_clock(clock, school_day(6, 25))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        tablet = work.session.get_one(Tablet, tablet.id)
        custody.take_back(work, town.admin, tablet, Condition.GOOD, ())
        assert tablet.state is TabletState.RETURNED
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        town.apply(rollover)
        left = work.session.get_one(Pupil, gone.id)
        assert (left.state, left.absent_since, left.grade) == (
            PupilState.ABSENT_FROM_ROSTER,
            compute_leaving_date("2027-2028"),
            Grade.CE2,
        )
    set_clock(clock, school_day(10, 12))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        made = town.import_roster(pupil_line("PARTI", 1, "CM1", "CM1 B", "9"), pupil_line("RESTE", 2, "CM1", "CM1 B", "9"))
        assert (made.counts["new"], made.counts["left_file"]) == (0, 0), "nobody is doubled"
        back = work.session.get_one(Pupil, gone.id)
        assert (back.state, back.absent_since, back.grade) == (PupilState.ACTIVE, None, Grade.CM1)
        again = work.session.get_one(Tablet, tablet.id)
        inventory.set_inventory_state(work, town.admin, again, TabletState.PREPARED, "wiped")
        custody.hand_over(work, town.admin, again, back.id, custody.HandoverForm(signed_by="a parent"))
        assert work.session.query(Loan).filter(Loan.pupil_id == back.id).count() == 2, "with the former loan as history"
        while applying.undo_batch(work, town.admin, rollover.id):
            pass
        assert back.state is PupilState.ACTIVE, "a roster has spoken since"
        assert find_fault(work, town.town.id) is None


def test_a_merger_moves_pupils_their_tablets_and_nothing_of_the_old_classes(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        old_class = town.world.create_class(town.school, "CE2 B")
        pupil, tablet = town.with_tablet(old_class, Grade.CE2)
        stays, elsewhere = town.with_tablet(town.world.create_class(town.other, "CP"), Grade.CP)
        rule = documents.open_document(work, town.admin, town.town.id, PlaceKind.PUPIL, str(pupil.id))
        succession.record_school_succession(work, town.admin, town.school.id, town.other.id)
        with pytest.raises(Invalid):
            succession.record_school_succession(work, town.admin, town.other.id, town.school.id)
        rollover = town.preview_rollover()
        made = service.create_class(work, town.create_head(town.other), rollover.id, town.other.id, "CM1 A", [pupil.id])
        town.apply(rollover)
        assert town.get_placement(pupil.id) == (Grade.CM1, made.id, town.other.id, "active")
        work.session.expire_all()
        assert [work.session.get_one(Tablet, each.id).school_id for each in (tablet, elsewhere)] == [town.other.id] * 2
        assert documents.get_document(work, town.admin, rule.id).target == str(pupil.id), "what is written for the pupil follows"
        assert old_class.school_year == "2026-2027"
        town.undo(rollover)
        work.session.expire_all()
        assert town.get_placement(pupil.id) == (Grade.CE2, old_class.id, town.school.id, "active")
        assert work.session.get_one(Tablet, tablet.id).school_id == town.school.id
        assert work.session.get_one(Tablet, elsewhere.id).school_id == town.other.id
        assert town.get_placement(stays.id)[0] is Grade.CP


def test_pupils_of_the_nursery_are_expected_where_a_head_places_them(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, school_day(6, 10))
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        nursery = town.world.create_school(town.town, "Maternelle")
        pupil = town.create_pupil(town.world.create_class(nursery, "GS"), Grade.GS)
        rollover = town.preview_rollover()
        with pytest.raises(NotFound):
            service.create_class(work, town.create_head(), rollover.id, town.school.id, "CP", [pupil.id])
        placed = service.create_class(work, town.admin, rollover.id, town.school.id, "CP", [pupil.id])
        town.preview_rollover()
        line = town.get_line(rollover, pupil)
        assert (line.grade_after, line.class_after, line.school_after) == (Grade.CP, placed.id, town.school.id)
        expected = [g for g in service.count_groups(work, town.create_head(), rollover) if g.grade is Grade.GS]
        assert [(g.grade_after, g.pupils, g.with_tablet) for g in expected] == [(Grade.CP, 1, 0)], "its head sees who comes"
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        town.apply(rollover)
        assert town.get_placement(pupil.id) == (Grade.CP, placed.id, town.school.id, "active")


def test_a_class_of_two_grades_becomes_two_classes_and_grades_follow_the_pupils(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        both = town.world.create_class(town.school, "CE1-CE2")
        one, two = [town.create_pupil(both, Grade.CE1) for _ in range(3)], [town.create_pupil(both, Grade.CE2) for _ in range(2)]
        rollover = town.preview_rollover()
        again = service.create_class(work, town.create_head(), rollover.id, town.school.id, "CE1-CE2", [each.id for each in one])
        assert again.id != both.id, "a new class, even under the old name"
        assert service.create_class(work, town.create_head(), rollover.id, town.school.id, " ce1-ce2 ", []).id == again.id
        town.apply(rollover)
        assert {town.get_placement(each.id)[:2] for each in one} == {(Grade.CE2, again.id)}
        assert {town.get_placement(each.id)[:2] for each in two} == {(Grade.CM1, None)}


def test_a_pupil_whom_a_roster_moved_between_preview_and_apply_stays_as_it_says(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        school_class = town.world.create_class(town.school)
        pupil, twin = town.create_pupil(school_class, Grade.CE1), town.create_pupil(school_class, Grade.CE1)
        rollover = town.preview_rollover()
        pupil.grade = Grade.CE2
        town.apply(rollover)
        assert town.get_placement(pupil.id)[0] is Grade.CE2
        assert [town.get_line(rollover, each).pupil_changed for each in (pupil, twin)] == [False, True]
        pupil.class_id = None  # now it looks as if the passage had put the pupil there
        town.undo(rollover)
        assert town.get_placement(pupil.id)[:2] == (Grade.CE2, None), "what the passage has not done it does not undo"
        assert town.get_placement(twin.id)[:2] == (Grade.CE1, school_class.id)


def test_a_pupil_who_came_between_preview_and_apply_is_promoted_too(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, school_day(6, 20))
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        school_class = town.world.create_class(town.school)
        rollover = town.preview_rollover()
        late = town.create_pupil(school_class, Grade.CP)
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        assert town.apply(rollover) == 1
        assert town.get_placement(late.id)[0] is Grade.CE1


def test_a_head_sees_and_decides_the_own_school_alone(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        here, there = town.world.create_class(town.school), town.world.create_class(town.other)
        mine, theirs = town.create_pupil(here, Grade.CE1), town.create_pupil(there, Grade.CE1)
        rollover, head = town.preview_rollover(), town.create_head()
        assert service.get_rollover(work, head, rollover.id) is rollover
        assert {group.school_id for group in service.count_groups(work, head, rollover)} == {town.school.id}
        assert [pupil.id for _, pupil in service.list_lines_of_class(work, head, rollover.id, town.school.id, here.id)] == [
            mine.id
        ]
        for act in (
            lambda: service.record_decision(work, head, rollover.id, [theirs.id], RolloverDecision.RETAINED),
            lambda: service.record_decision(work, head, rollover.id, [mine.id, theirs.id], RolloverDecision.RETAINED),
            lambda: service.create_class(work, head, rollover.id, town.other.id, "CP", []),
            lambda: service.create_class(work, head, rollover.id, town.school.id, "CP", [theirs.id]),
            lambda: service.mark_school_done(work, head, rollover.id, town.other.id),
            lambda: service.list_lines_of_class(work, head, rollover.id, town.other.id, there.id),
        ):
            with pytest.raises(NotFound):
                act()
        for refused in (drafting.preview_rollover, applying.apply_batch, applying.undo_batch, applying.close_rollover):
            with pytest.raises(Forbidden):
                refused(work, head, town.town.id if refused is drafting.preview_rollover else rollover.id)
        assert town.get_line(rollover, mine).decided_by_head is False
        assert service.mark_school_done(work, head, rollover.id, town.school.id).decisions_completed_at == work.now
        elsewhere = RolloverTown(work)
        with pytest.raises(RolloverNotFound):
            service.record_decision(work, elsewhere.create_head(), rollover.id, [mine.id], RolloverDecision.RETAINED)


def test_decisions_of_rosters_and_applied_lines_cannot_be_chosen(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        pupil = town.create_pupil(town.world.create_class(town.school), Grade.CE1)
        rollover = town.preview_rollover()
        for decision in (RolloverDecision.ABSENT, RolloverDecision.ARRIVED):
            with pytest.raises(DecisionNotSelectable):
                service.record_decision(work, town.admin, rollover.id, [pupil.id], decision)
        town.apply(rollover)
        with pytest.raises(RolloverAlreadyApplied):
            service.record_decision(work, town.admin, rollover.id, [pupil.id], RolloverDecision.RETAINED)


def test_assignments_to_former_classes_end_when_the_rollover_is_closed(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        former = town.world.create_class(town.school, "CE1")
        town.create_pupil(former, Grade.CE1)
        rollover = town.preview_rollover()
        new = service.create_class(work, town.admin, rollover.id, town.school.id, "CE2", [])
        teacher = StaffMember(
            town_id=town.town.id, last_name="DURAND", first_name="Paul", name_hash="x", state=RosterState.ACTIVE
        )
        work.session.add(teacher)
        work.session.flush()
        held = [
            TeacherAssignment(
                town_id=town.town.id, staff_id=teacher.id, school_id=town.school.id, class_id=each, kind=Kind.MAIN,
                starts_on=work.now.date(),
            )
            for each in (former.id, new.id, None)
        ]  # fmt: skip
        work.session.add_all(held)
        town.apply(rollover)
        applying.close_rollover(work, town.admin, rollover.id)
        work.session.expire_all()
        assert [each.ends_on for each in held] == [compute_leaving_date("2027-2028"), None, None]
