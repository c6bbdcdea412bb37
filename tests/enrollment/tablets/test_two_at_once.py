"""Two people, tablets or workers at the same moment: one wins, the other is told so; nothing is doubled, nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier
from uuid import UUID, uuid4

from sqlalchemy import func, select

from cartable.clock import ManualClock
from cartable.errors import DomainError
from cartable.scope import Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity.verifier import KnownCertificate
from enrollment.joining import enrollment_matching, reservations
from enrollment.joining.ade import profile_requests
from enrollment.joining.models import Invitation
from enrollment.joining.models import InvitationKind as K
from enrollment.joining.service import create_invitations, revoke_invitation
from enrollment.joining.targets import InvitationSpec
from enrollment.people.models import Pupil
from enrollment.places.models import Grade
from enrollment.rollover import applying, drafting
from enrollment.rosters.imports import previewing
from enrollment.rosters.imports import service as imports
from enrollment.tablets import carts, custody, inventory, lookup
from enrollment.tablets.custody import HandoverForm
from enrollment.tablets.models import CartSlot, Condition, Loan, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.service import TabletDetails
from mdm.care.erasing import bulk
from mdm.protocol.machine_info import MachineInfo
from mdm.queue.models import CommandBody, QueuedCommand
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support.audit_trail import find_fault
from tests.support.returns import open_return_campaign
from tests.support.world import TownFactory, create_actor

SIGNED = HandoverForm(signed_by="Mme Parent", signed_on=date(2026, 9, 3))
Act = Callable[[UnitOfWork], object]
ROUNDS = 4


class Desk:
    """A town with two children, two tablets in stock, a cart with one slot, and two administrators."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        with runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            self.town = town.id
            self.one, self.two = (create_actor(Role.TOWN_ADMIN, town, name=n) for n in ("one", "two"))
            school = world.create_school(town)
            self.school, self.uai = school.id, school.uai
            school_class = world.create_class(school)
            self.pupils = [world.create_pupil(school_class, Grade.CE2).id for _ in range(2)]
            rows = [world.create_tablet(town) for _ in range(2)]
            for row in rows:
                row.state = S.STOCK
            self.tablets, self.serials, self.tags = [r.id for r in rows], [r.serial for r in rows], [r.tag for r in rows]
            self.cart = carts.create_cart(work, self.one, school.id, "Chariot", 1).id
            self.slot = work.session.scalars(select(CartSlot.id).where(CartSlot.cart_id == self.cart)).one()

    def hand(self, tablet: int, pupil: int) -> Act:
        return lambda work: custody.hand_over(
            work, self.one, lookup.get_tablet_for_update(work, self.one, self.tablets[tablet]), self.pupils[pupil], SIGNED
        )

    def invite(self, spec: InvitationSpec) -> UUID:
        with self.runtime.open_unit_of_work() as work:
            return create_invitations(work, self.one, spec)[0].id

    def join(self, tablet: int, invitation_id: UUID | None) -> Act:
        serial, bound = self.serials[tablet], None if invitation_id else self.tablets[tablet]
        certificate = KnownCertificate(f"{tablet:064d}", uuid4(), invitation_id, bound)
        return lambda work: enrollment_matching.resolve_tablet(work, certificate, serial, "UDID", TabletDetails())

    def withdraw(self, invitation_id: UUID) -> Act:
        return lambda work: revoke_invitation(work, self.one, invitation_id)

    def order(self, serial: str) -> Act:
        return lambda work: inventory.register_purchase_order(work, self.one, self.town, [serial], "BC")

    def make_cart(self) -> Act:
        return lambda work: carts.create_cart(work, self.two, self.school, "Chariot", 3)

    def invites(self, spec: InvitationSpec) -> Act:
        return lambda work: create_invitations(work, self.two, spec)

    def retire(self, tablet: int) -> Act:
        return lambda work: inventory.retire_tablet(
            work, self.one, lookup.get_tablet_for_update(work, self.one, self.tablets[tablet]), "never unpacked"
        )

    def ask_profile(self, tablet: int) -> Act:
        info = MachineInfo(
            serial=self.serials[tablet], udid="U", product="iPad13,18", build="23B1", os_version="26.1", can_update=False
        )
        return lambda work: profile_requests.resolve_expected_tablet(work, info)

    def together(self, *acts: Act) -> list[str]:
        """What each came to: `done`, or the code of its refusal. Anything else is raised here."""
        barrier = Barrier(len(acts))

        def run(act: Act) -> str:
            barrier.wait(20)
            try:
                with self.runtime.open_unit_of_work() as work:
                    act(work)
            except DomainError as refused:
                return refused.code
            return "done"

        with ThreadPoolExecutor(len(acts)) as pool:
            outcomes = list(pool.map(run, acts))
        with self.runtime.open_unit_of_work() as work:
            assert find_fault(work, self.town) is None
            loans = work.session.scalars(select(Loan).where(Loan.closed_at.is_(None))).all()
            assert len({loan.tablet_id for loan in loans}) == len({loan.pupil_id for loan in loans}) == len(loans)
        return outcomes

    def count_pupils(self) -> int:
        with self.runtime.open_unit_of_work() as work:
            return work.session.scalar(select(func.count()).select_from(Pupil)) or 0


