"""Why a roster file cannot be read, for people, and the names of its fields: for every page that takes one."""

from __future__ import annotations

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from enrollment.rosters.files.errors import UnreadableRoster

FIELDS: dict[str, Message] = {
    "last_name": Message("family name"),
    "usage_name": Message("usage name"),
    "first_name": Message("first name"),
    "birth_date": Message("birth date (to match, never kept)"),
    "ine": Message("INE (to match, never kept)"),
    "grade": Message("grade"),
    "class_label": Message("class"),
    "onde_class_id": Message("class number of ONDE"),
    "school_uai": Message("UAI of the school"),
    "take_home": Message("takes the tablet home"),
    "inventory_tag": Message("inventory tag"),
    "rollover_decision": Message("decision for next year (the word, never the text)"),
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

UNREADABLE: dict[str, Message] = {
    "bad_csv": Message("this CSV is damaged"),
    "bad_xlsx": Message("this workbook is damaged"),
    "bad_zip": Message("this archive is damaged"),
    "binary": Message("it is neither a CSV, an XLSX nor a OneRoster archive"),
    "duplicate_column": Message("two columns hold the same field"),
    "empty": Message("it is empty"),
    "encoding_suspect": Message(
        "its accents are damaged or in an unknown encoding; extract it anew without a spreadsheet, or save it as UTF-8"
    ),
    "locked_or_old_workbook": Message("this workbook has a password or an old format; save it as .xlsx or .csv"),
    "oneroster_delta": Message("this OneRoster set is partial; a whole one is needed"),
    "oneroster_version": Message("this version of OneRoster is not read"),
    "open_document": Message("it is a file of LibreOffice (.ods); save it as .xlsx or .csv"),
    "open_quote": Message('a quotation mark (") that opens in line {line} takes in other lines: remove it'),
    "too_large": Message("it is too large"),
    "too_many_lines": Message("it has too many lines"),
    "zip_duplicate": Message("a file is twice in the archive"),
    "zip_encrypted": Message("the archive has a password"),
    "zip_several_lists": Message("the archive contains several lists; send them one by one"),
    "zip_too_large": Message("the archive is too large"),
    "zip_unsafe_name": Message("a name in the archive is suspicious"),
    "zip_without_list": Message("it is an archive, or a file of another program, without a list; save the list as .csv or .xlsx"),
}

_MISSING = Message("missing: {field}")


def describe_roster_refusal(problem: DomainError, language: Language) -> str:
    """Return the sentence for a refused act on a roster; of a file that cannot be read it says why."""
    if not isinstance(problem, UnreadableRoster):
        return problem.translate(language)
    return language.gettext(
        "This file cannot be read: {why}.",
        why=explain_unreadable(str(problem.details.get("why", "")), language, problem.details.get("line")),
    )


def explain_unreadable(code: str, language: Language, line: object = None) -> str:
    """Return why a file cannot be read, and in which line; a code without a label is shown as it is."""
    if code.startswith("missing_"):
        field = code.removeprefix("missing_")
        return _MISSING.translate(language, field=FIELDS.get(field, field))
    return UNREADABLE[code].translate(language, line=line) if code in UNREADABLE else code
