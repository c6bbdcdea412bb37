"""Custody: states, tags, one open loan, and the page of facts that decisions read."""

from __future__ import annotations

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from cartable.audit import AuditEvent
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.facts import facts_for
from enrollment.places.models import Level
from enrollment.tablets import service
from enrollment.tablets.errors import PupilHasTablet, TabletNotFound, WrongState
from enrollment.tablets.models import Loan, TabletState
from enrollment.tablets.rules import ALLOWED, may_become, next_tag
from enrollment.tablets.service import TabletDetails
from tests.support.world import World


@pytest.mark.parametrize(
    ("highest", "expected"), [(None, "CLA-00001"), ("CLA-00041", "CLA-00042"), ("CLA-99999", "CLA-100000"), ("odd", "CLA-00001")]
)
def test_tags_are_numbered_in_turn(highest: str | None, expected: str) -> None:
    assert next_tag("CLA", highest) == expected


def test_every_state_has_its_rules_and_a_lost_tablet_is_only_found_or_retired() -> None:
    assert set(ALLOWED) == set(TabletState)
    assert may_become(TabletState.LOST, TabletState.FOUND)
    assert not may_become(TabletState.LOST, TabletState.IN_USE)
    assert not may_become(TabletState.RETIRED, TabletState.STOCK)


def test_a_change_of_state_is_audited_and_a_wrong_one_refused(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        tablet = World(work).tablet(World(work).town())
        service.change_state(work, SYSTEM, tablet, TabletState.LOST, "reported")
        events = work.session.scalars(select(AuditEvent)).all()
        assert [(e.action, e.details["before"], e.details["after"]) for e in events] == [("tablet.state", "in_use", "lost")]
        with pytest.raises(WrongState):
            service.change_state(work, SYSTEM, tablet, TabletState.IN_USE, "no")
        assert tablet.state is TabletState.LOST


def test_lending_moves_the_tablet_and_asks_for_a_decision(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = World(work)
        town = world.town()
        school_class = world.school_class(world.school(town))
        first, second = world.pupil(school_class), world.pupil(school_class, last="EL HADJ")
        tablet = world.tablet(town)
        service.lend(work, SYSTEM, tablet, first)
        service.lend(work, SYSTEM, tablet, second)
        loans = work.session.scalars(select(Loan).order_by(Loan.closed_at.is_(None))).all()
        assert [loan.pupil_id for loan in loans] == [first.id, second.id]
        assert loans[0].closed_at == work.now
        assert tablet.school_id == school_class.school_id
        assert [row.topic for row in work.session.scalars(select(OutboxRow))] == [Topic.DECIDE]


def test_one_open_loan_per_pupil_held_by_service_and_database(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = World(work)
        town = world.town()
        pupil = world.pupil(world.school_class(world.school(town)))
        one, other = world.tablet(town), world.tablet(town)
        service.lend(work, SYSTEM, one, pupil)
        assert service.lend(work, SYSTEM, one, pupil).tablet_id == one.id
        with pytest.raises(PupilHasTablet):
            service.lend(work, SYSTEM, other, pupil)
        ids = other.id, pupil.id, town.id
    with pytest.raises(IntegrityError), runtime.open_unit_of_work() as work:
        work.session.add(Loan(tablet_id=ids[0], pupil_id=ids[1], town_id=ids[2], opened_at=work.now))


def test_facts_come_in_one_query_with_the_level_of_pupil_or_class(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = World(work)
        town = world.town()
        school = world.school(town)
        ce2, mixed = world.school_class(school, "CE2"), world.school_class(school, "CE1-CE2")
        world.pupil(mixed, Level.CE1), world.pupil(mixed, Level.CE2)
        lent, of_class, of_mixed, stock = (world.tablet(town) for _ in range(4))
        world.lend(lent, world.pupil(ce2))
        of_class.class_id, of_mixed.class_id = ce2.id, mixed.id
        work.session.flush()
        statements: list[str] = []
        event.listen(runtime.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
        facts = facts_for(work, [lent.id, of_class.id, of_mixed.id, stock.id])
        assert len(statements) == 1
        assert [facts[t.id].level for t in (lent, of_class, of_mixed, stock)] == [Level.CE2, Level.CE2, None, None]
        assert facts[of_class.id].class_id == ce2.id


def test_silence_of_a_tablet_removes_nothing(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        tablet = World(work).tablet(World(work).town())
        service.update_details(work, tablet.id, TabletDetails(os_version="27.0"))
        work.session.refresh(tablet)
        assert (tablet.os_version, tablet.product_name) == ("27.0", "iPad13,18")


def test_a_tablet_of_another_town_does_not_exist(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = World(work)
        here, there = world.town(), world.town()
        tablet = world.tablet(there)
        actor = Actor(None, "technician", (RoleAssignment(Role.TECHNICIAN, here.id),))
        with pytest.raises(TabletNotFound):
            service.get(work, actor, tablet.id)
        assert service.find(work, actor, tablet.serial) == []
        assert service.find(work, SYSTEM, tablet.serial[2:].lower()) == [tablet]
