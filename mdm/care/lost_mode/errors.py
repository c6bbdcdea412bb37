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


class NoTabletWithTag(NotFound):
    """No tablet of the caller's schools has this tag. Tablets elsewhere are not told apart from none."""

    code = "no_tablet_with_tag"
    message = Message("No tablet of your school has this tag. It is on the back of the tablet, and on the page of the class.")


class LossReportNotFound(NotFound):
    """No such report is visible to the caller."""

    code = "loss_report_not_found"
    message = Message("This report was not found.")


class LossReportDecided(Conflict):
    """Another person has confirmed or declined the report meanwhile."""

    code = "loss_report_decided"
    message = Message("Somebody else has decided this report meanwhile.")


class TooManyLossReports(Conflict):
    """The caller has as many reports waiting as one person may have."""

    code = "too_many_loss_reports"
    message = Message("You have {count} reports waiting. Call the helpdesk before you report more tablets.")
