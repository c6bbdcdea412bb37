"""Refusals of roster imports and exports."""

from __future__ import annotations

from cartable.errors import Conflict, Forbidden, Invalid, NotFound
from cartable.i18n import Message


class ImportNotFound(NotFound):
    """No such import in the caller's reach."""

    code = "import_not_found"
    message = Message("This import was not found.")


class ImportOver(Conflict):
    """The import was confirmed, discarded or is too old."""

    code = "import_over"
    message = Message("This import is already over.")


class NeedsSecondPerson(Forbidden):
    """So many pupils would leave that another person must confirm."""

    code = "needs_second_person"
    message = Message("This import would remove {left} pupils: another person must confirm it.")


class SchoolNeeded(Invalid):
    """An ONDE file does not say which school it is of."""

    code = "school_needed"
    message = Message("Name the school (UAI) of this file.")


class ImportStale(Conflict):
    """Another import of the same school came between the preview and its confirmation."""

    code = "import_stale"
    message = Message("Another import of this school was confirmed meanwhile: upload the file again.")


class NotTheLastImport(Conflict):
    """Only the last import of a school can be undone."""

    code = "not_the_last_import"
    message = Message("Only the last import of a school can be undone.")


class UndoBlocked(Conflict):
    """Pupils whom the import brought hold a tablet or an invitation by now."""

    code = "undo_blocked"
    message = Message("{pupils} pupils of this import have a tablet or an invitation by now: it can no longer be undone.")


class LineDecided(Conflict):
    """The line needs no decision, or another line speaks of this person."""

    code = "line_decided"
    message = Message("This line is decided already.")


class NotACandidate(Invalid):
    """The person is not one of those whom the line may speak of."""

    code = "not_a_candidate"
    message = Message("This line cannot speak of this person.")


class UnknownField(Invalid):
    """A column was mapped to something that is not kept."""

    code = "unknown_field"
    message = Message("There is no field “{field}”.")


class ForbiddenColumn(Invalid):
    """The column holds what is never kept of a child."""

    code = "forbidden_column"
    message = Message("The column “{column}” is never kept.")


class ExportRefused(Conflict):
    """The set would be partial or faulty; `reasons` tells why, each with a stable code and the ids it is about."""

    code = "export_refused"
    message = Message("This export would be incomplete: it was not made. See the reasons.")