def test_two_handovers_of_one_tablet(runtime: Runtime) -> None:
    desk = Desk(runtime)
    assert sorted(desk.together(desk.hand(0, 0), desk.hand(0, 1))) == ["done", "tablet_not_free"]


def test_two_handovers_to_one_child(runtime: Runtime) -> None:
    desk = Desk(runtime)
    assert sorted(desk.together(desk.hand(0, 0), desk.hand(1, 0))) == ["done", "pupil_has_tablet"]


def test_a_handover_while_the_tablet_enrolls_for_another_child(runtime: Runtime) -> None:
    """Either order is lawful: who comes second is refused, or finds the tablet taken."""
    for _ in range(ROUNDS):
        desk = Desk(runtime)
        invitation = desk.invite(InvitationSpec(kind=K.PUPIL, town_id=desk.town, pupil_ids=(desk.pupils[1],)))
        handed, joined = desk.together(desk.hand(0, 0), desk.join(0, invitation))
        assert (handed, joined) in {("done", "done"), ("tablet_not_free", "done")}


def test_two_tablets_enroll_by_one_invitation_while_it_is_withdrawn(runtime: Runtime) -> None:
    for _ in range(ROUNDS):
        desk = Desk(runtime)
        invitation = desk.invite(InvitationSpec(kind=K.PUPIL, town_id=desk.town, pupil_ids=(desk.pupils[0],)))
        *joined, withdrawn = desk.together(desk.join(0, invitation), desk.join(1, invitation), desk.withdraw(invitation))
        assert withdrawn == "done"
        assert joined.count("done") <= 1
        with runtime.open_unit_of_work() as work:
            assert work.session.get_one(Invitation, invitation).uses == joined.count("done")


def test_a_new_tablet_enrolls_while_a_purchase_order_is_registered(runtime: Runtime) -> None:
    """Both number tags; neither waits for the other for ever."""
    for number in range(ROUNDS):
        desk = Desk(runtime)
        invitation = desk.invite(InvitationSpec(kind=K.STOCK, town_id=desk.town))
        desk.serials[0] = f"NEVERSEEN{number}"
        outcomes = desk.together(desk.order(f"BOXED{number}"), desk.join(0, invitation))
        assert outcomes == ["done", "done"]


def test_a_reservation_is_applied_once_whatever_happens_at_the_desk(runtime: Runtime) -> None:
    for _ in range(ROUNDS):
        desk = Desk(runtime)
        with runtime.open_unit_of_work() as work:
            spec = InvitationSpec(kind=K.PUPIL, town_id=desk.town, pupil_ids=(desk.pupils[1],))
            reservations.reserve_tablets(work, desk.one, [desk.serials[0]], spec)
        first, second, handed = desk.together(desk.join(0, None), desk.join(0, None), desk.hand(0, 0))
        assert (first, second) == ("done", "done")
        assert handed in {"done", "tablet_not_free"}


