"""Admission: what an Authenticate with a good certificate means for the inventory and for custody."""

from __future__ import annotations

import structlog

from enrollment.identity import service as identity
from enrollment.identity.verifier import KnownCertificate
from enrollment.joining.errors import NotInvited
from enrollment.joining.models import Invitation, InvitationKind, InvitationUse
from enrollment.joining.repository import InvitationRepository
from enrollment.people.models import Pupil
from enrollment.tablets import custody
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import REFUSED, UNPACKED, UNPLACED
from enrollment.tablets.service import TabletDetails
from mdm.kit import audit
from mdm.kit.outbox import Topic
from mdm.kit.scope import SYSTEM
from mdm.kit.work import Work

log = structlog.get_logger()


def admit(work: Work, certificate: KnownCertificate, serial: str | None, udid: str, details: TabletDetails) -> Tablet:
    """Turn a certificate of ours and a serial number into the tablet they stand for.

    A certificate already bound to a tablet only ever admits that tablet, an attested one only that device. One issued for an
    invitation admits a tablet while the invitation has uses left; the same tablet may come again. Raises `NotInvited`.
    """
    if not certificate.is_of(serial, udid):
        raise _refused(udid, "certificate_attested_for_another_device")
    repository = TabletRepository(work.session)
    known_by = (serial or udid)[:64]
    if certificate.tablet_id is not None:
        bound = repository.get(certificate.tablet_id)
        if bound is None or bound.serial != known_by or bound.state in REFUSED:
            raise _refused(udid, "certificate_of_another_tablet")
        tablets.update_details(work, bound.id, details)
        return bound
    if certificate.invitation_id is None:
        raise _refused(udid, "certificate_without_invitation")
    invitation = InvitationRepository(work.session).locked(certificate.invitation_id)
    if invitation is None or invitation.revoked_at is not None:
        raise _refused(udid, "invitation_withdrawn")
    tablet = repository.by_serial(known_by)
    if tablet is not None and tablet.town_id != invitation.town_id:
        raise _refused(udid, "tablet_of_another_town")
    if tablet is not None and tablet.state in REFUSED:
        raise _refused(udid, "tablet_retired")
    if tablet is None:
        if invitation.uses >= invitation.max_uses:
            raise _refused(udid, "invitation_used_up")
        tablet = tablets.register(
            work, town_id=invitation.town_id, school_id=invitation.school_id, serial=known_by, details=details
        )
    else:
        tablets.update_details(work, tablet.id, details)
    _count_use(work, invitation, tablet, udid)
    identity.bind(work, certificate.fingerprint, tablet.id)
    _place(work, invitation, tablet)
    return tablet


def _count_use(work: Work, invitation: Invitation, tablet: Tablet, udid: str) -> None:
    if InvitationRepository(work.session).use_of(invitation.id, tablet.id) is not None:
        return
    if invitation.uses >= invitation.max_uses:
        raise _refused(udid, "invitation_used_up")
    audit.record(work, SYSTEM, "tablet.join", "tablet", tablet.id, town_id=tablet.town_id, invitation_id=str(invitation.id))
    invitation.uses += 1
    work.session.add(InvitationUse(invitation_id=invitation.id, tablet_id=tablet.id, at=work.now))
    work.session.flush()


def _place(work: Work, invitation: Invitation, tablet: Tablet) -> None:
    """Put the tablet where its invitation says, unless its own state or a person decides otherwise: joining ends no loss, no
    repair, no evidence hold, and takes no child's tablet away for a class or a cart.
    """
    work.later(Topic.DECIDE, tablet.id)
    if tablet.state is TabletState.MISSING_WRITTEN_OFF:
        tablets.change_state(work, SYSTEM, tablet, TabletState.FOUND, "a tablet that was written off has come back")
        return
    if tablet.state in UNPLACED or tablet.evidence_hold:
        return
    repository = TabletRepository(work.session)
    if invitation.kind is InvitationKind.PUPIL and invitation.pupil_id is not None:
        _give(work, repository, tablet, work.session.get_one(Pupil, invitation.pupil_id))
    elif invitation.kind is InvitationKind.STOCK:
        if tablet.state in UNPACKED:
            tablets.change_state(work, SYSTEM, tablet, TabletState.PREPARED, "joined at the bench")
    elif repository.open_loan_of_tablet(tablet.id) is None:
        _share(work, repository, tablet, invitation)


def _share(work: Work, repository: TabletRepository, tablet: Tablet, invitation: Invitation) -> None:
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


def _give(work: Work, repository: TabletRepository, tablet: Tablet, pupil: Pupil) -> None:
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
    tablets.bring_to(work, SYSTEM, tablet, TabletState.IN_USE, "joined by invitation")


def _refused(udid: str, why: str) -> NotInvited:
    log.warning("join.refused", udid=udid, why=why)
    return NotInvited(why=why)
