"""The words of the pages about rosters."""

from __future__ import annotations

from cartable.i18n import Language, Message
from enrollment.people.files.columns import FileKind, Standing
from enrollment.people.imports.changes import Diff, Subject
from enrollment.people.models import ImportState

_PAGE: dict[str, Message] = {
    "import": Message("Import a roster"),
    "import_why": Message("Nothing is written before you confirm. The file is never kept; addresses, sex, phone numbers and birth place are dropped while it is read."),
    "school": Message("School"),
    "school_why": Message("An ONDE file does not say which school it belongs to."),
    "several_schools": Message("The file names its schools"),
    "file": Message("File"),
    "file_why": Message("ONDE (pupils, guardians), Cartable template, staff: CSV or XLSX. OneRoster: ZIP. 5 MB at most."),
    "of_whom": Message("Whose data does the file hold?"),
    "by_header": Message("Recognised by its header"),
    "of_year": Message("School year of the roster"),
    "only_classes": Message("Part of the school only: nobody in another class has left"),
    "keep_contacts": Message("Keep e-mail and mobile of guardians, for their portal"),
    "to_preview": Message("See the preview"),
    "to_columns": Message("Name the columns"),
    "frozen_now": Message("From {first} to {last} no roster removes anybody. The rosters of the new year wait for 1 September: grades change on that day."),
    "latest": Message("Latest imports"),
    "uploaded": Message("Uploaded"),
    "format": Message("Format"),
    "changes": Message("Changes"),
    "open": Message("Open"),
    "export": Message("Export"),
    "export_own": Message("Cartable template, filled in"),
    "pupils": Message("pupils"),
    "staff": Message("staff"),
    "oneroster": Message("OneRoster 1.2 (ZIP)"),
    "apple": Message("Apple School Manager (ZIP)"),
    "apple_reasons": Message("Apple School Manager: not now"),
    "import_of": Message("Import of {at}"),
    "for_year": Message("Roster of the year {year}"),
    "waits": Message("This roster is for the coming year. Once confirmed it says where each pupil will be on 1 September; no tablet changes before."),
    "nobody_leaves": Message("Nobody is removed: people who are not in the file stay as they are."),
    "sample": Message("Are the names read correctly?"),
    "sample_why": Message("If an accent is damaged, discard this import and extract again without a spreadsheet."),
    "ignored": Message("Columns dropped"),
    "skipped": Message("{count} empty or footer lines skipped"),
    "to_look_at": Message("To review"),
    "all_good": Message("No line with a problem."),
    "lines": Message("Lines"),
    "line": Message("Line"),
    "name": Message("Name"),
    "level": Message("Level"),
    "class": Message("Class"),
    "change": Message("Change"),
    "why": Message("Why"),
    "is": Message("Who is it?"),
    "is_of": Message("Who is it, line {line}?"),
    "somebody_new": Message("Somebody new"),
    "decide": Message("Decide"),
    "everything": Message("All lines"),
    "confirm": Message("Confirm the import"),
    "discard": Message("Discard"),
    "undo": Message("Undo the import"),
    "undo_why": Message("Possible for 24 hours. What somebody has changed since stays."),
    "report": Message("Download the report"),
    "second": Message("{count} people would leave the school: the file may be partial. Somebody other than the uploader must confirm."),
    "second_you": Message("You have uploaded it: another person of the town hall must confirm. If it holds part of the school only, discard it and upload it again with “Part of the school only” ticked."),
    "unreadable": Message("This file cannot be read: {why}."),
    "columns_of": Message("Columns of the file"),
    "columns_why": Message("Say what each column is. It is saved for this school. The file was not kept: you will upload it again."),
    "column": Message("Column"),
    "is_read_as": Message("Read as"),
    "standing": Message("What happens to it"),
    "leave_out": Message("leave out"),
    "as_known": Message("by its name"),
    "never_kept": Message("never kept"),
    "save_columns": Message("Save for this school"),
    "columns_kept": Message("Saved. Upload the file again."),
    "confirmed": Message("The import is confirmed."),
    "undone": Message("The import is undone: everything is as before."),
    "decided": Message("Noted."),
    "forgotten": Message("This import is more than a day old: its lines are forgotten."),
    "no_school": Message("Enter a school first."),
    "try_columns": Message("A needed column was not recognised: “Name the columns” lets you say what they are."),
}  # fmt: skip
KINDS: dict[Diff, Message] = {
    Diff.NEW: Message("new"),
    Diff.UNCHANGED: Message("unchanged"),
    Diff.RENAMED: Message("details changed"),
    Diff.MOVED_CLASS: Message("moved class"),
    Diff.CHANGED_LEVEL: Message("changed level"),
    Diff.LEFT_FILE: Message("left the file"),
    Diff.DUPLICATE: Message("duplicate"),
    Diff.AMBIGUOUS: Message("to be decided"),
    Diff.INVALID: Message("not imported"),
}
#: The same of one line.
LINES: dict[Diff, Message] = {
    Diff.NEW: Message("new"),
    Diff.UNCHANGED: Message("unchanged"),
    Diff.RENAMED: Message("details changed"),
    Diff.MOVED_CLASS: Message("moves class"),
    Diff.CHANGED_LEVEL: Message("changes level"),
    Diff.LEFT_FILE: Message("left the file"),
    Diff.DUPLICATE: Message("duplicate"),
    Diff.AMBIGUOUS: Message("to be decided"),
    Diff.INVALID: Message("not imported"),
}
SUBJECTS: dict[Subject, Message] = {
    Subject.PUPIL: Message("pupil", context="person"),
    Subject.GUARDIAN: Message("guardian", context="person"),
    Subject.STAFF: Message("staff", context="person"),
}
STATES: dict[ImportState, Message] = {
    ImportState.PREVIEWED: Message("to be confirmed", context="roster import"),
    ImportState.CONFIRMED: Message("confirmed", context="roster import"),
    ImportState.DISCARDED: Message("discarded", context="roster import"),
    ImportState.UNDONE: Message("undone", context="roster import"),
}
FILES: dict[FileKind, Message] = {
    FileKind.PUPILS: Message("Pupils"),
    FileKind.GUARDIANS: Message("Guardians"),
    FileKind.STAFF: Message("Staff"),
}
STANDINGS: dict[Standing, Message] = {
    Standing.KEPT: Message("kept", context="column"),
    Standing.FORBIDDEN: Message("never kept", context="column"),
    Standing.LEFT_OUT: Message("known, not needed", context="column"),
    Standing.UNKNOWN: Message("unknown", context="column"),
}
FIELDS: dict[str, Message] = {
    "last_name": Message("family name"),
    "usage_name": Message("usage name"),
    "first_name": Message("first name"),
    "birth_date": Message("birth date (to match, never kept)"),
    "ine": Message("INE (to match, never kept)"),
    "level": Message("level"),
    "class_label": Message("class"),
    "onde_class_id": Message("class number of ONDE"),
    "school_uai": Message("UAI of the school"),
    "take_home": Message("takes the tablet home"),
    "inventory_tag": Message("inventory tag"),
    "passage": Message("decision for next year (the word, never the text)"),
    "email": Message("e-mail"),
    "mobile": Message("mobile"),
    "child_last_name": Message("child's family name"),
    "child_usage_name": Message("child's usage name"),
    "child_first_name": Message("child's first name"),
    "child_class": Message("child's class"),
    "kind": Message("capacity"),
    "profile": Message("profile"),
    "groups": Message("groups"),
    "units": Message("units (ULIS, UPE2A)"),
    "class": Message("class"),
}
#: Why a line is what it is; a word that is not here is shown as it is.
WHY: dict[str, Message] = {
    "name": Message("name"),
    "usage_name": Message("usage name"),
    "level": Message("level"),
    "class": Message("class"),
    "take_home": Message("takes home"),
    "returned": Message("is back"),
    "identifier": Message("identifier learned"),
    "twice_in_file": Message("twice in the file"),
    "several_pupils": Message("several pupils possible"),
    "other_school": Message("from another school"),
    "active_in_other_school": Message("still at another school"),
    "decided_by_hand": Message("decided by hand"),
    "passage_promoted": Message("next year: moves up"),
    "passage_retained": Message("next year: stays in the grade"),
    "passage_skipping": Message("next year: skips a grade"),
    "passage_leaver": Message("next year: leaves"),
    "passage_unknown": Message("decision for next year not understood"),
    "no_last_name": Message("no family name"),
    "no_first_name": Message("no first name"),
    "unknown_level": Message("unknown level"),
    "damaged_name": Message("name damaged by a spreadsheet"),
    "unknown_school": Message("unknown school"),
    "other_school_than_named": Message("another school than the one chosen"),
}
#: Why a file as a whole is refused, by the stable word of the refusal.
UNREADABLE: dict[str, Message] = {
    "bad_csv": Message("this CSV is damaged"),
    "bad_xlsx": Message("this workbook is damaged"),
    "bad_zip": Message("this archive is damaged"),
    "binary": Message("it is neither a CSV, an XLSX nor a OneRoster archive"),
    "duplicate_column": Message("two columns hold the same field"),
    "empty": Message("it is empty"),
    "encoding_suspect": Message("its accents are damaged; extract it anew without a spreadsheet"),
    "locked_or_old_workbook": Message("this workbook has a password or an old format; save it as .xlsx or .csv"),
    "oneroster_delta": Message("this OneRoster set is partial; a whole one is needed"),
    "oneroster_version": Message("this version of OneRoster is not read"),
    "too_large": Message("it is too large"),
    "too_many_lines": Message("it has too many lines"),
    "zip_duplicate": Message("a file is twice in the archive"),
    "zip_encrypted": Message("the archive has a password"),
    "zip_too_large": Message("the archive is too large"),
    "zip_unsafe_name": Message("a name in the archive is suspicious"),
}
_MISSING = Message("missing: {field}")
REASONS: dict[str, Message] = {
    "summer_freeze": Message("summer freeze: heads do not have their lists yet"),
    "lists_unconfirmed": Message("schools whose new lists are not confirmed"),
    "school_without_pupils": Message("schools without pupils"),
    "pupil_without_class": Message("pupils without a class of this year"),
    "class_missing": Message("classes of the last set that are gone"),
    "no_pupils": Message("no pupils"),
    "name_missing": Message("names missing"),
}  # fmt: skip


def words_of(language: Language) -> dict[str, str]:
    """Every word of these pages in one language."""
    return {name: words.translate(language) for name, words in _PAGE.items()}


def why_words(told: list[str], language: Language) -> str:
    """The reasons of a line for a person."""
    return ", ".join(WHY[word].translate(language) if word in WHY else word for word in told)


def unreadable_words(why: str, language: Language) -> str:
    """Why a file cannot be read; a word that is not here is shown as it is."""
    if why.startswith("missing_"):
        field = why.removeprefix("missing_")
        return _MISSING.translate(language).format(field=FIELDS[field].translate(language) if field in FIELDS else field)
    return UNREADABLE[why].translate(language) if why in UNREADABLE else why
