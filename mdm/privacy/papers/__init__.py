"""A child's data as a paper that a family can read: the same content as the JSON, with the words of the dictionary. Values in, bytes out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import typst

from cartable.fonts import load_fonts
from cartable.i18n import Language, Words
from mdm.privacy import dictionary

Json = dict[str, Any]
_TITLE = Words(fr="Données conservées sur un élève", en="What is kept about a pupil")
_NOTHING = Words(fr="rien", en="nothing")
_FOOTER = Words(fr="Document établi par la ville – rapport {report}", en="Made by the town – report {report}")
_PARTS: dict[str, Words] = {
    "pupil": Words(fr="L'élève", en="The pupil"),
    "place": Words(fr="École et classe", en="School and class"),
    "groups": Words(fr="Regroupements et dispositifs", en="Groups and support units"),
    "guardians": Words(fr="Responsables", en="Guardians"),
    "tablets": Words(fr="Tablettes", en="Tablets"),
    "loan": Words(fr="Prêts", en="Loans"),
    "losses": Words(fr="Pertes et vols", en="Losses and thefts"),
    "invitation": Words(fr="Invitations", en="Invitations"),
    "guardian_rule": Words(fr="Règles des responsables", en="Rules of the guardians"),
    "pupil_rhythm": Words(fr="Temps périscolaire", en="After-school time"),
    "requests": Words(fr="Demandes d'exercice de droits", en="Requests about these data"),
    "readings": Words(fr="Consultations de la fiche", en="Readings of the record"),
    "acts": Words(fr="Actes", en="Acts"),
    "purposes": Words(fr="Pourquoi ces données", en="Why these data are kept"),
}
#: Lists that may be long; a paper shows the latest and says how many there are.
MOST_LINES = 60
_WORDS = {"town": Words(fr="ville", en="town"), "school": Words(fr="école", en="school"), "class": Words(fr="classe", en="class"),
          "school_year": Words(fr="année scolaire", en="school year"), "tag": Words(fr="étiquette", en="tag"),
          "label": Words(fr="nom", en="name"), "day": Words(fr="jour", en="day"), "times": Words(fr="fois", en="times"),
          "at": Words(fr="date", en="at"), "action": Words(fr="acte", en="act"), "kind": Words(fr="nature", en="kind"),
          "positions": Words(fr="positions", en="positions"), "last_name": Words(fr="nom", en="last name"),
          "first_name": Words(fr="prénom", en="first name"), "received_on": Words(fr="reçue le", en="received on"),
          "answered_on": Words(fr="répondue le", en="answered on"), "more": Words(fr="et aussi", en="and also")}  # fmt: skip
_YES, _NO = Words(fr="oui", en="yes"), Words(fr="non", en="no")


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
        "title": _TITLE.say(language),
        "subtitle": f"{pupil['last_name']} {pupil['first_name']} – {told['made_at'][:10]}",
        "footer": _FOOTER.say(language, report=told["report_id"]),
        "nothing": _NOTHING.say(language),
        "language": language.value,
        "parts": [
            {"title": _PARTS[name].say(language) if name in _PARTS else name, "records": _records(name, told[name], language)}
            for name in sorted(set(told) - {"made_at", "report_id"}, key=_order)
        ],
    }


def _order(name: str) -> tuple[int, str]:
    known = list(_PARTS)
    return (known.index(name), "") if name in _PARTS else (len(known) - 3, name)


def _records(part: str, value: Any, language: Language) -> list[list[tuple[str, str]]]:
    if part == "purposes":
        return [[("–", words[language.value])] for words in value.values()]
    if isinstance(value, dict):
        return [_lines(part, value, language)]
    shown = value[-MOST_LINES:]
    records = [_lines(part, each if isinstance(each, dict) else {"tag": each}, language) for each in shown]
    if len(value) > len(shown):
        records.append([(_WORDS["more"].say(language), str(len(value) - len(shown)))])
    return records


def _lines(part: str, record: Json, language: Language) -> list[tuple[str, str]]:
    table = "lost_case" if part == "losses" else part
    return [
        (_label(table, name, language), _said(value, language)) for name, value in record.items() if value not in (None, "", [])
    ]


@cache
def _fields() -> dict[tuple[str, str], Words]:
    return {(each.table, each.field): each.words for each in dictionary.entries()}


def _label(table: str, field: str, language: Language) -> str:
    words = _fields().get((table, field)) or _WORDS.get(field)
    return words.say(language) if words else field.replace("_", " ")


def _said(value: Any, language: Language) -> str:
    if isinstance(value, bool):
        return (_YES if value else _NO).say(language)
    return str(value) if not isinstance(value, list | dict) else json.dumps(value, ensure_ascii=False)


@cache
def _template() -> bytes:
    return (Path(__file__).parent / "child.typ").read_bytes()
