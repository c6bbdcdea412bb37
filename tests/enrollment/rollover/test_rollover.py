"""The passage from one school year to the next: every case of docs/domain/school-year.md#cases, in turns, there and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import event, select

from cartable.clock import ManualClock
from cartable.errors import Forbidden, Invalid, NotFound
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM, Actor, Role
from cartable.unit_of_work import Runtime
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Grade, SchoolClass, Town
from enrollment.places.rules import get_next_school_year
from enrollment.rollover import applying, drafting, returns, service, succession
from enrollment.rollover.errors import RolloverClosed, RolloverNotApplied, RolloverNotFound, RolloverTooEarly
from enrollment.rollover.models import RolloverDecision, RolloverState
from enrollment.rollover.repository import RolloverRepository
from enrollment.rollover.rules import compute_applicable_from, get_default_decision, get_grade_after
from enrollment.tablets.models import Loan, Tablet, TabletState
from tests.support.world import TownFactory, create_actor

SEPTEMBER = datetime(2027, 8, 31, 22, tzinfo=UTC)  # midnight in France


def _to(clock: ManualClock, instant: datetime) -> None:
    clock.advance(instant - clock.now())


def _admin(town: Town) -> Actor:
    return create_actor(Role.TOWN_ADMIN, town, name="admin")


def test_grades_follow_each_other_and_nobody_goes_beyond_the_last() -> None:
    assert [get_grade_after(level, RolloverDecision.PROMOTED) for level in Grade] == [*list(Grade)[1:], Grade.CM2]
    assert get_grade_after(Grade.CE1, RolloverDecision.SKIPPING) is Grade.CM1
    assert get_grade_after(Grade.CM2, RolloverDecision.RETAINED) is Grade.CM2
    assert get_default_decision(Grade.CM2, PupilState.ACTIVE) is RolloverDecision.LEAVER
    assert get_default_decision(Grade.CP, PupilState.ABSENT_FROM_ROSTER) is RolloverDecision.ABSENT
    assert get_next_school_year("2026-2027") == "2027-2028"
    assert compute_applicable_from("2027-2028", "Europe/Paris") == SEPTEMBER
    assert compute_applicable_from("2027-2028", "Indian/Reunion") == datetime(2027, 8, 31, 20, tzinfo=UTC)


def test_every_case_there_and_back(runtime: Runtime, clock: ManualClock) -> None:  # noqa: PLR0915 - one passage, told to its end
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        old, new = world.create_school(town, "Ancienne"), world.create_school(town, "Nouvelle")
        merged = world.create_class(old, "CE2 B")
        here, ulis = world.create_class(new, "CE1-CE2"), world.create_class(new, "ULIS")
        pupils = {
            "promoted": world.create_pupil(here, Grade.CE1), "retained": world.create_pupil(here, Grade.CM2), "skipping": world.create_pupil(here, Grade.CE1),
            "ulis": world.create_pupil(ulis, Grade.CE2), "leaver": world.create_pupil(here, Grade.CM2), "merged": world.create_pupil(merged, Grade.CE2),
            "absent": world.create_pupil(here, Grade.CM1), "moved": world.create_pupil(here, Grade.CP),
        }  # fmt: skip
        pupils["absent"].state = PupilState.ABSENT_FROM_ROSTER
        ids = {name: pupil.id for name, pupil in pupils.items()}
        before = {name: (pupil.grade, pupil.class_id, pupil.school_id) for name, pupil in pupils.items()}
        tablet = world.create_tablet(town)
        world.lend_tablet(tablet, pupils["leaver"])
        world.lend_tablet(world.create_tablet(town), pupils["promoted"])
        admin = _admin(town)
        succession.record_school_succession(work, admin, old.id, new.id)
        with pytest.raises(Invalid):
            succession.record_school_succession(work, admin, new.id, old.id)
        rollover = drafting.preview_rollover(work, admin, town.id)
        assert (rollover.from_year, rollover.to_year) == ("2026-2027", "2027-2028")
        service.record_decision(work, admin, rollover.id, [ids["retained"]], RolloverDecision.RETAINED)
        service.record_decision(work, admin, rollover.id, [ids["skipping"]], RolloverDecision.SKIPPING)
        made = service.create_class(work, admin, rollover.id, new.id, "CE1-CE2", [ids["promoted"], ids["skipping"]])
        assert made.id != here.id
        drafting.preview_rollover(work, admin, town.id)
        lines = RolloverRepository(work.session).get_lines_by_pupil(rollover.id)
        assert {name: lines[each].decision for name, each in ids.items()} == {
            "promoted": RolloverDecision.PROMOTED, "retained": RolloverDecision.RETAINED, "skipping": RolloverDecision.SKIPPING, "ulis": RolloverDecision.PROMOTED,
            "leaver": RolloverDecision.LEAVER, "merged": RolloverDecision.PROMOTED, "absent": RolloverDecision.ABSENT, "moved": RolloverDecision.PROMOTED,
        }  # fmt: skip
        assert lines[ids["ulis"]].ulis
        with pytest.raises(RolloverTooEarly):
            applying.apply_batch(work, admin, rollover.id)

    _to(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        # Meanwhile a roster has moved one of them: the roster is right.
        work.session.get_one(Pupil, ids["moved"]).grade = Grade.CE2
        turns = [applying.apply_batch(work, admin, rollover.id, limit=3) for _ in range(4)]
        assert turns == [3, 3, 1, 0]
        now = {name: work.session.get_one(Pupil, each) for name, each in ids.items()}
        assert {name: pupil.grade for name, pupil in now.items()} == {
            "promoted": Grade.CE2, "retained": Grade.CM2, "skipping": Grade.CM1, "ulis": Grade.CM1, "leaver": Grade.CM2,
            "merged": Grade.CM1, "absent": Grade.CM1, "moved": Grade.CE2,
        }  # fmt: skip
        assert now["promoted"].class_id == made.id
        assert (now["merged"].school_id, now["merged"].class_id) == (new.id, None)
        assert [(row.tag, school) for row, school in returns.list_tablets_of_leavers(work, admin, rollover.id).items] == [
            (tablet.tag, new.id)
        ]
        assert work.session.scalar(select(Loan.closed_at).where(Loan.tablet_id == tablet.id)) is None
        assert {row.topic for row in work.session.scalars(select(OutboxRow))} == {Topic.RECONCILE}
        assert work.session.get_one(Tablet, tablet.id).state is TabletState.IN_USE
        assert work.session.get_one(SchoolClass, here.id).school_year == "2026-2027"

        while applying.undo_batch(work, admin, rollover.id, limit=3):
            pass
        for name, pupil in now.items():
            if name != "moved":
                assert (pupil.grade, pupil.class_id, pupil.school_id) == before[name], name
        assert now["moved"].grade is Grade.CE2
        with pytest.raises(RolloverNotApplied):
            applying.close_rollover(work, admin, rollover.id)
        while applying.apply_batch(work, admin, rollover.id):
            pass
        assert applying.close_rollover(work, admin, rollover.id).state is RolloverState.CLOSED
        for act in (applying.undo_batch, applying.apply_batch):
            with pytest.raises(RolloverClosed):
                act(work, admin, rollover.id)


def test_another_town_cannot_act(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, other = world.create_town(), world.create_town()
        pupil = world.create_pupil(world.create_class(world.create_school(town)), Grade.CE2)
        rollover, stranger = drafting.preview_rollover(work, SYSTEM, town.id), _admin(other)
        with pytest.raises(Forbidden):
            drafting.preview_rollover(work, stranger, town.id)
        for act in (
            service.get_rollover,
            applying.apply_batch,
            applying.undo_batch,
            applying.close_rollover,
            returns.list_tablets_of_leavers,
            returns.list_tablet_returns,
            returns.get_campaign,
        ):
            with pytest.raises(RolloverNotFound):
                act(work, stranger, rollover.id)
        theirs = drafting.preview_rollover(work, SYSTEM, other.id)
        with pytest.raises(NotFound):
            service.record_decision(work, stranger, theirs.id, [pupil.id], RolloverDecision.RETAINED)


def test_a_batch_costs_the_same_statements_for_few_and_many(runtime: Runtime, clock: ManualClock) -> None:
    _to(clock, SEPTEMBER)
    counts = []
    for size in (5, 200):
        with runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            school_class = world.create_class(world.create_school(town))
            for _ in range(size):
                world.create_pupil(school_class, Grade.CE1)
            rollover = drafting.preview_rollover(work, SYSTEM, town.id, "2026-2027")
        with runtime.open_unit_of_work() as work:
            statements: list[str] = []
            event.listen(runtime.engine, "before_cursor_execute", lambda *a, seen=statements: seen.append(a[2]))
            assert applying.apply_batch(work, SYSTEM, rollover.id) == size
            work.session.flush()
            counts.append(len(statements))
    assert counts[0] == counts[1]
