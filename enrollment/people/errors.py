"""Refusals of roster imports and exports."""

from __future__ import annotations

from cartable.errors import Conflict, Forbidden, Invalid, NotFound
from cartable.i18n import Words


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


class ImportStale(Conflict):
    """Another import of the same school came between the preview and its confirmation."""

    code = "import_stale"
    words = Words(
        fr="Un autre import de cette école a été confirmé entre-temps : déposez le fichier à nouveau.",
        en="Another import of this school was confirmed meanwhile: upload the file again.",
    )


class NotTheLastImport(Conflict):
    """Only the last import of a school can be undone."""

    code = "not_the_last_import"
    words = Words(fr="Seul le dernier import d'une école peut être annulé.", en="Only the last import of a school can be undone.")


class UndoBlocked(Conflict):
    """Pupils whom the import brought hold a tablet or an invitation by now."""

    code = "undo_blocked"
    words = Words(
        fr="{pupils} élèves de cet import ont déjà une tablette ou une invitation : l'import ne peut plus être annulé.",
        en="{pupils} pupils of this import have a tablet or an invitation by now: it can no longer be undone.",
    )


class LineDecided(Conflict):
    """The line needs no decision, or another line speaks of this person."""

    code = "line_decided"
    words = Words(fr="Cette ligne est déjà décidée.", en="This line is decided already.")


class NotACandidate(Invalid):
    """The person is not one of those whom the line may speak of."""

    code = "not_a_candidate"
    words = Words(fr="Cette ligne ne peut pas parler de cette personne.", en="This line cannot speak of this person.")


class UnknownField(Invalid):
    """A column was mapped to something that is not kept."""

    code = "unknown_field"
    words = Words(fr="Il n'y a pas de champ « {field} ».", en="There is no field “{field}”.")


class ForbiddenColumn(Invalid):
    """The column holds what is never kept of a child."""

    code = "forbidden_column"
    words = Words(fr="La colonne « {column} » n'est jamais conservée.", en="The column “{column}” is never kept.")


class ExportRefused(Conflict):
    """The set would be partial or faulty; `reasons` tells why, each with a stable code and the ids it is about."""

    code = "export_refused"
    words = Words(
        fr="Cet export serait incomplet : il n'a pas été fait. Voir les raisons.",
        en="This export would be incomplete: it was not made. See the reasons.",
    )
