"""Errors of roster imports and exports."""

from __future__ import annotations

from cartable.errors import Conflict, Forbidden, Invalid, NotFound
from cartable.i18n import Message


class ImportNotFound(NotFound):
    """The import does not exist or is not visible to the actor."""

    code = "import_not_found"
    message = Message("This import was not found.")


class ImportFinished(Conflict):
    """The import is confirmed, undone, discarded or expired, so the action is no longer possible."""

    code = "import_finished"
    message = Message("This import is already over.")


class ImportNeedsSecondPerson(Forbidden):
    """The import would remove so many people that another person must confirm it."""

    code = "needs_second_person"
    message = Message("This import would remove {left} pupils: another person must confirm it.")


class SchoolRequired(Invalid):
    """The file does not name its school, so the caller must."""

    code = "school_required"
    message = Message("Name the school (UAI) of this file.")


class ImportStale(Conflict):
    """Another import of one of the schools was confirmed or undone since the preview."""

    code = "import_stale"
    message = Message("Another import of this school was confirmed meanwhile: upload the file again.")


class NotTheLastImport(Conflict):
    """A later import of one of the schools is confirmed; only the last one can be undone."""

    code = "not_the_last_import"
    message = Message("Only the last import of a school can be undone.")


class UndoBlocked(Conflict):
    """Pupils whom the import created have a tablet or an invitation by now."""

    code = "undo_blocked"
    message = Message("{pupils} pupils of this import have a tablet or an invitation by now: it can no longer be undone.")


class LineAlreadyDecided(Conflict):
    """The line needs no decision, or another line is already about this person."""

    code = "line_already_decided"
    message = Message("This line is decided already.")


class NotACandidate(Invalid):
    """The chosen person is not one of the line's candidates."""

    code = "not_a_candidate"
    message = Message("This line cannot speak of this person.")


class UnknownField(Invalid):
    """A column was mapped to a field that does not exist."""

    code = "unknown_field"
    message = Message("There is no field “{field}”.")


class ForbiddenColumn(Invalid):
    """A column was mapped whose content is never kept of a child."""

    code = "forbidden_column"
    message = Message("The column “{column}” is never kept.")


class ExportRefused(Conflict):
    """The export would be incomplete or faulty. `reasons`: the blockers, each with a stable code and the ids concerned."""

    code = "export_refused"
    message = Message("This export would be incomplete: it was not made. See the reasons.")
