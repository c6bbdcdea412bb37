"""The passage from one school year to the next: every case of schools.md section 18, in turns, there and back."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import event, select

from cartable.clock import ManualClock
from cartable.errors import Forbidden, Invalid, NotFound
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Level, SchoolClass, Town
from enrollment.rollover import applying, returns, service
from enrollment.rollover.errors import NotApplied, RolloverClosed, RolloverUnknown, TooEarly
from enrollment.rollover.models import Decision, RolloverState
from enrollment.rollover.repository import YearRepository
from enrollment.rollover.rules import after, may_apply_from, next_year, usual
from enrollment.tablets.models import Loan, Tablet, TabletState
from tests.support.world import World

SEPTEMBER = datetime(2027, 8, 31, 22, tzinfo=UTC)  # midnight in France


def _to(clock: ManualClock, instant: datetime) -> None:
    clock.advance(instant - clock.now())


def _admin(town: Town) -> Actor:
    return Actor(uuid4(), "admin", (RoleAssignment(Role.TOWN_ADMIN, town.id),))


def test_levels_follow_each_other_and_nobody_goes_beyond_the_last() -> None:
    assert [after(level, Decision.PROMOTED) for level in Level] == [*list(Level)[1:], Level.CM2]
    assert after(Level.CE1, Decision.SKIPPING) is Level.CM1
    assert after(Level.CM2, Decision.RETAINED) is Level.CM2
    assert usual(Level.CM2, PupilState.ACTIVE) is Decision.LEAVER
    assert usual(Level.CP, PupilState.ABSENT_FROM_ROSTER) is Decision.ABSENT
    assert next_year("2026-2027") == "2027-2028"
    assert may_apply_from("2027-2028", "Europe/Paris") == SEPTEMBER
    assert may_apply_from("2027-2028", "Indian/Reunion") == datetime(2027, 8, 31, 20, tzinfo=UTC)


def test_every_case_there_and_back(runtime: Runtime, clock: ManualClock) -> None:  # noqa: PLR0915 - one passage, told to its end
    with runtime.open_unit_of_work() as work:
        world = World(work)
        town = world.town()
        old, new = world.school(town, "Ancienne"), world.school(town, "Nouvelle")
        merged = world.school_class(old, "CE2 B")
        here, ulis = world.school_class(new, "CE1-CE2"), world.school_class(new, "ULIS")
        pupils = {
            "promoted": world.pupil(here, Level.CE1), "retained": world.pupil(here, Level.CM2), "skipping": world.pupil(here, Level.CE1),
            "ulis": world.pupil(ulis, Level.CE2), "leaver": world.pupil(here, Level.CM2), "merged": world.pupil(merged, Level.CE2),
            "absent": world.pupil(here, Level.CM1), "moved": world.pupil(here, Level.CP),
        }  # fmt: skip
        pupils["absent"].state = PupilState.ABSENT_FROM_ROSTER
        ids = {name: pupil.id for name, pupil in pupils.items()}
        before = {name: (pupil.level, pupil.class_id, pupil.school_id) for name, pupil in pupils.items()}
        tablet = world.tablet(town)
        world.lend(tablet, pupils["leaver"])
        world.lend(world.tablet(town), pupils["promoted"])
        admin = _admin(town)
        service.succeed(work, admin, old.id, new.id)
        with pytest.raises(Invalid):
            service.succeed(work, admin, new.id, old.id)
        rollover = service.preview(work, admin, town.id)
        assert (rollover.from_year, rollover.to_year) == ("2026-2027", "2027-2028")
        service.tick(work, admin, rollover.id, [ids["retained"]], Decision.RETAINED)
        service.tick(work, admin, rollover.id, [ids["skipping"]], Decision.SKIPPING)
        made = service.make_class(work, admin, rollover.id, new.id, "CE1-CE2", [ids["promoted"], ids["skipping"]])
        assert made.id != here.id
        service.preview(work, admin, town.id)
        lines = YearRepository(work.session).lines(rollover.id)
        assert {name: lines[each].decision for name, each in ids.items()} == {
            "promoted": Decision.PROMOTED, "retained": Decision.RETAINED, "skipping": Decision.SKIPPING, "ulis": Decision.PROMOTED,
            "leaver": Decision.LEAVER, "merged": Decision.PROMOTED, "absent": Decision.ABSENT, "moved": Decision.PROMOTED,
        }  # fmt: skip
        assert lines[ids["ulis"]].ulis
        with pytest.raises(TooEarly):
            applying.apply(work, admin, rollover.id)

    _to(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        # Meanwhile a roster has moved one of them: the roster is right.
        work.session.get_one(Pupil, ids["moved"]).level = Level.CE2
        turns = [applying.apply(work, admin, rollover.id, limit=3) for _ in range(4)]
        assert turns == [3, 3, 1, 0]
        now = {name: work.session.get_one(Pupil, each) for name, each in ids.items()}
        assert {name: pupil.level for name, pupil in now.items()} == {
            "promoted": Level.CE2, "retained": Level.CM2, "skipping": Level.CM1, "ulis": Level.CM1, "leaver": Level.CM2,
            "merged": Level.CM1, "absent": Level.CM1, "moved": Level.CE2,
        }  # fmt: skip
        assert now["promoted"].class_id == made.id
        assert (now["merged"].school_id, now["merged"].class_id) == (new.id, None)
        assert [(row.tag, school) for row, school in returns.to_return(work, admin, rollover.id)] == [(tablet.tag, new.id)]
        assert work.session.scalar(select(Loan.closed_at).where(Loan.tablet_id == tablet.id)) is None
        assert {row.topic for row in work.session.scalars(select(OutboxRow))} == {Topic.DECIDE}
        assert work.session.get_one(Tablet, tablet.id).state is TabletState.IN_USE
        assert work.session.get_one(SchoolClass, here.id).school_year == "2026-2027"

        while applying.undo(work, admin, rollover.id, limit=3):
            pass
        for name, pupil in now.items():
            if name != "moved":
                assert (pupil.level, pupil.class_id, pupil.school_id) == before[name], name
        assert now["moved"].level is Level.CE2
        with pytest.raises(NotApplied):
            applying.close(work, admin, rollover.id)
        while applying.apply(work, admin, rollover.id):
            pass
        assert applying.close(work, admin, rollover.id).state is RolloverState.CLOSED
        for act in (applying.undo, applying.apply):
            with pytest.raises(RolloverClosed):
                act(work, admin, rollover.id)


def test_another_town_has_no_say(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = World(work)
        town, other = world.town(), world.town()
        pupil = world.pupil(world.school_class(world.school(town)), Level.CE2)
        rollover, stranger = service.preview(work, SYSTEM, town.id), _admin(other)
        with pytest.raises(Forbidden):
            service.preview(work, stranger, town.id)
        for act in (service.get, applying.apply, applying.undo, applying.close, returns.to_return, returns.progress, returns.of):
            with pytest.raises(RolloverUnknown):
                act(work, stranger, rollover.id)
        theirs = service.preview(work, SYSTEM, other.id)
        with pytest.raises(NotFound):
            service.tick(work, stranger, theirs.id, [pupil.id], Decision.RETAINED)


def test_a_part_costs_the_same_statements_for_few_and_many(runtime: Runtime, clock: ManualClock) -> None:
    _to(clock, SEPTEMBER)
    counts = []
    for size in (5, 200):
        with runtime.open_unit_of_work() as work:
            world = World(work)
            town = world.town()
            school_class = world.school_class(world.school(town))
            for _ in range(size):
                world.pupil(school_class, Level.CE1)
            rollover = service.preview(work, SYSTEM, town.id, "2026-2027")
        with runtime.open_unit_of_work() as work:
            statements: list[str] = []
            event.listen(runtime.engine, "before_cursor_execute", lambda *a, seen=statements: seen.append(a[2]))
            assert applying.apply(work, SYSTEM, rollover.id) == size
            work.session.flush()
            counts.append(len(statements))
    assert counts[0] == counts[1]
