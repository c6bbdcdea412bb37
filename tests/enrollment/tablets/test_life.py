"""The life of a tablet: bench, handover, swap, breakage with loaner, theft, return, and the acts of two people."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import event, func, select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.errors import Forbidden, Invalid, SamePerson
from cartable.paging import PageRequest
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import load_facts
from enrollment.identity import service as identity
from enrollment.people.models import Pupil
from enrollment.places.models import Grade, SchoolClass, Town
from enrollment.places.zones import HolidayZone
from enrollment.tablets import carts, custody, desk, incidents, inventory, lookup
from enrollment.tablets.absence import compute_absence_cutoff
from enrollment.tablets.custody import HandoverForm
from enrollment.tablets.errors import (
    AgreementMissing,
    NoOpenIncident,
    PupilHasTablet,
    RequestIdReused,
    SerialAlreadyExists,
    SerialNotOrdered,
    TabletNotAvailable,
    TabletNotWiped,
    TabletOfAnotherTown,
    TagTaken,
    TransitionNotAllowed,
    UnderEvidenceHold,
    UnknownScan,
    WriteOffTooEarly,
)
from enrollment.tablets.idempotency import purge_records
from enrollment.tablets.incidents import IncidentReport
from enrollment.tablets.models import AccessoryKind as A
from enrollment.tablets.models import (
    AgreementState,
    ApprovalAction,
    BreakageCause,
    Condition,
    Incident,
    IncidentKind,
    Loan,
    LoanAccessory,
    Reporter,
    Tablet,
)
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.rules import ALLOWED_TRANSITIONS, DECOMMISSIONED
from mdm.care.lost_mode import service as care
from mdm.care.lost_mode.errors import CallBackRequired, ScanRequired
from mdm.devices.models import EnrollmentState, LastSeen
from mdm.worker.schedule import update_absences, update_contacts
from profiles.schedule import calendar_import
from profiles.schedule.calendar import HolidayPeriod
from profiles.schedule.school_days import load_school_days
from tests.support import custody as acts
from tests.support.world import TownFactory, create_actor

SIGNED = HandoverForm(signed_by="Mme Martin", signed_on=date(2026, 9, 3), accessories=(A.COVER, A.CHARGER))


def _person(town: Town, role: Role, name: str = "somebody") -> Actor:
    return create_actor(role, town, name=name)


def _class(world: TownFactory, *, size: int = 2) -> tuple[Town, list[Pupil]]:
    town = world.create_town()
    school_class = world.create_class(world.create_school(town))
    return town, [world.create_pupil(school_class, Grade.CE2) for _ in range(size)]


def _stocked(world: TownFactory, town: Town, state: S = S.STOCK) -> Tablet:
    tablet = world.create_tablet(town)
    tablet.state = state
    return tablet


def _in_use(work: UnitOfWork, world: TownFactory, town: Town, pupil: Pupil) -> Tablet:
    tablet = _stocked(world, town)
    custody.hand_over(work, SYSTEM, tablet, pupil.id, SIGNED)
    tablet.state = S.IN_USE
    return tablet


def _holder(work: UnitOfWork, tablet: Tablet) -> UUID | None:
    return load_facts(work, [tablet.id])[tablet.id].pupil_id


def test_every_state_but_the_last_has_transitions_and_decommissioned_tablets_are_never_lent() -> None:
    assert set(ALLOWED_TRANSITIONS) == set(S)
    reached = frozenset[S]().union(*ALLOWED_TRANSITIONS.values())
    assert set(S) - reached == {S.ORDERED}
    assert [state for state in S if not ALLOWED_TRANSITIONS[state]] == [S.DISPOSED]
    for state in DECOMMISSIONED:
        assert not ALLOWED_TRANSITIONS[state] & {S.ASSIGNED, S.HANDED_OVER, S.IN_USE, S.STOCK}


def test_only_ordered_serial_numbers_are_prepared(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        technician = _person(town, Role.TECHNICIAN)
        ordered = inventory.register_purchase_order(work, technician, town.id, ["dmpx0001", "DMPX0002"], "BC-2026-17")
        assert [tablet.state for tablet in ordered] == [S.ORDERED, S.ORDERED]
        prepared = inventory.prepare_tablet(work, technician, town.id, " dmpx0001 ", "cla-77")
        assert (prepared.state, prepared.tag) == (S.PREPARED, "CLA-77")
        assert inventory.prepare_tablet(work, technician, town.id, "DMPX0001").tag == "CLA-77"
        with pytest.raises(TagTaken):
            inventory.prepare_tablet(work, technician, town.id, "DMPX0002", "CLA-77")
        with pytest.raises(SerialNotOrdered):
            inventory.prepare_tablet(work, technician, town.id, "DMPX9999")
        with pytest.raises(SerialAlreadyExists):
            inventory.register_purchase_order(work, technician, town.id, ["DMPX0002"], "again")
        with pytest.raises(Invalid):
            inventory.register_purchase_order(work, technician, town.id, ["DMPX3", "DMPX3"], "twice")
        with pytest.raises(Forbidden):
            inventory.register_purchase_order(work, _person(town, Role.HELPDESK), town.id, ["DMPX0003"], "no")


def test_a_scan_is_parsed_as_scanners_send_it(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, other = world.create_town(), world.create_town("Là-Bas")
        technician = _person(town, Role.TECHNICIAN)
        both = Actor(uuid4(), "somebody", (RoleAssignment(Role.TECHNICIAN, town.id), RoleAssignment(Role.TECHNICIAN, other.id)))
        inventory.register_purchase_order(work, technician, town.id, ["DMPX0001", "SDMPX0001", "SX77"], "BC-1")
        inventory.register_purchase_order(work, _person(other, Role.TECHNICIAN), other.id, ["DMPX0009"], "BC-2")
        for text in ("DMPX0001", " dmpx0001\r\n", "\x1dDMPX0001\x04", "https://mdm.test/t/dmpx0001", "\ufeffDMPX0001"):
            assert lookup.get_scanned_for_update(work, technician, town.id, text).serial == "DMPX0001"
        assert (
            lookup.get_scanned_for_update(work, technician, town.id, "SDMPX0001").serial == "SDMPX0001"
        )  # exactly, before the box's S
        assert lookup.get_scanned_for_update(work, technician, town.id, "SSX77").serial == "SX77"
        for text in ("", "é", "DM PX", "DMPX\x000001", "../..", "a" * 500, "%", "_MPX0001"):
            with pytest.raises(UnknownScan):
                lookup.get_scanned_for_update(work, technician, town.id, text)
        with pytest.raises(TabletOfAnotherTown):
            lookup.get_scanned_for_update(work, both, town.id, "DMPX0009")
        with pytest.raises(TabletOfAnotherTown):
            inventory.prepare_tablet(work, both, town.id, "DMPX0009")
        with pytest.raises(SerialNotOrdered):
            inventory.prepare_tablet(work, technician, town.id, "DMPX0009")
        with pytest.raises(Invalid):
            inventory.prepare_tablet(work, technician, town.id, "DMPX0001", "é")
        for reference in ("", "a\x00", "x" * 61):
            with pytest.raises(Invalid):
                inventory.register_purchase_order(work, technician, town.id, ["DMPX0011"], reference)


def test_after_a_refused_agreement_the_tablet_stays_at_school(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, _] = _class(world)
        loan = custody.hand_over(work, SYSTEM, _stocked(world, town), child.id, HandoverForm(stays_at_school=True))
        assert (loan.agreement, child.take_home) == (AgreementState.REFUSED, False)


def test_a_handover_needs_the_agreement_unless_the_tablet_stays_at_school(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, other] = _class(world)
        tablet, second = _stocked(world, town), _stocked(world, town)
        with pytest.raises(AgreementMissing):
            custody.hand_over(work, SYSTEM, tablet, child.id, HandoverForm())
        other.take_home = False
        custody.hand_over(work, SYSTEM, second, other.id, HandoverForm())
        loan = custody.hand_over(work, SYSTEM, tablet, child.id, SIGNED)
        assert (tablet.state, loan.agreement, loan.agreed_on, loan.signed_by) == (
            S.HANDED_OVER, AgreementState.SIGNED, date(2026, 9, 3), "Mme Martin",
        )  # fmt: skip
        assert set(work.session.scalars(select(LoanAccessory.kind).where(LoanAccessory.loan_id == loan.id))) == {
            A.COVER,
            A.CHARGER,
        }
        with pytest.raises(TabletNotAvailable):
            custody.assign_tablet(work, SYSTEM, tablet, other.id)
        with pytest.raises(PupilHasTablet):
            custody.assign_tablet(work, SYSTEM, _stocked(world, town), child.id)


def test_a_repeated_request_gets_the_stored_response(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, other] = _class(world)
        technician, tablet, request = _person(town, Role.TECHNICIAN), _stocked(world, town), uuid4()
        label = f"https://mdm.test/t/{tablet.tag}"
        first = desk.hand_over_by_scan(work, technician, town.id, request, label, child.id, SIGNED)
        events = work.session.scalar(select(func.count()).select_from(AuditEvent))
        assert desk.hand_over_by_scan(work, technician, town.id, request, label, child.id, SIGNED) == first
        assert work.session.scalar(select(func.count()).select_from(AuditEvent)) == events
        with pytest.raises(RequestIdReused):
            desk.hand_over_by_scan(work, technician, town.id, request, label, other.id, SIGNED)
        with pytest.raises(UnknownScan):
            desk.hand_over_by_scan(work, technician, town.id, uuid4(), "NOPE", other.id, SIGNED)


def test_idempotency_records_are_deleted_after_a_week(runtime: Runtime, clock: ManualClock) -> None:
    request = uuid4()
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        technician = _person(town, Role.TECHNICIAN)
        inventory.register_purchase_order(work, technician, town.id, ["DMPX0001"], "one")
        desk.prepare_by_scan(work, technician, town.id, request, "DMPX0001", None)
        purge_records(work)
        with pytest.raises(RequestIdReused):
            desk.prepare_by_scan(work, technician, town.id, request, "OTHER", None)
    clock.advance(timedelta(days=8))
    with runtime.open_unit_of_work() as work:
        purge_records(work)
        with pytest.raises(SerialNotOrdered):
            desk.prepare_by_scan(work, technician, town.id, request, "OTHER", None)


def test_two_scans_swap_two_loans_and_leave_one_event(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, other] = _class(world)
        one, two = _in_use(work, world, town, child), _in_use(work, world, town, other)
        technician = _person(town, Role.TECHNICIAN)
        desk.swap_by_scan(work, technician, town.id, uuid4(), one.tag, two.serial.lower())
        assert (_holder(work, one), _holder(work, two)) == (other.id, child.id)
        swaps = work.session.scalars(select(AuditEvent).where(AuditEvent.action == "loan.swap")).all()
        assert len(swaps) == 1
        loans = work.session.scalars(select(Loan).where(Loan.closed_at.is_(None))).all()
        assert all(loan.needs_confirmation and loan.signed_by == "Mme Martin" for loan in loans)
        held = work.session.scalars(select(LoanAccessory.loan_id)).all()
        assert set(held) == {loan.id for loan in loans}
        assert custody.confirm_swap(work, technician, one).needs_confirmation is False
        with pytest.raises(Invalid):
            custody.swap_tablets(work, technician, one, one, needs_confirmation=False)


def test_breakage_loaner_repair_and_return_to_the_pupil(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, _] = _class(world)
        tablet, spare = _in_use(work, world, town, child), _stocked(world, town)
        with pytest.raises(NoOpenIncident):
            incidents.lend_loaner(work, SYSTEM, tablet, spare)
        incident = acts.report_breakage(
            work, _person(town, Role.HELPDESK), tablet.id, IncidentReport("tombée du lit", BreakageCause.DROP)
        )
        assert incident.intentional is None
        incidents.lend_loaner(work, SYSTEM, tablet, spare)
        assert (_holder(work, spare), _holder(work, tablet), spare.state) == (child.id, None, S.LOANER_OUT)
        assert load_facts(work, [spare.id])[spare.id].grade is Grade.CE2
        incidents.send_to_repair(work, SYSTEM, tablet, "SAV-12")
        incidents.record_repair(work, SYSTEM, tablet, "screen, sound, charge")
        incidents.settle_breakage(work, SYSTEM, tablet, keep_loaner=False)
        assert (_holder(work, tablet), tablet.state, spare.state) == (child.id, S.IN_USE, S.STOCK)
        assert incident.closed_at == work.now
        open_loans = work.session.scalars(select(Loan).where(Loan.closed_at.is_(None))).all()
        assert [loan.pupil_id for loan in open_loans] == [child.id]


def test_the_pupil_may_keep_the_loaner(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, _] = _class(world)
        tablet, spare = _in_use(work, world, town, child), _stocked(world, town)
        incidents.report_breakage(work, SYSTEM, tablet, IncidentReport("eau", BreakageCause.LIQUID))
        incidents.lend_loaner(work, SYSTEM, tablet, spare)
        incidents.record_repair(work, SYSTEM, tablet, "all")
        incidents.settle_breakage(work, SYSTEM, tablet, keep_loaner=True)
        assert (_holder(work, spare), spare.state, tablet.state) == (child.id, S.IN_USE, S.STOCK)


def test_loss_theft_and_recovery_are_one_incident(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, _] = _class(world)
        tablet = _in_use(work, world, town, child)
        helpdesk = _person(town, Role.HELPDESK)
        with pytest.raises(TransitionNotAllowed):
            acts.report_theft(work, helpdesk, tablet.id, "2026/1234", date(2026, 11, 23))
    with runtime.open_unit_of_work() as work:
        tablet = work.session.get_one(Tablet, tablet.id)
        care.mark_lost(work, helpdesk, tablet.id, "bus 189")
        [incident] = work.session.scalars(select(Incident)).all()
        with pytest.raises(CallBackRequired):
            care.request_lift(work, helpdesk, tablet.id, "somebody says so")
        acts.report_theft(work, helpdesk, tablet.id, "2026/1234", date(2026, 11, 23))
        assert (tablet.state, incident.receipt_number) == (S.STOLEN, "2026/1234")
        with pytest.raises(ScanRequired):
            care.request_lift(work, helpdesk, tablet.id, "brought back", called_back=True)
        with pytest.raises(Forbidden):
            acts.mark_found(work, helpdesk, town.id, tablet.tag, Condition.GOOD)
        acts.mark_found(work, _person(town, Role.TECHNICIAN), town.id, tablet.tag, Condition.GOOD)
        assert (tablet.state, incident.closed_at) == (S.IN_USE, work.now)
        with pytest.raises(TransitionNotAllowed):
            acts.mark_found(work, SYSTEM, town.id, tablet.tag, Condition.GOOD)


def test_a_loss_records_reporter_place_and_date_and_ends_with_a_call_back(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, _] = _class(world)
        tablet, helpdesk = _in_use(work, world, town, child), _person(town, Role.HELPDESK)
        report = IncidentReport("oubliée", reporter=Reporter.GUARDIAN, place="bus 189", happened_on=date(2026, 11, 20))
        care.mark_lost(work, helpdesk, tablet.id, "oubliée", incident_report=report)
        [incident] = desk.list_incidents(work, helpdesk, town.id, IncidentKind.LOSS, is_open=True).items
        assert (incident.reporter, incident.place, incident.happened_on) == (Reporter.GUARDIAN, "bus 189", date(2026, 11, 20))
        stranger = _person(world.create_town(), Role.TOWN_ADMIN)
        assert desk.list_incidents(work, stranger, town.id, None, is_open=None).items == []
        care.request_lift(work, helpdesk, tablet.id, "under the bed", called_back=True)
        assert (tablet.state, incident.closed_at) == (S.IN_USE, work.now)


def test_incidents_are_listed_by_pages_newest_first(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, children = _class(world, size=5)
        ids = [_in_use(work, world, town, child).id for child in children]
    for number, tablet_id in enumerate(ids):
        if number % 2:
            clock.advance(timedelta(minutes=1))
        with runtime.open_unit_of_work() as work:
            incidents.report_breakage(
                work, SYSTEM, work.session.get_one(Tablet, tablet_id), IncidentReport("tombée", BreakageCause.DROP)
            )
    with runtime.open_unit_of_work() as work:
        seen: list[UUID] = []
        request: PageRequest | None = PageRequest(2)
        while request is not None:
            page = desk.list_incidents(work, SYSTEM, town.id, None, is_open=True, page=request)
            seen += [row.id for row in page.items]
            request = PageRequest(2, page.next_cursor) if page.next_cursor else None
        everything = desk.list_incidents(work, SYSTEM, town.id, None, is_open=None)
        assert seen == [row.id for row in everything.items]
        assert len(seen) == 5


def test_write_off_and_disposal_end_certificates_and_management(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, _] = _class(world)
        gone, old = _in_use(work, world, town, child), _stocked(world, town)
        key = rsa.generate_private_key(65537, 2048).public_key()
        identity.ensure_authority(work)
        certificate = identity.issue_certificate(work, identity.CertificateHolder(tablet_id=gone.id), key, None)
        channel = world.enroll_tablet(old)
        asker, approver = _person(town, Role.TOWN_ADMIN), _person(town, Role.TOWN_ADMIN)
        care.mark_lost(work, asker, gone.id, "gone")
        request = acts.request_approval(work, asker, gone.id, ApprovalAction.WRITE_OFF, "gone")
        acts.approve_request(work, approver, request.id, decision="burnt")
        assert certificate.revoked_at == work.now
        inventory.retire_tablet(work, asker, old, "six years old")
        assert channel.ended_at is None  # it may still be told to erase itself
        acts.dispose_tablet(work, asker, old.id, wipe_proof="E-77", waste_slip="B-1")
        assert channel.state is EnrollmentState.RETIRED
        back = acts.mark_found(work, asker, town.id, gone.serial, Condition.WORN)
        assert back.state is S.FOUND


def test_two_people_place_an_evidence_hold_that_blocks_changes(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, other] = _class(world)
        tablet, second = _in_use(work, world, town, child), _in_use(work, world, town, other)
        asker, approver = _person(town, Role.TOWN_ADMIN), _person(town, Role.TOWN_ADMIN)
        request = acts.request_approval(work, asker, tablet.id, ApprovalAction.PLACE_EVIDENCE_HOLD, "court")
        assert acts.request_approval(work, asker, tablet.id, ApprovalAction.PLACE_EVIDENCE_HOLD, "again").id == request.id
        with pytest.raises(SamePerson):
            acts.approve_request(work, asker, request.id)
        with pytest.raises(Forbidden):
            acts.approve_request(work, _person(town, Role.TECHNICIAN), request.id)
        assert not load_facts(work, [tablet.id])[tablet.id].evidence_hold
        acts.approve_request(work, approver, request.id)
        assert load_facts(work, [tablet.id])[tablet.id].evidence_hold
        for act in (
            lambda: custody.swap_tablets(work, SYSTEM, tablet, second, needs_confirmation=False),
            lambda: custody.take_back(work, SYSTEM, tablet, Condition.GOOD, ()),
            lambda: inventory.retire_tablet(work, SYSTEM, tablet, "old"),
        ):
            with pytest.raises(UnderEvidenceHold):
                act()
        release = acts.request_approval(work, approver, tablet.id, ApprovalAction.RELEASE_EVIDENCE_HOLD, "closed")
        acts.approve_request(work, asker, release.id)
        assert not load_facts(work, [tablet.id])[tablet.id].evidence_hold


def test_a_loss_is_written_off_after_sixty_days_or_by_decision(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, other] = _class(world)
        asker, approver = _person(town, Role.TOWN_ADMIN), _person(town, Role.TOWN_ADMIN)
        ids = [_in_use(work, world, town, pupil).id for pupil in (child, other)]
        for tablet_id in ids:
            care.mark_lost(work, asker, tablet_id, "gone")
        requests = [acts.request_approval(work, asker, tablet_id, ApprovalAction.WRITE_OFF, "gone").id for tablet_id in ids]
        with pytest.raises(WriteOffTooEarly):
            acts.approve_request(work, approver, requests[0])
    with runtime.open_unit_of_work() as work:
        acts.approve_request(work, approver, requests[1], decision="burnt with the house")
        assert work.session.get_one(Tablet, ids[1]).state is S.MISSING_WRITTEN_OFF
    clock.advance(timedelta(days=61))
    with runtime.open_unit_of_work() as work:
        acts.approve_request(work, approver, requests[0])
        assert work.session.scalars(select(Loan).where(Loan.closed_at.is_(None))).all() == []


def test_a_return_records_lost_accessories_and_disposal_needs_proofs(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, _] = _class(world)
        tablet = _in_use(work, world, town, child)
        technician = _person(town, Role.TECHNICIAN)
        with pytest.raises(PupilHasTablet):
            inventory.retire_tablet(work, technician, tablet, "old")
        desk.take_back(work, technician, tablet.id, uuid4(), Condition.WORN, (A.COVER,))
        lines = {line.kind: line for line in work.session.scalars(select(LoanAccessory))}
        assert lines[A.COVER].returned_at
        assert lines[A.CHARGER].lost_at
        assert (tablet.state, _holder(work, tablet)) == (S.RETURNED, None)
        inventory.set_inventory_state(work, technician, tablet, S.STORAGE, "summer")
        inventory.retire_tablet(work, technician, tablet, "six years old")
        with pytest.raises(Invalid):
            acts.dispose_of_tablet(work, technician, tablet, wipe_proof=" ", waste_slip="B-1")
        assert acts.dispose_of_tablet(work, technician, tablet, wipe_proof="E-77", waste_slip="B-1").state is S.DISPOSED


def test_contact_and_absence_change_the_state_and_holidays_do_not_count(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, other] = _class(world)
        fresh, quiet = _stocked(world, town), _in_use(work, world, town, other)
        custody.hand_over(work, SYSTEM, fresh, child.id, SIGNED)
        for tablet in (fresh, quiet):
            world.enroll_tablet(tablet, last_seen_at=work.now)
        ids = fresh.id, quiet.id
    with runtime.open_unit_of_work() as work:
        assert update_contacts(work) == 1
        assert [work.session.get_one(Tablet, each).state for each in ids] == [S.IN_USE, S.IN_USE]
        # From Monday after the autumn holidays, ten school days lead back behind the two weeks off.
        monday = datetime(2026, 11, 2, 8, tzinfo=UTC)
        assert compute_absence_cutoff(monday, work.session.get_one(Town, town.id), load_school_days(work)) == datetime(
            2026, 9, 30, 22, tzinfo=UTC
        )
    clock.advance(timedelta(days=25))
    with runtime.open_unit_of_work() as work:
        assert update_absences(work) == 2
        assert [work.session.get_one(Tablet, each).state for each in ids] == [S.ABSENT, S.ABSENT]
        for beat in work.session.scalars(select(LastSeen)):
            beat.last_seen_at = work.now
        assert update_contacts(work) == 2
        assert update_contacts(work) == update_absences(work) == 0


def test_absence_counts_the_days_of_the_towns_own_calendar(runtime: Runtime, clock: ManualClock) -> None:
    """A town whose imported file has other holidays than the calendar that comes with the server, and one overseas."""
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, elsewhere = world.create_town(), world.create_town("Ailleurs")
        monday = datetime(2026, 11, 23, 8, tzinfo=UTC)
        before = compute_absence_cutoff(monday, town, load_school_days(work))
        closed = HolidayPeriod(date(2026, 11, 9), date(2026, 11, 22), "Fermeture")
        calendar_import.save_imported_periods(work, SYSTEM, town.id, {HolidayZone.C: [closed]})
        days = load_school_days(work)
        assert compute_absence_cutoff(monday, town, days) < before
        assert compute_absence_cutoff(monday, elsewhere, days) == before, "only for the town that has imported it"
        elsewhere.zone, elsewhere.time_zone = HolidayZone.NOUVELLE_CALEDONIE, "Pacific/Noumea"
        assert compute_absence_cutoff(monday, elsewhere, days).hour == 13, "midnight in Nouméa"


def test_the_loans_of_a_class_are_read_in_a_constant_number_of_queries(runtime: Runtime) -> None:
    counts = []
    for size in (3, 30):
        with runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town, children = _class(world, size=size)
            _in_use(work, world, town, children[0])
            technician, class_id = _person(town, Role.TECHNICIAN), children[0].class_id
            assert class_id
        with runtime.open_unit_of_work() as work:
            statements: list[str] = []
            event.listen(runtime.engine, "before_cursor_execute", lambda *a, s=statements: s.append(a[2]))
            _, rows = desk.list_class_loans(work, technician, class_id)
            assert len(rows) == size
            assert sum(loan is not None for _, loan, _ in rows) == 1
            work.session.flush()
            counts.append(len(statements))
    assert counts[0] == counts[1]


def test_a_tablet_with_another_childs_data_is_not_lent(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, [child, other] = _class(world)
        technician = _person(town, Role.TECHNICIAN)
        tablet, broken = _in_use(work, world, town, child), _in_use(work, world, town, other)
        custody.take_back(work, technician, tablet, Condition.GOOD, ())
        inventory.set_inventory_state(work, technician, tablet, S.STOCK, "spare")
        third = world.create_pupil(work.session.get_one(SchoolClass, child.class_id), Grade.CE2)
        cart = carts.create_cart(work, technician, third.school_id, "Chariot", 1)
        incidents.report_breakage(work, technician, broken, IncidentReport("tombée", BreakageCause.DROP))
        for act in (
            lambda: custody.hand_over(work, technician, tablet, third.id, SIGNED),
            lambda: carts.put_in_slot(work, technician, cart.id, 1, tablet.tag),
            lambda: incidents.lend_loaner(work, technician, broken, tablet),
        ):
            with pytest.raises(TabletNotWiped):
                act()
        # The same child may have it back as it was.
        assert custody.assign_tablet(work, technician, tablet, child.id).pupil_id == child.id
        with pytest.raises(PupilHasTablet):
            inventory.record_manual_wipe(work, technician, tablet, "by cable")
        custody.take_back(work, technician, tablet, Condition.GOOD, ())
        inventory.set_inventory_state(work, technician, tablet, S.STOCK, "spare")
        inventory.record_manual_wipe(work, technician, tablet, "by cable")
        assert incidents.lend_loaner(work, technician, broken, tablet).loaner_id == tablet.id
        assert tablet.needs_wipe


def test_a_loaner_lent_to_another_child_stays_with_that_child(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, (first, second) = _class(world)
        broken, loaner = _in_use(work, world, town, first), _stocked(world, town)
        incidents.report_breakage(work, SYSTEM, broken, IncidentReport("fell", BreakageCause.DROP))
        incidents.lend_loaner(work, SYSTEM, broken, loaner)
        custody.take_back(work, SYSTEM, loaner, Condition.GOOD, ())
        inventory.record_manual_wipe(work, SYSTEM, loaner, "cable")
        inventory.set_inventory_state(work, SYSTEM, loaner, S.STOCK, "wiped")
        custody.hand_over(work, SYSTEM, loaner, second.id, SIGNED)
        incidents.record_repair(work, SYSTEM, broken, "tested")
        incidents.settle_breakage(work, SYSTEM, broken, keep_loaner=False)
        assert (_holder(work, loaner), _holder(work, broken), broken.state) == (second.id, None, S.STOCK)


def test_a_repaired_tablet_lent_to_another_child_stays_with_that_child(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, (first, second) = _class(world)
        broken, loaner = _in_use(work, world, town, first), _stocked(world, town)
        incidents.report_breakage(work, SYSTEM, broken, IncidentReport("fell", BreakageCause.DROP))
        incidents.lend_loaner(work, SYSTEM, broken, loaner)
        incidents.record_repair(work, SYSTEM, broken, "tested")
        inventory.record_manual_wipe(work, SYSTEM, broken, "by the repair service")
        custody.hand_over(work, SYSTEM, broken, second.id, SIGNED)
        with pytest.raises(TabletNotAvailable):
            incidents.settle_breakage(work, SYSTEM, broken, keep_loaner=False)
        incidents.settle_breakage(work, SYSTEM, broken, keep_loaner=True)
        assert (_holder(work, broken), broken.state) == (second.id, S.HANDED_OVER)
        assert (_holder(work, loaner), loaner.state) == (first.id, S.IN_USE)
