"""Adults hold tablets: entered by hand, lent to, returned by; who leaves and still has one; and who else may not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest

from cartable.errors import DomainError, Forbidden, Invalid, NotFound
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from enrollment.facts import load_facts
from enrollment.people import staff
from enrollment.people.models import AssignmentKind, RosterState
from enrollment.tablets import custody, service, staff_loans
from enrollment.tablets.custody import HandoverForm
from enrollment.tablets.errors import AgreementMissing, StaffMemberHasTablet, TabletNotAvailable, TabletNotWiped
from enrollment.tablets.models import AccessoryKind, AgreementState, Condition, Tablet, TabletState
from mdm.privacy.retention_repository import RetentionRepository
from profiles.effective.situation import build_tablet_place, load_policy
from profiles.policy.kinds import TabletRole
from profiles.policy.repository import PolicyRepository
from profiles.schedule import authoring
from profiles.schedule.calendar import FOLLOW_ZONE
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes
from tests.support.world import TownFactory, create_actor

SIGNED = HandoverForm(signed_by="Paule Durand", accessories=(AccessoryKind.CHARGER,))


class StaffWorld:
    """A school with two free tablets and a teacher who was entered by hand."""

    def __init__(self, work: object) -> None:
        self.factory = TownFactory(work)  # type: ignore[arg-type]
        self.work = self.factory.work
        self.town = self.factory.create_town()
        self.school = self.factory.create_school(self.town)
        self.tablets = [self.factory.create_tablet(self.town) for _ in range(2)]
        for tablet in self.tablets:
            tablet.state = TabletState.STOCK
        self.technician = create_actor(Role.TECHNICIAN, self.town)
        self.teacher = staff.add_staff_member(
            self.work, self.technician, self.school.id, last_name="Durand", first_name="Paule", email="Paule@ecole.example"
        )


def test_the_same_person_is_entered_once(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = StaffWorld(work)
        again = staff.add_staff_member(
            work, world.technician, world.school.id, last_name="DURAND", first_name="paule", email="paule@ecole.example"
        )
        assert again.id == world.teacher.id
        homonym = staff.add_staff_member(work, SYSTEM, world.school.id, last_name="Durand", first_name="Paule")
        assert homonym.id != again.id, "without the address nobody knows"
        agent = staff.add_staff_member(
            work, SYSTEM, world.school.id, last_name="Ben", first_name="Ali", kind=AssignmentKind.AFTER_SCHOOL
        )
        head = create_actor(Role.HEAD, world.town, world.school)
        assert {row.member.id for row in staff.list_staff(work, head, world.town.id)} == {again.id, homonym.id, agent.id}
        with pytest.raises(Forbidden):
            staff.list_staff(work, create_actor(Role.TOWN_ADMIN, world.factory.create_town()), world.town.id)
        with pytest.raises(Invalid):
            staff.add_staff_member(work, SYSTEM, world.school.id, last_name="\x00", first_name="A")
        with pytest.raises(NotFound):
            staff.record_departure(work, create_actor(Role.TOWN_ADMIN, world.factory.create_town()), agent.id)


def test_a_tablet_is_lent_returned_and_erased_before_somebody_else_has_it(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = StaffWorld(work)
        tablet, other = world.tablets
        with pytest.raises(AgreementMissing):
            staff_loans.hand_over_to_staff(work, world.technician, tablet, world.teacher.id, HandoverForm())
        loan = staff_loans.hand_over_to_staff(work, world.technician, tablet, world.teacher.id, SIGNED)
        assert (loan.pupil_id, loan.staff_id, loan.agreement) == (None, world.teacher.id, AgreementState.SIGNED)
        assert (tablet.state, tablet.school_id) == (TabletState.HANDED_OVER, world.school.id)
        assert staff_loans.hand_over_to_staff(work, world.technician, tablet, world.teacher.id, SIGNED) is loan
        with pytest.raises(StaffMemberHasTablet):
            staff_loans.assign_to_staff(work, world.technician, other, world.teacher.id)
        pupil = world.factory.create_pupil(world.factory.create_class(world.school))
        with pytest.raises(TabletNotAvailable):
            custody.assign_tablet(work, world.technician, tablet, pupil.id)
        facts = load_facts(work, [tablet.id])[tablet.id]
        assert (facts.staff_id, facts.pupil_id) == (world.teacher.id, None)
        assert build_tablet_place(facts, load_policy(work, [facts])).role is TabletRole.STAFF
        repository = PolicyRepository(work.session)
        assert repository.list_tablets(repository.select_role(world.town.id, TabletRole.STAFF)) == [tablet.id]
        assert repository.list_tablets(repository.select_role(world.town.id, TabletRole.CART)) == [other.id]
        assert repository.list_tablets(repository.select_role(world.town.id, TabletRole.PUPIL)) == []
        custody.take_back(work, world.technician, tablet, Condition.GOOD, [AccessoryKind.CHARGER])
        assert (tablet.state, loan.closed_at is None, tablet.needs_wipe) == (TabletState.RETURNED, False, True)
        tablet.state = TabletState.STOCK
        with pytest.raises(TabletNotWiped):
            custody.assign_tablet(work, world.technician, tablet, pupil.id)
        assert staff_loans.assign_to_staff(work, world.technician, tablet, world.teacher.id).staff_id == world.teacher.id


def test_it_may_stay_at_school_without_an_agreement(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = StaffWorld(work)
        form = HandoverForm(stays_at_school=True)
        loan = staff_loans.hand_over_to_staff(work, world.technician, world.tablets[0], world.teacher.id, form)
        assert loan.agreement is AgreementState.REFUSED


def test_who_leaves_keeps_the_loan_and_the_name_until_the_tablet_is_back(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = StaffWorld(work)
        tablet = world.tablets[0]
        staff_loans.hand_over_to_staff(work, world.technician, tablet, world.teacher.id, SIGNED)
        member = staff.record_departure(work, world.technician, world.teacher.id)
        assert member.state is RosterState.ABSENT_FROM_ROSTER
        [row] = staff.list_staff(work, world.technician, world.town.id)
        assert row.has_left
        assert staff_loans.list_tablets_of_staff(work, [member]) == {member.id: tablet}
        later = work.now.date().replace(year=work.now.year + 2)
        privacy = RetentionRepository(work.session)
        assert privacy.count_rows(privacy.select_departed_staff(world.town.id, later)) == 0, "needed until the tablet is back"
        loan = custody.take_back(work, world.technician, tablet, Condition.GOOD, [])
        assert privacy.count_rows(privacy.select_departed_staff(world.town.id, later)) == 1
        work.session.delete(member)
        work.session.flush()
        work.session.refresh(loan)
        assert loan.holder_id is None, "the history of the tablet stays without a name"


def test_a_staff_tablet_has_no_night_rest(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = StaffWorld(work)
        mine, theirs = world.tablets
        week = {"mon": [{"kind": "school", "from": "08:20", "to": "16:30"}]}
        authoring.save_timetable(work, SYSTEM, world.town.id, None, week=week, calendar=FOLLOW_ZONE, night=("20:00", "07:00"))
        staff_loans.hand_over_to_staff(work, world.technician, mine, world.teacher.id, SIGNED)
        world.factory.lend_tablet(theirs, world.factory.create_pupil(world.factory.create_class(world.school)))
        facts = load_facts(work, [mine.id, theirs.id])
        night = work.now.replace(hour=21)
        modes = {tablet_id: each.mode for tablet_id, each in evaluate_modes(work, facts.values(), night).items()}
        assert modes == {mine.id: Mode.HOME, theirs.id: Mode.NIGHT_REST}


def test_two_technicians_lend_two_tablets_to_one_person_at_once(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = StaffWorld(work)
        ids, teacher_id, technician = [each.id for each in world.tablets], world.teacher.id, world.technician
    together = Barrier(2)

    def lend(tablet_id: UUID) -> str:
        together.wait()
        try:
            with runtime.open_unit_of_work() as work:
                tablet = service.lock_tablet(work, work.session.get_one(Tablet, tablet_id))
                staff_loans.hand_over_to_staff(work, technician, tablet, teacher_id, SIGNED)
        except DomainError as error:
            return error.code
        return "lent"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lend, ids)) == ["lent", "staff_member_has_tablet"]
