"""Applying and undoing in turns, whatever happens in between: apply, then undo, leaves everything as it was."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from cartable.clock import ManualClock
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Grade
from enrollment.rollover import applying, service, succession
from enrollment.rollover.models import Rollover, RolloverDecision, RolloverState
from enrollment.tablets.models import Tablet
from tests.enrollment.rollover.school_year import SEPTEMBER, RolloverTown, pupil_line, set_clock
from tests.support.sampling import count_examples

State = dict[UUID, tuple[object, ...]]


def _state(work: UnitOfWork) -> State:
    """All that a passage may change."""
    work.session.flush()
    work.session.expire_all()
    found: State = {
        p.id: (p.grade, p.class_id, p.school_id, p.state, p.absent_since) for p in work.session.scalars(select(Pupil))
    }
    return found | {t.id: (t.school_id, t.class_id, t.state) for t in work.session.scalars(select(Tablet))}


def test_half_applied_then_a_crash_then_the_rest(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        school_class = town.world.create_class(town.school)
        for grade in (Grade.CP, Grade.CE1, Grade.CE2, Grade.CM1, Grade.CM2):
            town.with_tablet(school_class, grade)
        before, rollover = _state(work), town.preview_rollover()
    with runtime.open_unit_of_work() as work:
        assert applying.apply_batch(work, town.admin, rollover.id, 2) == 2
    with pytest.raises(RuntimeError), runtime.open_unit_of_work() as work:
        assert applying.apply_batch(work, town.admin, rollover.id, 2) == 2
        raise RuntimeError("the server is switched off")
    with runtime.open_unit_of_work() as work:
        assert [applying.apply_batch(work, town.admin, rollover.id, 2) for _ in range(3)] == [2, 1, 0]
        whole = _state(work)
        assert applying.undo_batch(work, town.admin, rollover.id, 3) == 3
    with runtime.open_unit_of_work() as work:
        assert service.get_rollover(work, town.admin, rollover.id).state is RolloverState.APPLIED, "half undone is not undone"
        assert applying.apply_batch(work, town.admin, rollover.id, 9) == 3
        assert _state(work) == whole
        town.bind(work).undo(rollover, 2)
        assert _state(work) == before
        assert service.get_rollover(work, town.admin, rollover.id).state is RolloverState.DRAFT


def test_undone_after_a_roster_import(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        town.import_roster(*(pupil_line(f"NOM{n}", n, "CE1", "CE1", "1") for n in range(30)), year="2027-2028")
        rollover = _old_year(work, town)
        town.apply(rollover)
        town.import_roster(
            pupil_line("NOM0", 0, "CM1", "CM1", "9"), *(pupil_line(f"NOM{n}", n, "CE2", "", "") for n in range(1, 30))
        )
        town.undo(rollover)
        grades = {p.last_name: p.grade for p in work.session.scalars(select(Pupil))}
        assert grades["NOM0"] is Grade.CM1, "the roster has spoken since"
        assert {grades[f"NOM{n}"] for n in range(1, 30)} == {Grade.CE1}


def _old_year(work: UnitOfWork, town: RolloverTown) -> Rollover:
    """As if those pupils had been there in the year before."""
    for pupil in work.session.scalars(select(Pupil)):
        pupil.class_id = None
    work.session.flush()
    return town.preview_rollover()


GRADES = st.sampled_from([Grade.GS, Grade.CP, Grade.CE1, Grade.CE2, Grade.CM1, Grade.CM2])
DECISIONS = st.sampled_from(
    [None, RolloverDecision.RETAINED, RolloverDecision.SKIPPING, RolloverDecision.LEAVER, RolloverDecision.PROMOTED]
)
#: A level, what a head says, whether the pupil is absent, has a tablet, is placed in a class of the other school, and what a
#: roster does before the passage is applied.
PUPIL = st.tuples(GRADES, DECISIONS, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([None, "level", "class"]))


@given(
    pupils=st.lists(PUPIL, min_size=1, max_size=8), limits=st.tuples(st.integers(1, 9), st.integers(1, 9)), merged=st.booleans()
)
@settings(max_examples=count_examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_apply_then_undo_changes_nothing(
    runtime: Runtime, clock: ManualClock, pupils: list[tuple[object, ...]], limits: tuple[int, int], *, merged: bool
) -> None:
    if clock.now() < SEPTEMBER:
        set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        school_class = town.world.create_class(town.school)
        if merged:
            succession.record_school_succession(work, town.admin, town.school.id, town.other.id)
        made: list[tuple[Pupil, tuple[object, ...]]] = []
        for drawn in pupils:
            grade, _, absent, tablet, _, _ = drawn
            assert isinstance(grade, Grade)
            pupil = town.with_tablet(school_class, grade)[0] if tablet else town.create_pupil(school_class, grade)
            pupil.state = PupilState.ABSENT_FROM_ROSTER if absent else PupilState.ACTIVE
            made.append((pupil, drawn))
        rollover = town.preview_rollover()
        for pupil, (_, decision, _, _, placed, _) in made:
            if isinstance(decision, RolloverDecision):
                service.record_decision(work, town.admin, rollover.id, [pupil.id], decision)
            if placed:
                service.create_class(work, town.admin, rollover.id, town.other.id, "CE1-CE2", [pupil.id])
        for pupil, (_, _, _, _, _, roster) in made:
            if roster == "level":
                pupil.grade = Grade.CM1
            elif roster == "class":
                pupil.class_id = None
        before = _state(work)
        town.apply(rollover, limits[0])
        after = _state(work)
        town.undo(rollover, limits[1])
        assert _state(work) == before
        town.apply(rollover, limits[1])
        assert _state(work) == after, "and once more, the same"


def test_a_batch_costs_the_same_statements_for_few_and_many(runtime: Runtime, clock: ManualClock) -> None:
    """Also where pupils change their school and their tablets follow."""
    set_clock(clock, SEPTEMBER)
    counts = []
    for size in (5, 200):
        with runtime.open_unit_of_work() as work:
            town = RolloverTown(work)
            school_class = town.world.create_class(town.school)
            succession.record_school_succession(work, town.admin, town.school.id, town.other.id)
            for number in range(size):
                town.with_tablet(school_class, Grade.CM2 if number % 5 == 0 else Grade.CE1)
            rollover = town.preview_rollover()
        statement_counts = []
        for act in (applying.apply_batch, applying.undo_batch):
            with runtime.open_unit_of_work() as work:
                statements: list[str] = []

                def note(*given: object, seen: list[str] = statements) -> None:
                    seen.append(str(given[2]))

                event.listen(runtime.engine, "before_cursor_execute", note)
                assert act(work, town.admin, rollover.id) == size
                work.session.flush()
                event.remove(runtime.engine, "before_cursor_execute", note)
                statement_counts.append(len(statements))
        counts.append(statement_counts)
    assert counts[0] == counts[1]
