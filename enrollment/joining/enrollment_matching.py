"""Matching an enrollment to a tablet: from certificate and serial number to the inventory, the loan or the cart. Never commits."""

from __future__ import annotations

from uuid import UUID

import structlog

from cartable import audit, locks
from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import service as identity
from enrollment.identity.verifier import KnownCertificate
from enrollment.joining import reservations
from enrollment.joining.errors import EnrollmentRefusal, NotInvited
from enrollment.joining.models import Invitation, InvitationKind, InvitationUse
from enrollment.joining.repository import InvitationRepository
from enrollment.people.models import Pupil, StaffMember
from enrollment.tablets import custody
from enrollment.tablets import service as tablets
from enrollment.tablets.errors import TabletNotWiped
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import Loan, Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import ENROLLMENT_REFUSED, OUT_OF_SERVICE, read_reported_serial
from enrollment.tablets.service import TabletDetails

log = structlog.get_logger()


def resolve_tablet(
    work: UnitOfWork, certificate: KnownCertificate, serial: str | None, udid: str, details: TabletDetails
) -> Tablet:
    """Return the tablet that enrolls with this certificate and serial number, registered and placed if it is new.

    A certificate bound to a tablet stands for that tablet only, an attested one for that device only. A certificate of an
    invitation stands for any tablet while the invitation has uses left; the same tablet may enroll again. A device without a serial
    number, or with a text that is none, is registered under its UDID. Raises `NotInvited`.
    """
    if not certificate.belongs_to(serial, udid):
        raise _reject(udid, EnrollmentRefusal.ATTESTED_FOR_ANOTHER)
    reported_serial = read_reported_serial(serial)
    if certificate.tablet_id is not None:
        return _resolve_bound_tablet(work, certificate.tablet_id, reported_serial, udid, details)
    identifier = reported_serial or udid[:64]
    invitation = _get_invitation_for_update(work, certificate, udid)
    tablet = _get_or_register_tablet(work, invitation, identifier, udid, details)
    _record_use(work, invitation, tablet, udid)
    identity.bind_certificate(work, certificate.fingerprint, tablet.id)
    _place_tablet(work, invitation, tablet)
    if invitation.kind is InvitationKind.STOCK:
        reservations.apply_reservation(work, tablet)
    else:
        reservations.delete_reservation(work, tablet)
    return tablet


def _resolve_bound_tablet(work: UnitOfWork, tablet_id: UUID, serial: str | None, udid: str, details: TabletDetails) -> Tablet:
    """Return the tablet of the certificate. A device that sends no serial number is that tablet: it has the tablet's key."""
    tablet = TabletRepository(work.session).get(tablet_id)
    if tablet is None or serial not in (None, tablet.serial) or tablets.lock_tablet(work, tablet).state in ENROLLMENT_REFUSED:
        raise _reject(udid, EnrollmentRefusal.CERTIFICATE_OF_ANOTHER)
    tablets.update_details(work, tablet.id, details)
    reservations.apply_reservation(work, tablet)
    return tablet


def _get_invitation_for_update(work: UnitOfWork, certificate: KnownCertificate, udid: str) -> Invitation:
    if certificate.invitation_id is None:
        raise _reject(udid, EnrollmentRefusal.NO_INVITATION)
    repository = InvitationRepository(work.session)
    if (town_id := repository.get_town_id(certificate.invitation_id)) is not None:
        locks.lock_town(work, town_id)
    invitation = repository.get_for_update(certificate.invitation_id)
    if invitation is None or invitation.revoked_at is not None:
        raise _reject(udid, EnrollmentRefusal.INVITATION_WITHDRAWN)
    return invitation


def _get_or_register_tablet(
    work: UnitOfWork, invitation: Invitation, identifier: str, udid: str, details: TabletDetails
) -> Tablet:
    """Return the tablet with this serial number in the invitation's town, registered now if the invitation has uses left."""
    tablet = TabletRepository(work.session).get_by_serial(identifier)
    if tablet is None:
        if invitation.uses >= invitation.max_uses:
            raise _reject(udid, EnrollmentRefusal.INVITATION_USED_UP)
        return tablets.register_tablet(
            work, town_id=invitation.town_id, school_id=invitation.school_id, serial=identifier, details=details
        )
    if tablet.town_id != invitation.town_id:
        raise _reject(udid, EnrollmentRefusal.TABLET_OF_ANOTHER_TOWN)
    if tablets.lock_tablet(work, tablet).state in ENROLLMENT_REFUSED:
        raise _reject(udid, EnrollmentRefusal.TABLET_RETIRED)
    tablets.update_details(work, tablet.id, details)
    return tablet


def _record_use(work: UnitOfWork, invitation: Invitation, tablet: Tablet, udid: str) -> None:
    if InvitationRepository(work.session).get_use(invitation.id, tablet.id) is not None:
        return
    if invitation.uses >= invitation.max_uses:
        raise _reject(udid, EnrollmentRefusal.INVITATION_USED_UP)
    audit.record_event(work, SYSTEM, "tablet.join", "tablet", tablet.id, town_id=tablet.town_id, invitation_id=str(invitation.id))
    invitation.uses += 1
    work.session.add(InvitationUse(invitation_id=invitation.id, tablet_id=tablet.id, used_at=work.now))
    work.session.flush()


