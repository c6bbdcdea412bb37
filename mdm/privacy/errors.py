"""Refusals of privacy."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Words


class PupilUnknown(NotFound):
    """No such pupil in the caller's reach."""

    code = "pupil_not_found"
    words = Words(fr="Cet élève est introuvable.", en="This pupil was not found.")


class LoanOpen(Conflict):
    """The pupil still holds a tablet: it comes back first."""

    code = "loan_open"
    words = Words(
        fr="L'élève a encore une tablette : elle doit être rendue avant l'effacement.",
        en="The pupil still holds a tablet: it must come back before the erasure.",
    )


class AlreadyErased(Conflict):
    """Nothing is left to erase or to export."""

    code = "already_erased"
    words = Words(fr="Les données de cet élève sont déjà effacées.", en="This pupil's data are erased already.")


class OutOfBounds(Invalid):
    """The period is outside what the rule allows."""

    code = "retention_out_of_bounds"
    words = Words(
        fr="La durée doit être comprise entre {shortest} et {longest} jours.",
        en="The period must lie between {shortest} and {longest} days.",
    )


class ReportUnknown(NotFound):
    """No such report in the caller's reach."""

    code = "report_not_found"
    words = Words(fr="Ce rapport est introuvable.", en="This report was not found.")


class RequestUnknown(NotFound):
    """No such request in the caller's reach."""

    code = "request_not_found"
    words = Words(fr="Cette demande est introuvable.", en="This request was not found.")


class RequestAnswered(Conflict):
    """The request is answered: what was said stays."""

    code = "request_answered"
    words = Words(fr="Cette demande a déjà reçu sa réponse.", en="This request is answered already.")


class RequestExtended(Conflict):
    """A term is extended once, before it is over."""

    code = "request_extended"
    words = Words(
        fr="Le délai a déjà été prolongé, ou il est dépassé.",
        en="The term was extended already, or it is over.",
    )


class NoticeUnchanged(Conflict):
    """The last version says what the program does."""

    code = "notice_unchanged"
    words = Words(fr="La notice publiée est à jour.", en="The notice given out is up to date.")
