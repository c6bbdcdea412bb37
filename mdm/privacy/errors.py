"""Refusals of privacy."""

from __future__ import annotations

from mdm.kit.errors import Conflict, Invalid, NotFound
from mdm.kit.words import Words


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
