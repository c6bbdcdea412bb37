"""Errors of erasing."""

from __future__ import annotations

from cartable.errors import Conflict, NotFound
from cartable.i18n import Message


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
