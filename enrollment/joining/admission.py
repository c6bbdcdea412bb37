"""Admission: what an Authenticate with a good certificate means for the inventory and for custody."""

from __future__ import annotations

import structlog

from enrollment.identity import service as identity
from enrollment.identity.verifier import KnownCertificate
from enrollment.joining import reservations
from enrollment.joining.errors import NotInvited
from enrollment.joining.models import Invitation, InvitationKind, InvitationUse
from enrollment.joining.repository import InvitationRepository
from enrollment.people.models import Pupil
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import GONE, MISSING, REFUSED, may_become
from enrollment.tablets.service import TabletDetails
from mdm.kit import audit
from mdm.kit.outbox import Topic
from mdm.kit.scope import SYSTEM
from mdm.kit.work import Work

log = structlog.get_logger()


def admit(work: Work, certificate: KnownCertificate, serial: str | None, udid: str, details: TabletDetails) -> Tablet:
    """Turn a certificate of ours and a serial number into the tablet they stand for.

    A certificate already bound to a tablet only ever admits that tablet. One issued for an invitation admits a
    tablet while the invitation has uses left; the same tablet may come again. Raises `NotInvited`.
    """
    repository = TabletRepository(work.session)
    known_by = (serial or udid)[:64]
    if certificate.tablet_id is not None:
        bound = repository.get(certificate.tablet_id)
        if bound is None or bound.serial != known_by or bound.state in REFUSED:
            raise _refused(udid, "certificate_of_another_tablet")
        tablets.update_details(work, bound.id, details)
        reservations.honour(work, bound)
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
    if invitation.kind is InvitationKind.STOCK:
        reservations.honour(work, tablet)
    else:
        reservations.forget(work, tablet)
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
    """Put the tablet where its invitation says. One that is lost, given up or under repair keeps its state: joining does not clear
    it.
    """
    written_off = tablet.state in GONE
    tablets.unpack(work, SYSTEM, tablet)
    after = TabletState.IN_USE if invitation.kind is InvitationKind.PUPIL else TabletState.ASSIGNED
    if written_off or tablet.state in MISSING or not may_become(tablet.state, after):
        work.later(Topic.DECIDE, tablet.id)
        return
    repository = TabletRepository(work.session)
    if invitation.kind is InvitationKind.PUPIL and invitation.pupil_id is not None:
        pupil = work.session.get_one(Pupil, invitation.pupil_id)
        _give(work, repository, tablet, pupil)
    elif invitation.kind is InvitationKind.CLASS:
        tablet.school_id, tablet.class_id = invitation.school_id, invitation.class_id
        tablets.change_state(work, SYSTEM, tablet, TabletState.ASSIGNED, "joined for a class")
    elif invitation.kind is InvitationKind.CART_SLOT and invitation.cart_slot_id is not None:
        slot = repository.slot(invitation.cart_slot_id)
        if slot is not None:
            slot.tablet_id = tablet.id
        tablet.school_id = invitation.school_id
        tablets.change_state(work, SYSTEM, tablet, TabletState.ASSIGNED, "joined for a cart slot")
    work.later(Topic.DECIDE, tablet.id)


def _give(work: Work, repository: TabletRepository, tablet: Tablet, pupil: Pupil) -> None:
    """Lend the tablet to the invited pupil. The pupil's former tablet, if any, goes back to stock: one active loan."""
    former = repository.open_loan_of_pupil(pupil.id)
    if former is not None and former.tablet_id != tablet.id:
        repository.close_loan(former.tablet_id, work.now)
        replaced = repository.get(former.tablet_id)
        if replaced is not None and replaced.state not in MISSING:
            tablets.change_state(work, SYSTEM, replaced, TabletState.STOCK, "replaced by another tablet")
        work.later(Topic.DECIDE, former.tablet_id)
    tablets.lend(work, SYSTEM, tablet, pupil)
    tablets.change_state(work, SYSTEM, tablet, TabletState.IN_USE, "joined by invitation")


def _refused(udid: str, why: str) -> NotInvited:
    log.warning("join.refused", udid=udid, why=why)
    return NotInvited(why=why)
