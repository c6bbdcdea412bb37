"""Errors of privacy."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class PupilRecordNotFound(NotFound):
    """No such pupil is visible to the caller."""

    code = "pupil_not_found"
    message = Message("This pupil was not found.")


class LoanStillOpen(Conflict):
    """The pupil has an open loan: the tablet must be returned first."""

    code = "loan_open"
    message = Message("The pupil still holds a tablet: it must come back before the erasure.")


class PupilAlreadyErased(Conflict):
    """The pupil was erased: there is nothing to erase or export."""

    code = "already_erased"
    message = Message("This pupil's data are erased already.")


class RetentionOutOfBounds(Invalid):
    """The period is outside the bounds of the rule."""

    code = "retention_out_of_bounds"
    message = Message("The period must lie between {shortest} and {longest} days.")


class PrivacyReportNotFound(NotFound):
    """No such report is visible to the caller."""

    code = "report_not_found"
    message = Message("This report was not found.")


class PrivacyRequestNotFound(NotFound):
    """No such privacy request is visible to the caller."""

    code = "request_not_found"
    message = Message("This request was not found.")


class PrivacyRequestAnswered(Conflict):
    """The request was answered; an answer cannot be changed."""

    code = "request_answered"
    message = Message("This request is answered already.")


class PrivacyRequestExtended(Conflict):
    """The term was extended before, or is over."""

    code = "request_extended"
    message = Message("The term was extended already, or it is over.")


class NoticeUnchanged(Conflict):
    """The published version equals the current content."""

    code = "notice_unchanged"
    message = Message("The notice given out is up to date.")


class NothingRestored(Conflict):
    """No restored database explains the audit trail: it is complete, or events were removed from it."""

    code = "nothing_restored"
    message = Message("The audit trail does not look like that of a restored database. Nothing was accepted.")
