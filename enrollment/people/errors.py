"""Refusals of roster imports."""

from __future__ import annotations

from mdm.kit.errors import Conflict, Forbidden, Invalid, NotFound
from mdm.kit.words import Words


class ImportNotFound(NotFound):
    """No such import in the caller's reach."""

    code = "import_not_found"
    words = Words(fr="Cet import est introuvable.", en="This import was not found.")


class ImportOver(Conflict):
    """The import was confirmed, discarded or is too old."""

    code = "import_over"
    words = Words(fr="Cet import est déjà terminé.", en="This import is already over.")


class NeedsSecondPerson(Forbidden):
    """So many pupils would leave that another person must confirm."""

    code = "needs_second_person"
    words = Words(
        fr="Cet import retirerait {left} élèves : une autre personne doit le confirmer.",
        en="This import would remove {left} pupils: another person must confirm it.",
    )


class SchoolNeeded(Invalid):
    """An ONDE file does not say which school it is of."""

    code = "school_needed"
    words = Words(fr="Indiquez l'école (UAI) de ce fichier.", en="Name the school (UAI) of this file.")