def test_a_tablet_is_put_into_a_cart_while_it_is_handed_over(runtime: Runtime) -> None:
    desk = Desk(runtime)
    put, handed = desk.together(lambda work: carts.put_in_slot(work, desk.two, desk.cart, 1, desk.tags[0]), desk.hand(0, 0))
    assert handed == "done"
    assert put in {"done", "pupil_has_tablet"}
    with runtime.open_unit_of_work() as work:
        assert work.session.get_one(CartSlot, desk.slot).tablet_id is None


def test_a_tablet_requests_its_profile_while_it_is_retired(runtime: Runtime) -> None:
    for _ in range(ROUNDS):
        desk = Desk(runtime)
        with runtime.open_unit_of_work() as work:
            work.session.get_one(Tablet, desk.tablets[0]).state = S.ORDERED
        _, retired = desk.together(desk.ask_profile(0), desk.retire(0))
        with runtime.open_unit_of_work() as work:
            assert (retired, work.session.get_one(Tablet, desk.tablets[0]).state) == ("done", S.RETIRED)


def test_the_year_turns_while_a_roster_is_confirmed(runtime: Runtime, clock: ManualClock) -> None:
    clock.advance(timedelta(days=286))  # September 2027
    desk = Desk(runtime)
    file = text_file(ONDE, *(onde_line(f"NOM{n}", "Ana", ine=f"{n:010d}A", grade="CM1") for n in range(4)))
    with runtime.open_unit_of_work() as work:
        passage = drafting.preview_rollover(work, desk.one, desk.town, "2026-2027").id
        roster = previewing.preview_import(work, desk.one, desk.town, file, desk.uai).id
    outcomes = desk.together(
        lambda work: applying.apply_batch(work, desk.one, passage),
        lambda work: applying.apply_batch(work, desk.two, passage),
        lambda work: imports.confirm_import(work, desk.two, roster),
    )
    assert outcomes[:2] == ["done", "done"]
    assert outcomes[2] in {"done", "import_stale"}
    assert desk.count_pupils() == (6 if outcomes[2] == "done" else 2)


def test_two_schedulers_send_an_erase_in_bulk_once(runtime: Runtime, clock: ManualClock) -> None:
    desk = Desk(runtime)
    with runtime.open_unit_of_work() as work:
        for number, tablet_id in enumerate(desk.tablets):
            custody.hand_over(work, desk.one, work.session.get_one(Tablet, tablet_id), desk.pupils[number], SIGNED)
            work.session.get_one(Pupil, desk.pupils[number]).grade = Grade.CM2
            TownFactory(work).enroll_tablet(work.session.get_one(Tablet, tablet_id))
        open_return_campaign(work, desk.one, drafting.preview_rollover(work, desk.one, desk.town))
        for tablet_id in desk.tablets:
            custody.take_back(work, desk.one, work.session.get_one(Tablet, tablet_id), Condition.GOOD, ())
        asked = bulk.request_bulk_erase(work, desk.one, desk.town, desk.tablets, "end of CM2", "T1").id
        bulk.approve_bulk_erase(work, desk.two, asked)
    clock.advance(timedelta(minutes=31))
    outcomes = desk.together(
        bulk.send_due_bulk_erases, bulk.send_due_bulk_erases, lambda work: bulk.cancel_bulk_erase(work, desk.one, asked)
    )
    assert outcomes[:2] == ["done", "done"]
    with runtime.open_unit_of_work() as work:
        erases = select(func.count(QueuedCommand.id)).join(CommandBody, CommandBody.id == QueuedCommand.body_id)
        erases = erases.where(CommandBody.request_type == "EraseDevice")
        assert work.session.scalar(erases) == (0 if outcomes[2] == "done" else 2)


def test_a_desk_orders_while_others_write_what_is_of_the_town(runtime: Runtime) -> None:
    """Their rows point at the town's, and only then they want to hold it."""
    for number in range(ROUNDS):
        desk = Desk(runtime)
        spec = InvitationSpec(kind=K.STOCK, town_id=desk.town)
        outcomes = desk.together(
            desk.order(f"CRATED{number}"), desk.make_cart(), desk.make_cart(), desk.invites(spec), desk.order(f"PACKED{number}")
        )
        assert set(outcomes) == {"done"}
