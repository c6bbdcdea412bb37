"""Refusals of privacy."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class PupilUnknown(NotFound):
    """No such pupil in the caller's reach."""

    code = "pupil_not_found"
    message = Message("This pupil was not found.")


class LoanOpen(Conflict):
    """The pupil still holds a tablet: it comes back first."""

    code = "loan_open"
    message = Message("The pupil still holds a tablet: it must come back before the erasure.")


class AlreadyErased(Conflict):
    """Nothing is left to erase or to export."""

    code = "already_erased"
    message = Message("This pupil's data are erased already.")


class OutOfBounds(Invalid):
    """The period is outside what the rule allows."""

    code = "retention_out_of_bounds"
    message = Message("The period must lie between {shortest} and {longest} days.")


class ReportUnknown(NotFound):
    """No such report in the caller's reach."""

    code = "report_not_found"
    message = Message("This report was not found.")


class RequestUnknown(NotFound):
    """No such request in the caller's reach."""

    code = "request_not_found"
    message = Message("This request was not found.")


class RequestAnswered(Conflict):
    """The request is answered: what was said stays."""

    code = "request_answered"
    message = Message("This request is answered already.")


class RequestExtended(Conflict):
    """A term is extended once, before it is over."""

    code = "request_extended"
    message = Message("The term was extended already, or it is over.")


class NoticeUnchanged(Conflict):
    """The last version says what the program does."""

    code = "notice_unchanged"
    message = Message("The notice given out is up to date.")
