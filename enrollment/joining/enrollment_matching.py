"""Admission: what an Authenticate with a good certificate means for the inventory and for custody."""

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
from enrollment.joining.errors import NotInvited
from enrollment.joining.models import Invitation, InvitationKind, InvitationUse
from enrollment.joining.repository import InvitationRepository
from enrollment.people.models import Pupil
from enrollment.tablets import custody
from enrollment.tablets import service as tablets
from enrollment.tablets.errors import NotWiped
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import REFUSED, UNPLACED
from enrollment.tablets.service import TabletDetails

log = structlog.get_logger()


def admit(work: UnitOfWork, certificate: KnownCertificate, serial: str | None, udid: str, details: TabletDetails) -> Tablet:
    """Turn a certificate of ours and a serial number into the tablet they stand for.

    A certificate already bound to a tablet only ever admits that tablet, an attested one only that device. One issued for an
    invitation admits a tablet while the invitation has uses left; the same tablet may come again. Raises `NotInvited`.
    """
    if not certificate.is_of(serial, udid):
        raise _refused(udid, "certificate_attested_for_another_device")
    known_by = (serial or udid)[:64]
    if certificate.tablet_id is not None:
        return _bound(work, certificate.tablet_id, known_by, udid, details)
    invitation = _invitation(work, certificate, udid)
    tablet = _of_the_inventory(work, invitation, known_by, udid, details)
    _count_use(work, invitation, tablet, udid)
    identity.bind(work, certificate.fingerprint, tablet.id)
    _place(work, invitation, tablet)
    if invitation.kind is InvitationKind.STOCK:
        reservations.honour(work, tablet)
    else:
        reservations.forget(work, tablet)
    return tablet


def _bound(work: UnitOfWork, tablet_id: UUID, known_by: str, udid: str, details: TabletDetails) -> Tablet:
    tablet = TabletRepository(work.session).get(tablet_id)
    if tablet is None or tablet.serial != known_by or tablets.hold(work, tablet).state in REFUSED:
        raise _refused(udid, "certificate_of_another_tablet")
    tablets.update_details(work, tablet.id, details)
    reservations.honour(work, tablet)
    return tablet


def _invitation(work: UnitOfWork, certificate: KnownCertificate, udid: str) -> Invitation:
    if certificate.invitation_id is None:
        raise _refused(udid, "certificate_without_invitation")
    repository = InvitationRepository(work.session)
    if (town_id := repository.town_of(certificate.invitation_id)) is not None:
        locks.lock_town(work, town_id)
    invitation = repository.locked(certificate.invitation_id)
    if invitation is None or invitation.revoked_at is not None:
        raise _refused(udid, "invitation_withdrawn")
    return invitation


def _of_the_inventory(work: UnitOfWork, invitation: Invitation, known_by: str, udid: str, details: TabletDetails) -> Tablet:
    """The tablet of the invitation's town; a new one is entered while the invitation has uses left."""
    tablet = TabletRepository(work.session).by_serial(known_by)
    if tablet is None:
        if invitation.uses >= invitation.max_uses:
            raise _refused(udid, "invitation_used_up")
        return tablets.register(
            work, town_id=invitation.town_id, school_id=invitation.school_id, serial=known_by, details=details
        )
    if tablet.town_id != invitation.town_id:
        raise _refused(udid, "tablet_of_another_town")
    if tablets.hold(work, tablet).state in REFUSED:
        raise _refused(udid, "tablet_retired")
    tablets.update_details(work, tablet.id, details)
    return tablet


def _count_use(work: UnitOfWork, invitation: Invitation, tablet: Tablet, udid: str) -> None:
    if InvitationRepository(work.session).use_of(invitation.id, tablet.id) is not None:
        return
    if invitation.uses >= invitation.max_uses:
        raise _refused(udid, "invitation_used_up")
    audit.record_event(work, SYSTEM, "tablet.join", "tablet", tablet.id, town_id=tablet.town_id, invitation_id=str(invitation.id))
    invitation.uses += 1
    work.session.add(InvitationUse(invitation_id=invitation.id, tablet_id=tablet.id, at=work.now))
    work.session.flush()


def _place(work: UnitOfWork, invitation: Invitation, tablet: Tablet) -> None:
    """Put the tablet where its invitation says, unless its own state or a person decides otherwise: joining ends no loss, no
    repair, no evidence hold, and takes no child's tablet away for a class or a cart.
    """
    work.enqueue_job(Topic.DECIDE, tablet.id)
    stays = tablet.state in UNPLACED or tablet.evidence_hold
    tablets.unpack(work, SYSTEM, tablet)
    if stays or not _is_clean_for(work, invitation, tablet):
        return
    repository = TabletRepository(work.session)
    if invitation.kind is InvitationKind.PUPIL and invitation.pupil_id is not None:
        _give(work, repository, tablet, work.session.get_one(Pupil, invitation.pupil_id))
    elif invitation.kind is not InvitationKind.STOCK and repository.open_loan_of_tablet(tablet.id) is None:
        _share(work, repository, tablet, invitation)


def _is_clean_for(work: UnitOfWork, invitation: Invitation, tablet: Tablet) -> bool:
    """Joining is no way round the wipe: the tablet joins, and stays where it was until what another child made is gone."""
    try:
        custody.check_wiped(work, tablet, invitation.pupil_id)
    except NotWiped:
        log.warning("join.not_placed", tablet=str(tablet.id), why="not_wiped")
        return False
    return True


def _share(work: UnitOfWork, repository: TabletRepository, tablet: Tablet, invitation: Invitation) -> None:
    """The tablet is a class's, or a cart's: nobody's by name."""
    tablet.school_id = invitation.school_id
    repository.leave_slot(tablet.id)
    slot = repository.slot(invitation.cart_slot_id) if invitation.cart_slot_id is not None else None
    if slot is None:
        tablet.class_id = invitation.class_id
    else:
        former = repository.get(slot.tablet_id) if slot.tablet_id is not None else None
        slot.tablet_id = tablet.id
        if former is not None and not former.evidence_hold and former.state not in UNPLACED:
            tablets.bring_to(work, SYSTEM, former, TabletState.STOCK, "its slot has another tablet")
    why = "joined for a class" if slot is None else "joined for a cart slot"
    tablets.bring_to(work, SYSTEM, tablet, TabletState.ASSIGNED, why)


def _give(work: UnitOfWork, repository: TabletRepository, tablet: Tablet, pupil: Pupil) -> None:
    """Lend the tablet to the invited pupil. Their former one goes back to stock, and the loan goes on: agreement, accessories."""
    former = repository.open_loan_of_pupil(pupil.id)
    if former is None:
        tablets.lend(work, SYSTEM, tablet, pupil)
    elif former.tablet_id != tablet.id:
        repository.close_loan(tablet.id, work.now)
        custody.transfer(work, SYSTEM, former, tablet)
        replaced = repository.get(former.tablet_id)
        if replaced is not None and replaced.state not in UNPLACED and not replaced.evidence_hold:
            tablets.bring_to(work, SYSTEM, replaced, TabletState.STOCK, "replaced by another tablet")
    loan = repository.open_loan_of_pupil(pupil.id)
    if loan is not None and loan.handed_over_at is None:
        loan.handed_over_at = work.now  # who installs it has it in hand
    tablet.to_wipe = True
    tablets.bring_to(work, SYSTEM, tablet, TabletState.IN_USE, "joined by invitation")


def _refused(udid: str, why: str) -> NotInvited:
    log.warning("join.refused", udid=udid, why=why)
    return NotInvited(why=why)
