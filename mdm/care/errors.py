"""Errors of care."""

from __future__ import annotations

from cartable.errors import Conflict, Forbidden, NotFound
from cartable.i18n import Message


class TabletNotEnrolled(Conflict):
    """The tablet has no enrollment: no command can be sent to it."""

    code = "tablet_not_enrolled"
    message = Message("This tablet is not enrolled.")


class TabletNotLost(Conflict):
    """The action needs a tablet with an open lost case."""

    code = "tablet_not_lost"
    message = Message("This tablet is not marked as lost.")


class LostNotConfirmed(Conflict):
    """The tablet has not confirmed lost mode yet: its position cannot be requested."""

    code = "lost_not_confirmed"
    message = Message("The position can only be asked once the tablet has confirmed lost mode.")


class ApproverIsRequester(Forbidden):
    """The approver is the person who made the request."""

    code = "own_request"
    message = Message("Another person must approve this request.")


class CallBackRequired(Conflict):
    """A loss is ended remotely only after a call back to a number that was known before."""

    code = "call_back_needed"
    message = Message("First call the family back on a number that was known before, or scan the tablet.")


class ScanRequired(Conflict):
    """A stolen tablet must be scanned by somebody of the town before lost mode is lifted."""

    code = "scan_needed"
    message = Message("A stolen tablet is back only when somebody of the town has scanned it.")


class NotInReturnCampaign(Conflict):
    """A bulk erase is allowed only for tablets returned in an open return campaign."""

    code = "not_in_return_campaign"
    message = Message("{count} of these tablets were not given back in an open return campaign.")


class BulkEraseNotFound(NotFound):
    """No such bulk erase is visible to the caller."""

    code = "bulk_erase_not_found"
    message = Message("This erase in bulk was not found.")


class BulkEraseEnded(Conflict):
    """The bulk erase was cancelled, or its commands were sent."""

    code = "bulk_erase_over"
    message = Message("This erase in bulk was cancelled or has left.")


class PositionRequestNotFound(NotFound):
    """No such position request is visible to the caller."""

    code = "position_request_not_found"
    message = Message("This request was not found.")


class DestructiveCommandsStopped(Conflict):
    """The town's stop switch for destructive commands is on."""

    code = "destructive_stopped"
    message = Message("Destructive commands are stopped in this town.")


class EraseQuotaReached(Conflict):
    """Too many erases in too short a time."""

    code = "erase_quota"
    status = 429
    message = Message("The quota of erases is reached ({limit}).")
