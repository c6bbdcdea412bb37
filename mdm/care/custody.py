"""Custody services that the helpdesk may use too, and those that also affect the enrollment. The others are in `enrollment.tablets`."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import approvals, incidents, inventory, lookup
from enrollment.tablets.incidents import IncidentReport
from enrollment.tablets.models import ApprovalAction, ApprovalRequest, Incident, Tablet
from mdm.care.command_helpers import lock_tablet
from mdm.channel.authenticate import retire_enrollments as retire_channels


def report_breakage(work: UnitOfWork, actor: Actor, tablet_id: UUID, report: IncidentReport) -> Incident:
    """Report a tablet as broken. Returns the open incident. Raises `WrongState`."""
    return incidents.report_breakage(work, actor, lock_tablet(work, actor, tablet_id, Permission.CARE), report)


def report_theft(work: UnitOfWork, actor: Actor, tablet_id: UUID, receipt_number: str, receipt_on: date) -> Incident:
    """Record that a lost tablet was stolen; it stays in lost mode. Raises `WrongState`."""
    return incidents.record_theft(work, actor, lock_tablet(work, actor, tablet_id, Permission.CARE), receipt_number, receipt_on)


def request_approval(work: UnitOfWork, actor: Actor, tablet_id: UUID, action: ApprovalAction, reason: str) -> ApprovalRequest:
    """Request an action that a second person must approve. Raises `Forbidden`."""
    return approvals.request_approval(work, actor, lock_tablet(work, actor, tablet_id, Permission.CARE), action, reason)


def dispose_tablet(work: UnitOfWork, actor: Actor, tablet_id: UUID, *, wipe_proof: str, waste_slip: str) -> Tablet:
    """Dispose of a tablet and retire its enrollments, so that it is unenrolled at its next contact, if there is one.

    Raises what `inventory.dispose_of_tablet` raises.
    """
    tablet = inventory.dispose_of_tablet(
        work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), wipe_proof=wipe_proof, waste_slip=waste_slip
    )
    retire_channels(work, tablet.id)
    return tablet
