"""Labels of the roster pages: columns, states, and the reasons of lines and files. What a page says itself stands in its template."""

from __future__ import annotations

from typing import Any

from cartable.i18n import Language, Message
from enrollment.people.models import AssignmentKind, GroupKind
from enrollment.rosters.files.columns import ColumnStatus, FileKind
from enrollment.rosters.models import ImportState

FORMATS: dict[str, Message] = {"onde": Message("ONDE"), "own": Message("own template"), "oneroster": Message("OneRoster")}
STATES: dict[ImportState, Message] = {
    ImportState.PREVIEWED: Message("to be confirmed", context="roster import"),
    ImportState.CONFIRMED: Message("confirmed", context="roster import"),
    ImportState.DISCARDED: Message("discarded", context="roster import"),
    ImportState.UNDONE: Message("undone", context="roster import"),
}
ASSIGNMENTS: dict[AssignmentKind, Message] = {
    AssignmentKind.MAIN: Message("teacher", context="staff"),
    AssignmentKind.PART: Message("part of the week", context="staff"),
    AssignmentKind.RELIEF: Message("relief of the head", context="staff"),
    AssignmentKind.SUBSTITUTE: Message("substitute", context="staff"),
    AssignmentKind.SUPPORT: Message("support of pupils", context="staff"),
    AssignmentKind.AFTER_SCHOOL: Message("after-school agent", context="staff"),
}
GROUPS: dict[GroupKind, Message] = {
    GroupKind.GROUP: Message("group", context="roster"),
    GroupKind.UNIT: Message("support unit", context="roster"),
}
FILES: dict[FileKind, Message] = {
    FileKind.PUPILS: Message("Pupils"),
    FileKind.GUARDIANS: Message("Guardians"),
    FileKind.STAFF: Message("Staff"),
}
STANDINGS: dict[ColumnStatus, Message] = {
    ColumnStatus.KEPT: Message("kept", context="column"),
    ColumnStatus.FORBIDDEN: Message("never kept", context="column"),
    ColumnStatus.LEFT_OUT: Message("known, not needed", context="column"),
    ColumnStatus.UNKNOWN: Message("unknown", context="column"),
}
#: Why a line has its kind of change, by the stable code of the API.
LINE_REASONS: dict[str, Message] = {
    "name": Message("name"),
    "usage_name": Message("usage name"),
    "grade": Message("grade"),
    "class": Message("class"),
    "take_home": Message("takes home"),
    "returned": Message("is back"),
    "identifier": Message("identifier learned"),
    "twice_in_file": Message("twice in the file"),
    "several_pupils": Message("several pupils possible"),
    "other_school": Message("from another school"),
    "active_in_other_school": Message("still at another school"),
    "decided_by_hand": Message("decided by hand"),
    "rollover_promoted": Message("next year: moves up"),
    "rollover_retained": Message("next year: stays in the grade"),
    "rollover_skipping": Message("next year: skips a grade"),
    "rollover_leaver": Message("next year: leaves"),
    "rollover_decision_unknown": Message("decision for next year not understood"),
    "no_last_name": Message("no family name"),
    "no_first_name": Message("no first name"),
    "unknown_grade": Message("unknown grade"),
    "doubtful_letters": Message("letters of the name may be lost"),
    "several_classes": Message("in several classes"),
    "damaged_name": Message("name damaged by a spreadsheet"),
    "unknown_school": Message("unknown school"),
    "other_school_than_named": Message("another school than the one chosen"),
}
#: Why a file cannot be read, by the stable code of the error.
#: Why Apple School Manager gets no files now, by the stable code of the check.
EXPORT_REASONS: dict[str, Message] = {
    "summer_freeze": Message("summer freeze: heads do not have their lists yet"),
    "lists_unconfirmed": Message("schools whose new lists are not confirmed"),
    "school_without_pupils": Message("schools without pupils"),
    "pupil_without_class": Message("pupils without a class of this year"),
    "class_missing": Message("classes of the last set that are gone"),
    "no_pupils": Message("no pupils"),
    "name_missing": Message("names missing"),
}  # fmt: skip


def explain_reasons(reasons: list[str], language: Language) -> str:
    """Return the reasons of a line; a code without a label is shown as it is."""
    return ", ".join(LINE_REASONS[reason].translate(language) if reason in LINE_REASONS else reason for reason in reasons)


_WARNINGS: dict[str, Message] = {
    "encoding_guessed": Message(
        "The file does not name its encoding; it is read as {encoding}. Look at the names before you confirm."
    ),
    "doubtful_letters": Message(
        "{count} line with a name that may have lost letters (“?” or odd signs)",
        plural="{count} lines with a name that may have lost letters (“?” or odd signs)",
    ),
    "unknown_role": Message(
        "{count} person with the unknown role “{role}” is left out",
        plural="{count} people with the unknown role “{role}” are left out",
    ),
}
_ENCODINGS = {"cp850": "MS-DOS (CP850)", "mac-roman": "Mac OS Roman", "cp1252": "Windows-1252", "iso8859-15": "ISO 8859-15"}


def explain_warning(warning: dict[str, Any], language: Language) -> str:
    """Return a doubt about a file as a sentence."""
    encoding = _ENCODINGS.get(warning.get("encoding", ""), warning.get("encoding", ""))
    count, role = warning.get("count"), warning.get("role", "")
    return _WARNINGS[warning["code"]].translate(language, count=count, role=role, encoding=encoding)
