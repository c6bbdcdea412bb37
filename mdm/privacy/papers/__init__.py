"""Renders a child's export as a PDF for the family: the content of the JSON with the labels of the dictionary. Values in, bytes out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import typst

from cartable.fonts import load_fonts
from cartable.i18n import Language, Message
from mdm.privacy import dictionary
from mdm.privacy.papers.values import format_time, format_value, is_record_number

Json = dict[str, Any]
_TITLE = Message("Data kept about a pupil")
_NOTHING = Message("nothing")
_FOOTER = Message("Made by the town – report {report}")
_PARTS: dict[str, Message] = {
    "pupil": Message("The pupil"),
    "place": Message("School and class"),
    "groups": Message("Groups and support units"),
    "guardians": Message("Guardians"),
    "tablets": Message("Tablets"),
    "loan": Message("Loans"),
    "losses": Message("Losses and thefts"),
    "invitation": Message("Invitations"),
    "guardian_rule": Message("Rules of the guardians"),
    "pupil_after_school": Message("After-school time"),
    "class_absence": Message("Absence from class"),
    "requests": Message("Requests about these data"),
    "readings": Message("Accesses to the record"),
    "rollover_line": Message("Turn of the school year"),
    "reservation": Message("Tablets reserved"),
    "policy_group_member": Message("Groups with rules of their own"),
    "pupil_name_prefix": Message("Index for the search by name"),
    "acts": Message("Actions"),
    "purposes": Message("Why these data are kept"),
}
#: How many records of a list are printed: the latest ones, with the number of the others.
MAX_RECORDS = 60
_LABELS = {"town": Message("town"), "school": Message("school"), "class": Message("class"),
          "school_year": Message("school year"), "tag": Message("tag"),
          "label": Message("name"), "day": Message("day"), "times": Message("times"),
          "at": Message("date"), "time_zone": Message("time zone of the hours"), "action": Message("act"), "kind": Message("kind", context="export"),
          "positions": Message("positions"), "last_name": Message("last name"),
          "first_name": Message("first name"), "received_on": Message("received on"),
          "answered_on": Message("answered on"), "more": Message("and also")}  # fmt: skip
_NUMBERS = Message("only numbers of records, which the file for programs has")


def render_child_export(export: Json, language: Language) -> bytes:
    """Return the PDF of an export (`children.export_child`)."""
    pdf = typst.compile(
        _load_template(),
        format="pdf",
        font_paths=load_fonts(),
        sys_inputs={"data": json.dumps(build_content(export, language), ensure_ascii=False)},
    )
    assert isinstance(pdf, bytes)
    return pdf


def build_content(export: Json, language: Language) -> Json:
    """Return what the PDF contains, part by part."""
    pupil, zone = export["pupil"], ZoneInfo(export["place"]["time_zone"])
    return {
        "title": _TITLE.translate(language),
        "subtitle": f"{pupil['last_name']} {pupil['first_name']} – {format_time(export['created_at'], zone)}",
        "footer": _FOOTER.translate(language, report=export["report_id"]),
        "nothing": _NOTHING.translate(language),
        "language": language.code,
        "parts": [
            {
                "title": _PARTS[name].translate(language) if name in _PARTS else name,
                "records": _build_records(name, export[name], zone, language),
            }
            for name in sorted(set(export) - {"created_at", "report_id"}, key=_sort_key)
        ],
    }


def _sort_key(name: str) -> tuple[int, str]:
    names = list(_PARTS)
    return (names.index(name), "") if name in _PARTS else (len(names) - 3, name)


def _build_records(part: str, value: Any, zone: ZoneInfo, language: Language) -> list[list[tuple[str, str]]]:
    if part == "purposes":
        return [[("–", words[language.code])] for words in value.values()]
    if isinstance(value, dict):
        return [_build_lines(part, value, zone, language)]
    rows = [
        _build_lines(part, each if isinstance(each, dict) else {"tag": each}, zone, language) for each in value[-MAX_RECORDS:]
    ]
    records = [row for row in rows if row]
    if len(records) < len(rows):
        records.append([("–", _NUMBERS.translate(language))])
    if len(value) > len(rows):
        records.append([(_LABELS["more"].translate(language), str(len(value) - len(rows)))])
    return records


def _build_lines(part: str, record: Json, zone: ZoneInfo, language: Language) -> list[tuple[str, str]]:
    table = {"losses": "lost_case", "requests": "privacy_request"}.get(part, part)
    return [
        (_translate_label(table, name, language), format_value(part, name, value, zone, language))
        for name, value in record.items()
        if value not in (None, "", []) and not is_record_number(value)
    ]


@cache
def _load_field_labels() -> dict[tuple[str, str], Message]:
    return {(each.table, each.field): each.label for each in dictionary.list_entries()}


def _translate_label(table: str, field: str, language: Language) -> str:
    label = _load_field_labels().get((table, field)) or _LABELS.get(field)
    return label.translate(language) if label else field.replace("_", " ")


@cache
def _load_template() -> bytes:
    return (Path(__file__).parent / "child.typ").read_bytes()
