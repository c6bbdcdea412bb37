"""A child's data as a paper that a family can read: the same content as the JSON, with the words of the dictionary. Values in, bytes out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import typst

from cartable.fonts import load_fonts
from cartable.i18n import Language, Message
from mdm.privacy import dictionary

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
    "requests": Message("Requests about these data"),
    "readings": Message("Accesses to the record"),
    "acts": Message("Actions"),
    "purposes": Message("Why these data are kept"),
}
#: Lists that may be long; a paper shows the latest and says how many there are.
MOST_LINES = 60
_WORDS = {"town": Message("town"), "school": Message("school"), "class": Message("class"),
          "school_year": Message("school year"), "tag": Message("tag"),
          "label": Message("name"), "day": Message("day"), "times": Message("times"),
          "at": Message("date"), "action": Message("act"), "kind": Message("kind", context="export"),
          "positions": Message("positions"), "last_name": Message("last name"),
          "first_name": Message("first name"), "received_on": Message("received on"),
          "answered_on": Message("answered on"), "more": Message("and also")}  # fmt: skip
_YES, _NO = Message("yes"), Message("no")


def child(told: Json, language: Language) -> bytes:
    """The PDF of what `children.export` tells."""
    made = typst.compile(
        _template(),
        format="pdf",
        font_paths=load_fonts(),
        sys_inputs={"told": json.dumps(content(told, language), ensure_ascii=False)},
    )
    assert isinstance(made, bytes)
    return made


def content(told: Json, language: Language) -> Json:
    """What stands on the paper, part by part."""
    pupil = told["pupil"]
    return {
        "title": _TITLE.translate(language),
        "subtitle": f"{pupil['last_name']} {pupil['first_name']} – {told['made_at'][:10]}",
        "footer": _FOOTER.translate(language, report=told["report_id"]),
        "nothing": _NOTHING.translate(language),
        "language": language.code,
        "parts": [
            {"title": _PARTS[name].translate(language) if name in _PARTS else name, "records": _records(name, told[name], language)}
            for name in sorted(set(told) - {"made_at", "report_id"}, key=_order)
        ],
    }


def _order(name: str) -> tuple[int, str]:
    known = list(_PARTS)
    return (known.index(name), "") if name in _PARTS else (len(known) - 3, name)


def _records(part: str, value: Any, language: Language) -> list[list[tuple[str, str]]]:
    if part == "purposes":
        return [[("–", words[language.code])] for words in value.values()]
    if isinstance(value, dict):
        return [_lines(part, value, language)]
    shown = value[-MOST_LINES:]
    records = [_lines(part, each if isinstance(each, dict) else {"tag": each}, language) for each in shown]
    if len(value) > len(shown):
        records.append([(_WORDS["more"].translate(language), str(len(value) - len(shown)))])
    return records


def _lines(part: str, record: Json, language: Language) -> list[tuple[str, str]]:
    table = "lost_case" if part == "losses" else part
    return [
        (_label(table, name, language), _said(value, language)) for name, value in record.items() if value not in (None, "", [])
    ]


@cache
def _fields() -> dict[tuple[str, str], Message]:
    return {(each.table, each.field): each.words for each in dictionary.entries()}


def _label(table: str, field: str, language: Language) -> str:
    words = _fields().get((table, field)) or _WORDS.get(field)
    return words.translate(language) if words else field.replace("_", " ")


def _said(value: Any, language: Language) -> str:
    if isinstance(value, bool):
        return (_YES if value else _NO).translate(language)
    return str(value) if not isinstance(value, list | dict) else json.dumps(value, ensure_ascii=False)


@cache
def _template() -> bytes:
    return (Path(__file__).parent / "child.typ").read_bytes()
