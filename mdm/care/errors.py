"""Refusals of care."""

from __future__ import annotations

from cartable.errors import Conflict, Forbidden, NotFound
from cartable.i18n import Message


class TabletNotEnrolled(Conflict):
    """The tablet is not managed at present: nothing can be sent to it."""

    code = "tablet_not_enrolled"
    message = Message("This tablet is not enrolled.")


class TabletNotLost(Conflict):
    """The act needs a lost tablet."""

    code = "tablet_not_lost"
    message = Message("This tablet is not marked as lost.")


class LostNotConfirmed(Conflict):
    """The tablet has not confirmed lost mode yet: its position cannot be asked."""

    code = "lost_not_confirmed"
    message = Message("The position can only be asked once the tablet has confirmed lost mode.")


class ApproverIsRequester(Forbidden):
    """Nobody approves a request of his own."""

    code = "own_request"
    message = Message("Another person must approve this request.")


class CallBackRequired(Conflict):
    """A loss is ended from afar only after a call to a number that was known before."""

    code = "call_back_needed"
    message = Message("First call the family back on a number that was known before, or scan the tablet.")


class ScanRequired(Conflict):
    """A stolen tablet is believed to be back when somebody of the town holds it."""

    code = "scan_needed"
    message = Message("A stolen tablet is back only when somebody of the town has scanned it.")


class NotInReturnCampaign(Conflict):
    """An act in bulk wipes only what was given back in an open return campaign."""

    code = "not_in_return_campaign"
    message = Message("{count} of these tablets were not given back in an open return campaign.")


class BulkEraseNotFound(NotFound):
    """No such erase in the caller's reach."""

    code = "bulk_erase_not_found"
    message = Message("This erase in bulk was not found.")


class BulkEraseEnded(Conflict):
    """It was cancelled, or its orders have left."""

    code = "bulk_erase_over"
    message = Message("This erase in bulk was cancelled or has left.")


class PositionRequestNotFound(NotFound):
    """No such request in the caller's reach."""

    code = "position_request_not_found"
    message = Message("This request was not found.")


class DestructiveCommandsStopped(Conflict):
    """The town's stop switch for destructive commands is thrown."""

    code = "destructive_stopped"
    message = Message("Destructive commands are stopped in this town.")


class EraseQuotaReached(Conflict):
    """Too many erases in too short a time."""

    code = "erase_quota"
    status = 429
    message = Message("The quota of erases is reached ({limit}).")