def _place_tablet(work: UnitOfWork, invitation: Invitation, tablet: Tablet) -> None:
    """Lend the tablet, or assign it to the class or cart slot, as its invitation says.

    A tablet that is lost, in repair or under an evidence hold stays as it is, and so does a lent one when the invitation is
    for a class or a cart.
    """
    work.enqueue_job(Topic.RECONCILE, tablet.id)
    keeps_its_place = tablet.state in OUT_OF_SERVICE or tablet.evidence_hold
    tablets.update_state_on_enrollment(work, SYSTEM, tablet)
    if keeps_its_place or not _is_wiped_for(work, invitation, tablet):
        return
    repository = TabletRepository(work.session)
    if invitation.kind is InvitationKind.PUPIL and invitation.pupil_id is not None:
        _lend_to_pupil(work, repository, tablet, work.session.get_one(Pupil, invitation.pupil_id))
    elif invitation.kind is InvitationKind.STAFF and invitation.staff_id is not None:
        _lend_to_staff(work, repository, tablet, work.session.get_one(StaffMember, invitation.staff_id), invitation.school_id)
    elif (
        invitation.kind not in (InvitationKind.STOCK, InvitationKind.STAFF)
        and LoanRepository(work.session).get_open_loan_by_tablet(tablet.id) is None
    ):
        _assign_to_class_or_slot(work, repository, tablet, invitation)


def _is_wiped_for(work: UnitOfWork, invitation: Invitation, tablet: Tablet) -> bool:
    """Return whether the tablet holds no other person's data. If not it enrolls, and stays where it is until it is erased."""
    try:
        custody.check_wiped(work, tablet, invitation.pupil_id or invitation.staff_id)
    except TabletNotWiped:
        log.warning("join.not_placed", tablet=str(tablet.id), why="not_wiped")
        return False
    return True


def _assign_to_class_or_slot(work: UnitOfWork, repository: TabletRepository, tablet: Tablet, invitation: Invitation) -> None:
    """Assign the tablet to the class or the cart slot of its invitation; the former tablet of the slot goes to stock."""
    tablet.school_id = invitation.school_id
    repository.remove_from_slot(tablet.id)
    slot = repository.get_slot(invitation.cart_slot_id) if invitation.cart_slot_id is not None else None
    if slot is None:
        tablet.class_id = invitation.class_id
    else:
        former = repository.get(slot.tablet_id) if slot.tablet_id is not None else None
        slot.tablet_id = tablet.id
        if former is not None and not former.evidence_hold and former.state not in OUT_OF_SERVICE:
            tablets.move_to_state(work, SYSTEM, former, TabletState.STOCK, "its slot has another tablet")
    why = "joined for a class" if slot is None else "joined for a cart slot"
    tablets.move_to_state(work, SYSTEM, tablet, TabletState.ASSIGNED, why)


def _lend_to_staff(
    work: UnitOfWork, repository: TabletRepository, tablet: Tablet, member: StaffMember, school_id: UUID | None
) -> None:
    """Lend the tablet to the invited adult. A loan of another tablet is continued with this one; the other goes to stock."""
    former = LoanRepository(work.session).get_open_loan_by_staff(member.id)
    if former is None:
        tablets.open_staff_loan(work, SYSTEM, tablet, member, school_id)
    else:
        _continue_with(work, repository, former, tablet)
    _record_in_use(work, LoanRepository(work.session).get_open_loan_by_staff(member.id), tablet)


def _lend_to_pupil(work: UnitOfWork, repository: TabletRepository, tablet: Tablet, pupil: Pupil) -> None:
    """Lend the tablet to the invited pupil. A loan of another tablet is continued with this one; the other goes to stock."""
    former = LoanRepository(work.session).get_open_loan_by_pupil(pupil.id)
    if former is None:
        tablets.open_loan(work, SYSTEM, tablet, pupil)
    else:
        _continue_with(work, repository, former, tablet)
    _record_in_use(work, LoanRepository(work.session).get_open_loan_by_pupil(pupil.id), tablet)


def _continue_with(work: UnitOfWork, repository: TabletRepository, former: Loan, tablet: Tablet) -> None:
    """Continue a loan of another tablet with this one; the other goes to stock, unless it is out of service."""
    if former.tablet_id == tablet.id:
        return
    LoanRepository(work.session).close_loan(tablet.id, work.now)
    custody.transfer_loan(work, SYSTEM, former, tablet)
    replaced = repository.get(former.tablet_id)
    if replaced is not None and replaced.state not in OUT_OF_SERVICE and not replaced.evidence_hold:
        tablets.move_to_state(work, SYSTEM, replaced, TabletState.STOCK, "replaced by another tablet")


def _record_in_use(work: UnitOfWork, loan: Loan | None, tablet: Tablet) -> None:
    """Record that whoever installed the profile has the tablet."""
    if loan is not None and loan.handed_over_at is None:
        loan.handed_over_at = work.now
    tablet.needs_wipe = True
    tablets.move_to_state(work, SYSTEM, tablet, TabletState.IN_USE, "joined by invitation")


def _reject(udid: str, reason: EnrollmentRefusal) -> NotInvited:
    log.warning("join.rejected", udid=udid, why=reason.value)
    return NotInvited(why=reason.value)
