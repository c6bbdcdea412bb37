"""Services of custody with the ports that the server gives them, as its endpoints call them."""

from __future__ import annotations

from datetime import date
from functools import partial
from uuid import UUID

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.service import revoke_tablet_certificates
from enrollment.tablets import approvals, incidents, inventory, lookup, recovery, storage
from enrollment.tablets.incidents import IncidentReport
from enrollment.tablets.models import ApprovalAction, ApprovalRequest, Incident, Tablet
from mdm.care.lost_mode.recovery import recover_device
from mdm.channel.authenticate import retire_enrollments
from mdm.devices.readiness import DeviceReadiness

approve_request = partial(approvals.approve_request, revoke_certificates=revoke_tablet_certificates)
dispose_of_tablet = partial(inventory.dispose_of_tablet, unenroll=retire_enrollments)
mark_found = partial(recovery.mark_found, recover_device=recover_device)
check_readiness = partial(storage.check_readiness, source=DeviceReadiness())
return_ready_tablets = partial(storage.return_ready_tablets, source=DeviceReadiness())


def report_breakage(work: UnitOfWork, actor: Actor, tablet_id: UUID, report: IncidentReport) -> Incident:
    """Report a tablet as broken."""
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.CARE)
    return incidents.report_breakage(work, actor, tablet, report)


def report_theft(work: UnitOfWork, actor: Actor, tablet_id: UUID, receipt_number: str, receipt_on: date) -> Incident:
    """Report that a lost tablet is stolen."""
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.CARE)
    return incidents.record_theft(work, actor, tablet, receipt_number, receipt_on)


def request_approval(work: UnitOfWork, actor: Actor, tablet_id: UUID, action: ApprovalAction, reason: str) -> ApprovalRequest:
    """Request an action that a second person must approve."""
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.CARE)
    return approvals.request_approval(work, actor, tablet, action, reason)


def dispose_tablet(work: UnitOfWork, actor: Actor, tablet_id: UUID, *, wipe_proof: str, waste_slip: str) -> Tablet:
    """Dispose of a tablet and end its enrollments."""
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id)
    return dispose_of_tablet(work, actor, tablet, wipe_proof=wipe_proof, waste_slip=waste_slip)
