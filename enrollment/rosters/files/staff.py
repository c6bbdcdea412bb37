"""Parses a line of a table of teachers and other adults: the product's own template, or a list of the digital workspace (ENT)."""

from __future__ import annotations

from enrollment.people.text import make_label_key
from enrollment.rosters.files.cells import has_doubtful_letters, is_damaged_name, parse_class_label, parse_email
from enrollment.rosters.files.rows import DOUBTFUL_LETTERS, StaffRow

_KINDS = {
    "main": ("MAIN", "TITULAIRE", "PRINCIPAL", "ENSEIGNANT", "ENSEIGNANTE", "PROFESSEUR", "PROFESSEUR DES ECOLES", "TEACHER",
             "DIRECTEUR", "DIRECTRICE", "ADMINISTRATOR", "PERSONNEL"),
    "part": ("PART", "PARTIEL", "MI-TEMPS", "COMPLEMENT", "COMPLEMENT DE SERVICE", "TRS"),
    "relief": ("RELIEF", "DECHARGE", "DECHARGE DE DIRECTION"),
    "substitute": ("SUBSTITUTE", "REMPLACANT", "REMPLACANTE", "BRIGADE", "ZIL", "TR"),
    "support": ("SUPPORT", "AESH", "AVS", "ATSEM", "RASED", "AIDE"),
}  # fmt: skip
_KIND_BY_WORD = {word: kind for kind, words in _KINDS.items() for word in words}
#: Profiles in a list of all users that are no staff; those people are read from the files of pupils and guardians.
_NOT_STAFF = {"ELEVE", "STUDENT", "PUPIL", "PARENT", "RESPONSABLE", "GUARDIAN", "INVITE"}


def is_not_staff(cells: dict[str, str]) -> bool:
    """Return whether the line is about a pupil or a guardian."""
    return make_label_key(cells.get("kind", "")) in _NOT_STAFF


def parse_staff(line: int, cells: dict[str, str]) -> StaffRow:
    """Return a line as the row of one adult in one class."""
    last, first = cells.get("last_name", ""), cells.get("first_name", "")
    capacity, email = make_label_key(cells.get("kind", "")), parse_email(cells.get("email", ""))
    problems, notes = [], []
    if not last:
        problems.append("no_last_name")
    if is_damaged_name(last) or is_damaged_name(first):
        problems.append("damaged_name")
    if capacity and capacity not in _KIND_BY_WORD:
        problems.append("unknown_kind")
    if has_doubtful_letters(last) or has_doubtful_letters(first):
        notes.append(DOUBTFUL_LETTERS)
    if email is None:
        notes.append("bad_email")
    return StaffRow(
        line=line,
        last_name=last,
        first_name=first,
        email=email or "",
        class_label=parse_class_label(cells.get("class_label", "")),
        kind=_KIND_BY_WORD.get(capacity, "main"),
        school_uai=cells.get("school_uai", ""),
        problems=tuple(problems),
        notes=tuple(notes),
    )
