"""Errors of lost mode and of positions."""

from __future__ import annotations

from cartable.errors import Conflict, NotFound
from cartable.i18n import Message


class TabletNotLost(Conflict):
    """The action needs a tablet with an open lost case."""

    code = "tablet_not_lost"
    message = Message("This tablet is not marked as lost.")


class LostNotConfirmed(Conflict):
    """The tablet has not confirmed lost mode yet: its position cannot be requested."""

    code = "lost_not_confirmed"
    message = Message("The position can only be asked once the tablet has confirmed lost mode.")


class CallBackRequired(Conflict):
    """A loss is ended remotely only after a call back to a number that was known before."""

    code = "call_back_needed"
    message = Message("First call the family back on a number that was known before, or scan the tablet.")


class ScanRequired(Conflict):
    """A stolen tablet must be scanned by somebody of the town before lost mode is lifted."""

    code = "scan_needed"
    message = Message("A stolen tablet is back only when somebody of the town has scanned it.")


class PositionRequestNotFound(NotFound):
    """No such position request is visible to the caller."""

    code = "position_request_not_found"
    message = Message("This request was not found.")
