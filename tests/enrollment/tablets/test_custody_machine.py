"""Any order of any acts on a few tablets and children: each succeeds or is refused in words, and what must always hold does.

The acts are one table; hypothesis draws which, on what, and finds the shortest way to a fault.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, event, select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.errors import DomainError, NotFound
from cartable.outbox import OutboxRow, Topic
from cartable.scope import Actor, Role
from cartable.settings import Settings
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity.verifier import KnownCertificate
from enrollment.joining import enrollment_matching, reservations
from enrollment.joining.ade import profile_requests
from enrollment.joining.models import InvitationKind as K
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import SchoolClass
from enrollment.rollover import applying, drafting, returns
from enrollment.rollover import service as years
from enrollment.rollover.models import Rollover, RolloverDecision
from enrollment.rosters.imports import previewing
from enrollment.rosters.imports import service as imports
from enrollment.rosters.models import RosterImport
from enrollment.tablets import carts, custody, incidents, inventory, lookup, storage
from enrollment.tablets.custody import HandoverForm
from enrollment.tablets.incidents import IncidentReport
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import (
    AgreementState,
    ApprovalAction,
    ApprovalRequest,
    BreakageCause,
    Cart,
    CartSlot,
    Condition,
    Loan,
    Tablet,
)
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.rules import DECOMMISSIONED, can_transition
from enrollment.tablets.service import TabletDetails
from mdm.care.erasing import bulk
from mdm.care.erasing.models import BulkErase
from mdm.care.lost_mode import service as care
from mdm.care.lost_mode.repository import LostModeRepository
from mdm.privacy import children
from mdm.protocol.machine_info import MachineInfo
from mdm.worker.drains import drain
from tests.conftest import KEYRING
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support import custody as acts
from tests.support import databases
from tests.support.audit_trail import find_fault
from tests.support.world import TownFactory, create_actor

SECRET = "ZOLAFERRY"
#: Nobody may hold one of these.
WITH_NOBODY = DECOMMISSIONED | {S.ORDERED, S.RECEIVED, S.PREPARED, S.STOCK, S.STORAGE, S.RETURNED}
SIGNED = HandoverForm(signed_by="Mme Parent", signed_on=date(2026, 9, 3))


class Ground:
    """Two schools, a cart, four children by a roster, four tablets of which two speak; its own database."""

    id: UUID
    one: Actor
    two: Actor
    uais: list[str]
    schools: list[UUID]
    class_id: UUID | None
    cart_id: UUID
    tablets: list[UUID]
    slots: list[UUID]

    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        self.engine, self.clock = engine, clock
        self.runtime = Runtime(Settings(_env_file=None, public_url="https://mdm.test"), engine, clock, KEYRING)
        with self.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            self.id = town.id
            self.one, self.two = (create_actor(Role.TOWN_ADMIN, town, name=n) for n in ("one", "two"))
            schools = [world.create_school(town) for _ in range(2)]
            self.uais, self.schools = [each.uai for each in schools], [each.id for each in schools]
            lines = [onde_line(f"{SECRET}{n}", "Ana", ine=f"{n:010d}A", grade="CM2") for n in range(4)]
            made = previewing.preview_import(work, self.one, town.id, text_file(ONDE, *lines), schools[0].uai)
            imports.confirm_import(work, self.two, made.id)
            self.class_id = work.session.scalars(select(SchoolClass.id)).first()
            cart = Cart(town_id=town.id, school_id=self.schools[1], label="Chariot")
            work.session.add(cart)
            work.session.flush()
            self.cart_id = cart.id
            slots = [CartSlot(town_id=town.id, cart_id=cart.id, number=n) for n in (1, 2)]
            work.session.add_all(slots)
            rows = [world.create_tablet(town) for _ in range(4)]
            for number, row in enumerate(rows):
                row.state = (S.ORDERED, S.STOCK, S.STOCK, S.PREPARED)[number]
                if number in (1, 2):
                    world.enroll_tablet(row)
            work.session.flush()
            self.tablets, self.slots = [row.id for row in rows], [slot.id for slot in slots]
        clock.advance(timedelta(days=2))  # the first roster is not undone any more


class Stage:
    """One act: the unit of work, and the things it is about."""

    tablet: Tablet
    other: Tablet
    pupil: Pupil
    actor: Actor

    def __init__(self, town: Ground, work: UnitOfWork, numbers: tuple[int, int, int], *, yes: bool) -> None:
        one, two, child = numbers
        self.town, self.work, self.yes = town, work, yes
        self.tablet, self.other = (
            lookup.get_tablet_for_update(work, town.one, town.tablets[n % len(town.tablets)]) for n in (one, two)
        )
        pupils = work.session.scalars(select(Pupil).where(Pupil.town_id == town.id).order_by(Pupil.id)).all()
        self.pupil = pupils[child % len(pupils)]
        self.number, self.actor = child, town.two if yes else town.one

    def newest(self, model: Any, order: Any) -> Any:
        found = self.work.session.scalar(
            select(model).where(model.town_id == self.town.id).order_by(order.desc(), model.id).limit(1)
        )
        if found is None:
            raise NotFound
        return found

    def spec(self, kind: K) -> InvitationSpec:
        slot = self.town.slots[self.number % 2]
        aim: dict[K, dict[str, Any]] = {
            K.PUPIL: {"pupil_ids": (self.pupil.id,)}, K.CLASS: {"class_id": self.town.class_id},
            K.CART_SLOT: {"cart_slot_ids": (slot,)}, K.STOCK: {},
        }  # fmt: skip
        return InvitationSpec(kind=kind, town_id=self.town.id, **aim[kind])

    @property
    def kind(self) -> K:
        return (K.PUPIL, K.CLASS, K.CART_SLOT, K.STOCK)[self.number % 4]  # the machine has no adults

    @property
    def passage(self) -> UUID:
        found: Rollover = self.newest(Rollover, Rollover.created_at)
        return found.id

    def join(self) -> None:
        [invitation] = create_invitations(self.work, self.town.one, self.spec(self.kind))
        certificate = KnownCertificate("0" * 64, uuid4(), invitation.id, None)
        enrollment_matching.resolve_tablet(self.work, certificate, self.tablet.serial, "UDID", TabletDetails())

    def join_alone(self) -> None:
        info = MachineInfo(
            udid="UDID", serial=self.tablet.serial, product="iPad13,18", os_version="26.1", build="23B1",
            can_update=False,
        )  # fmt: skip
        expected = profile_requests.resolve_expected_tablet(self.work, info)
        certificate = KnownCertificate("1" * 64, uuid4(), None, expected.id)
        enrollment_matching.resolve_tablet(self.work, certificate, self.tablet.serial, "UDID", TabletDetails())

    def roster(self) -> None:
        lines = [onde_line(f"{SECRET}{n}", "Ana", ine=f"{n:010d}A", grade="CM2") for n in range(5) if n != self.number]
        uai = self.town.uais[self.yes]
        made = previewing.preview_import(self.work, self.town.one, self.town.id, text_file(ONDE, *lines), uai, year="2026-2027")
        imports.confirm_import(self.work, self.town.two, made.id)

    def confirmed(self) -> None:
        case = LostModeRepository(self.work.session).get_open_case(self.tablet.id)
        if case is not None and case.lift_requested_at is not None:
            care.close_case(self.work, case, self.tablet)

    def ask_pair(self) -> None:
        act = list(ApprovalAction)[self.number % len(ApprovalAction)]
        acts.request_approval(self.work, self.actor, self.tablet.id, act, "asked")

    def make_class(self) -> None:
        years.create_class(self.work, self.town.one, self.passage, self.town.schools[self.yes], "CM9", [self.pupil.id])


ACTS: dict[str, Callable[[Stage], object]] = {
    "order": lambda s: inventory.register_purchase_order(s.work, s.actor, s.town.id, [f"ORDERED{s.number}"], "BC"),
    "bench": lambda s: inventory.prepare_tablet(s.work, s.actor, s.town.id, s.tablet.serial),
    "move": lambda s: inventory.set_inventory_state(
        s.work, s.actor, s.tablet, (S.STOCK, S.STORAGE, S.PREPARED, S.RECEIVED)[s.number % 4], "moved"
    ),
    "reserve": lambda s: reservations.reserve_tablets(s.work, s.actor, [s.tablet.serial], s.spec(s.kind)),
    "unreserve": lambda s: reservations.withdraw_reservation(s.work, s.actor, s.tablet.id),
    "join": Stage.join,
    "join alone": Stage.join_alone,
    "assign": lambda s: custody.assign_tablet(s.work, s.actor, s.tablet, s.pupil.id),
    "hand over": lambda s: custody.hand_over(s.work, s.actor, s.tablet, s.pupil.id, SIGNED),
    "agree": lambda s: custody.record_agreement(
        s.work, s.actor, s.tablet, list(AgreementState)[s.number % 3], "Mme", date(2026, 9, 3)
    ),
    "swap": lambda s: custody.swap_tablets(s.work, s.actor, s.tablet, s.other, needs_confirmation=s.yes),
    "take back": lambda s: custody.take_back(s.work, s.actor, s.tablet, Condition.GOOD, ()),
    "wiped": lambda s: inventory.record_manual_wipe(s.work, s.actor, s.tablet, "cable"),
    "break": lambda s: incidents.report_breakage(s.work, s.actor, s.tablet, IncidentReport("fell", BreakageCause.DROP)),
    "loaner": lambda s: incidents.lend_loaner(s.work, s.actor, s.tablet, s.other),
    "repair": lambda s: incidents.send_to_repair(s.work, s.actor, s.tablet, "sent"),
    "repaired": lambda s: incidents.record_repair(s.work, s.actor, s.tablet, "tested"),
    "settle": lambda s: incidents.settle_breakage(s.work, s.actor, s.tablet, keep_loaner=s.yes),
    "lost": lambda s: care.mark_lost(s.work, s.actor, s.tablet.id, "lost"),
    "lift": lambda s: care.request_lift(s.work, s.actor, s.tablet.id, "home", called_back=s.yes),
    "lift confirmed": Stage.confirmed,
    "found": lambda s: acts.mark_found(s.work, s.actor, s.town.id, s.tablet.tag, Condition.WORN),
    "theft": lambda s: acts.report_theft(s.work, s.actor, s.tablet.id, "R1", date(2026, 9, 3)),
    "ask pair": Stage.ask_pair,
    "approve": lambda s: acts.approve_request(
        s.work, s.actor, s.newest(ApprovalRequest, ApprovalRequest.requested_at).id, decision="now" if s.number else None
    ),
    "retire": lambda s: inventory.retire_tablet(s.work, s.actor, s.tablet, "old"),
    "dispose": lambda s: acts.dispose_tablet(s.work, s.actor, s.tablet.id, wipe_proof="W", waste_slip="B"),
    "put": lambda s: carts.put_in_slot(s.work, s.actor, s.town.cart_id, 1 + s.number % 2, s.tablet.tag),
    "take": lambda s: carts.empty_slot(s.work, s.actor, s.town.cart_id, 1 + s.number % 2),
    "put away": lambda s: storage.store_tablets(s.work, s.actor, s.town.id),
    "bring back": lambda s: acts.return_ready_tablets(s.work, s.actor, s.town.id),
    "preview": lambda s: drafting.preview_rollover(s.work, s.actor, s.town.id, "2026-2027"),
    "tick": lambda s: years.record_decision(
        s.work,
        s.actor,
        s.passage,
        [s.pupil.id],
        (RolloverDecision.LEAVER, RolloverDecision.PROMOTED, RolloverDecision.RETAINED)[s.number % 3],
    ),
    "make class": Stage.make_class,
    "apply": lambda s: applying.apply_batch(s.work, s.actor, s.passage, 2 if s.yes else 100),
    "undo year": lambda s: applying.undo_batch(s.work, s.actor, s.passage, 2 if s.yes else 100),
    "close year": lambda s: applying.close_rollover(s.work, s.actor, s.passage),
    "returns": lambda s: (returns.open_campaign if s.number else returns.close_campaign)(s.work, s.actor, s.passage),
    "ask bulk": lambda s: bulk.request_bulk_erase(s.work, s.actor, s.town.id, {s.tablet.id, s.other.id}, "end", "T1"),
    "approve bulk": lambda s: bulk.approve_bulk_erase(s.work, s.actor, s.newest(BulkErase, BulkErase.requested_at).id),
    "cancel bulk": lambda s: bulk.cancel_bulk_erase(s.work, s.actor, s.newest(BulkErase, BulkErase.requested_at).id),
    "send bulk": lambda s: bulk.send_due_bulk_erases(s.work),
    "roster": Stage.roster,
    "undo roster": lambda s: imports.undo_import(s.work, s.actor, s.newest(RosterImport, RosterImport.uploaded_at).id),
    "erase child": lambda s: children.erase_child(s.work, s.actor, s.pupil.id, "asked"),
}


class CustodyMachine(RuleBasedStateMachine):
    """Draws acts; `open_town` gives each run its own database."""

    open_town: Callable[[], Ground]

    def __init__(self) -> None:
        super().__init__()
        self.town = type(self).open_town()
        self.states: dict[UUID, S] = {}
        self.holds: set[UUID] = set()
        self.seen = 0
        self.name = ""

    @rule(name=st.sampled_from(sorted(ACTS)), numbers=st.tuples(*[st.integers(0, 4)] * 3), yes=st.booleans())
    def act(self, name: str, numbers: tuple[int, int, int], yes: bool) -> None:
        self.name = name
        self.town.clock.advance(timedelta(seconds=1))
        try:
            with self.town.runtime.open_unit_of_work() as work:
                ACTS[name](Stage(self.town, work, numbers, yes=yes))
        except DomainError:
            self.name = "refused"

    @rule(days=st.sampled_from([0.1, 1, 40, 200]))
    def wait(self, days: float) -> None:
        self.name = "wait"
        self.town.clock.advance(timedelta(days=days))

    @rule()
    def decide(self) -> None:
        self.name = "decide"
        drain(self.town.runtime, Topic.RECONCILE)

    @invariant()
    def holds_true(self) -> None:
        with self.town.runtime.open_unit_of_work() as work:
            rows = list(work.session.scalars(select(Tablet).where(Tablet.town_id == self.town.id)))
            loans = list(work.session.scalars(select(Loan).where(Loan.closed_at.is_(None))))
            pupils = {row.id: row for row in work.session.scalars(select(Pupil))}
            self._loans(work, {row.id: row for row in rows}, loans, pupils)
            self._carts(work, {row.id: row for row in rows}, {loan.tablet_id for loan in loans})
            self._story(work, rows)
            assert not work.session.scalars(select(OutboxRow.last_error).where(OutboxRow.last_error.is_not(None))).all()

    def _loans(self, work: UnitOfWork, rows: dict[UUID, Tablet], loans: list[Loan], pupils: dict[UUID, Pupil]) -> None:
        assert len({loan.tablet_id for loan in loans}) == len({loan.pupil_id for loan in loans}) == len(loans)
        for loan in loans:
            assert loan.pupil_id is not None
            tablet, pupil = rows[loan.tablet_id], pupils[loan.pupil_id]
            assert tablet.state not in WITH_NOBODY, f"{tablet.state} with an open loan"
            assert (tablet.school_id, tablet.class_id) == (pupil.school_id, None)
            assert pupil.state is not PupilState.ERASED
            if tablet.needs_wipe:
                assert LoanRepository(work.session).get_last_holder_id(tablet.id) == pupil.id, "another child's work"

    def _carts(self, work: UnitOfWork, rows: dict[UUID, Tablet], lent: set[UUID]) -> None:
        filled = set(work.session.scalars(select(CartSlot.tablet_id).where(CartSlot.tablet_id.is_not(None))))
        assert not filled & lent
        assert not [rows[each].state for each in filled if each is not None and rows[each].state in DECOMMISSIONED]

    def _story(self, work: UnitOfWork, rows: list[Tablet]) -> None:
        """Every change of state is in the trail and lawful; evidence is let go by two; the trail holds, and names nobody."""
        events = work.session.scalars(select(AuditEvent).where(AuditEvent.id > self.seen).order_by(AuditEvent.id)).all()
        for one in events:
            assert SECRET not in str(one.details)
            if one.action == "tablet.state":
                key, before, after = UUID(one.subject_id), S(one.details["before"]), S(one.details["after"])
                assert self.states.get(key, before) is before
                assert can_transition(before, after)
                self.states[key] = after
        if self.name != "swap":
            assert all(self.states.get(row.id, row.state) is row.state for row in rows)
        kept = {row.id for row in rows if row.evidence_hold}
        assert self.holds == kept or self.name == "approve"
        self.states, self.holds = {row.id: row.state for row in rows}, kept
        self.seen = events[-1].id if events else self.seen
        assert find_fault(work, self.town.id) is None


def _fast(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_invariants_hold_after_any_sequence_of_actions(dialect: str, tmp_path: Path) -> None:
    def open_town() -> Ground:
        clock = ManualClock(datetime(2027, 6, 7, 8, 0, tzinfo=UTC))
        if dialect == "postgresql":
            return Ground(databases.empty_postgres_engine(), clock)
        engine = databases.create_sqlite_engine(Path(tempfile.mkdtemp(dir=tmp_path)))
        event.listen(engine, "connect", _fast)
        return Ground(engine, clock)

    machine = type("Machine", (CustodyMachine,), {"open_town": staticmethod(open_town)})
    most = int(os.environ.get("CARTABLE_MACHINE_RUNS", "20" if dialect == "sqlite" else "4"))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=most,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=most < 50,
        ),
    )
