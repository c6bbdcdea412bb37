"""Custody: states, tags, one open loan, and the page of facts that decisions read."""

from __future__ import annotations

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from cartable.audit import AuditEvent
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.facts import load_facts
from enrollment.places.models import Grade
from enrollment.tablets import service
from enrollment.tablets.errors import PupilHasTablet, TabletNotFound, TransitionNotAllowed
from enrollment.tablets.models import Loan, TabletState
from enrollment.tablets.rules import ALLOWED_TRANSITIONS, build_next_tag, can_transition
from enrollment.tablets.service import TabletDetails
from tests.support.world import TownFactory


@pytest.mark.parametrize(
    ("highest", "expected"), [(None, "CLA-00001"), ("CLA-00041", "CLA-00042"), ("CLA-99999", "CLA-100000"), ("odd", "CLA-00001")]
)
def test_tags_are_numbered_in_turn(highest: str | None, expected: str) -> None:
    assert build_next_tag("CLA", highest) == expected


def test_every_state_has_its_transitions_and_a_lost_tablet_cannot_be_lent() -> None:
    assert set(ALLOWED_TRANSITIONS) == set(TabletState)
    assert can_transition(TabletState.LOST, TabletState.FOUND)
    assert not can_transition(TabletState.LOST, TabletState.IN_USE)
    assert not can_transition(TabletState.RETIRED, TabletState.STOCK)


def test_a_change_of_state_is_audited_and_a_forbidden_one_refused(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        tablet = TownFactory(work).create_tablet(TownFactory(work).create_town())
        service.change_state(work, SYSTEM, tablet, TabletState.LOST, "reported")
        events = work.session.scalars(select(AuditEvent)).all()
        assert [(e.action, e.details["before"], e.details["after"]) for e in events] == [("tablet.state", "in_use", "lost")]
        with pytest.raises(TransitionNotAllowed):
            service.change_state(work, SYSTEM, tablet, TabletState.IN_USE, "no")
        assert tablet.state is TabletState.LOST


def test_opening_a_loan_moves_the_tablet_and_enqueues_a_job(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school_class = world.create_class(world.create_school(town))
        first, second = world.create_pupil(school_class), world.create_pupil(school_class, last="EL HADJ")
        tablet = world.create_tablet(town)
        service.open_loan(work, SYSTEM, tablet, first)
        service.open_loan(work, SYSTEM, tablet, second)
        loans = work.session.scalars(select(Loan).order_by(Loan.closed_at.is_(None))).all()
        assert [loan.pupil_id for loan in loans] == [first.id, second.id]
        assert loans[0].closed_at == work.now
        assert tablet.school_id == school_class.school_id
        assert [row.topic for row in work.session.scalars(select(OutboxRow))] == [Topic.RECONCILE]


def test_service_and_database_allow_one_open_loan_per_pupil(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        pupil = world.create_pupil(world.create_class(world.create_school(town)))
        one, other = world.create_tablet(town), world.create_tablet(town)
        service.open_loan(work, SYSTEM, one, pupil)
        assert service.open_loan(work, SYSTEM, one, pupil).tablet_id == one.id
        with pytest.raises(PupilHasTablet):
            service.open_loan(work, SYSTEM, other, pupil)
        ids = other.id, pupil.id, town.id
    with pytest.raises(IntegrityError), runtime.open_unit_of_work() as work:
        work.session.add(Loan(tablet_id=ids[0], pupil_id=ids[1], town_id=ids[2], opened_at=work.now))


def test_facts_come_in_one_query_with_the_level_of_pupil_or_class(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        ce2, mixed = world.create_class(school, "CE2"), world.create_class(school, "CE1-CE2")
        world.create_pupil(mixed, Grade.CE1), world.create_pupil(mixed, Grade.CE2)
        lent, of_class, of_mixed, stock = (world.create_tablet(town) for _ in range(4))
        world.lend_tablet(lent, world.create_pupil(ce2))
        of_class.class_id, of_mixed.class_id = ce2.id, mixed.id
        work.session.flush()
        statements: list[str] = []
        event.listen(runtime.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
        facts = load_facts(work, [lent.id, of_class.id, of_mixed.id, stock.id])
        assert len(statements) == 1
        assert [facts[t.id].grade for t in (lent, of_class, of_mixed, stock)] == [Grade.CE2, Grade.CE2, None, None]
        assert facts[of_class.id].class_id == ce2.id


def test_values_that_a_tablet_does_not_report_stay(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        tablet = TownFactory(work).create_tablet(TownFactory(work).create_town())
        service.update_details(work, tablet.id, TabletDetails(os_version="27.0"))
        work.session.refresh(tablet)
        assert (tablet.os_version, tablet.product_name) == ("27.0", "iPad13,18")


def test_a_tablet_of_another_town_does_not_exist(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        here, there = world.create_town(), world.create_town()
        tablet = world.create_tablet(there)
        actor = Actor(None, "technician", (RoleAssignment(Role.TECHNICIAN, here.id),))
        with pytest.raises(TabletNotFound):
            service.get_tablet(work, actor, tablet.id)
        assert service.search_tablets(work, actor, tablet.serial) == []
        assert service.search_tablets(work, SYSTEM, tablet.serial[2:].lower()) == [tablet]
