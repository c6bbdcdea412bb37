"""Parsers of single cells: they return one normal form, or None for a cell that cannot be read, such as one damaged by a spreadsheet."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import date, datetime, timedelta

from enrollment.people.text import make_label_key, strip_accents
from enrollment.places.models import Grade

MAX_CELL = 200
MAX_LABEL = 120
_SPACES = re.compile(r"\s+")
_GUARDED = re.compile(r"'(?=[=+\-@])")
_APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u00b4`"), "'")
#: Control characters, zero-width characters, soft hyphens, marks of direction: invisible, but they make two spellings of one name.
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1b\x7f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def clean_cell(cell: str, max_length: int = MAX_CELL) -> str:
    """Return the cell as one trimmed line in NFC, with plain spaces and apostrophes and no invisible characters.

    The apostrophe that an export puts before a cell that a spreadsheet would run as a formula is removed.
    """
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", cell)).translate(_APOSTROPHES)
    return _GUARDED.sub("", _SPACES.sub(" ", text).strip(), count=1)[:max_length]


SPELLED_OUT_GRADES = {
    "COURS PREPARATOIRE": Grade.CP,
    "COURS ELEMENTAIRE 1": Grade.CE1,
    "COURS ELEMENTAIRE 2": Grade.CE2,
    "COURS MOYEN 1": Grade.CM1,
    "COURS MOYEN 2": Grade.CM2,
    "PETITE SECTION": Grade.PS,
    "MOYENNE SECTION": Grade.MS,
    "GRANDE SECTION": Grade.GS,
}
_GRADES = {grade.value: grade for grade in Grade} | SPELLED_OUT_GRADES
_TAIL = re.compile(r"(?:ERE|EME|E)? ANNEE$")


def parse_grade(cell: str) -> Grade | None:
    """Return the grade of a cell, written as a code or spelled out; None when it is none."""
    key = _TAIL.sub("", make_label_key(cell)).strip()
    return _GRADES.get(key) or _GRADES.get(key.replace(" ", ""))


_INE = re.compile(r"\d{10}[A-Z]|\d{9}[A-Z]{2}")


def parse_ine(cell: str) -> str | None:
    """Return the INE of a cell, `""` when it is empty, None when it is not one, such as `1,23457E+10`."""
    ine = cell.upper().replace(" ", "")
    return ine if not ine or _INE.fullmatch(ine) else None


_FRENCH_DATE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?: .*)?")
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?")
#: A date that lost its format in a spreadsheet: days since 1899, here from 2001 to 2064.
_SERIAL = re.compile(r"(?:3[7-9]|4\d|5\d)\d{3}")
_FIRST_DAY = date(1899, 12, 30)


def parse_birth_date(cell: str) -> str | None:
    """Return a pupil's birth date as `dd/mm/yyyy`, `""` when the cell is empty, None when it is not a date. A year of two digits is one
    of this century.
    """
    if not cell:
        return ""
    if _SERIAL.fullmatch(cell):
        return (_FIRST_DAY + timedelta(days=int(cell))).strftime("%d/%m/%Y")
    french, iso = _FRENCH_DATE.fullmatch(cell), _ISO_DATE.fullmatch(cell)
    parts = french.groups()[::-1] if french else iso.groups() if iso else None
    if parts is None:
        return None
    year, month, day = (int(part) for part in parts)
    try:
        return date(year + 2000 if len(parts[0]) == len("26") else year, month, day).strftime("%d/%m/%Y")
    except ValueError:
        return None


_MONTHS = "janv|fevr|mars|avr|mai|juin|juil|aout|sept|oct|nov|dec|jan|feb|mar|apr|may|jun|jul|aug|sep"
_LIKE_A_DATE = re.compile(
    rf"\d{{1,4}}[/.-]\d{{1,2}}(?:[/.-]\d{{2,4}})?|\d{{1,4}}[-. ](?:{_MONTHS})\w*\.?|(?:{_MONTHS})\w*\.?-\d{{2,4}}"
)


def is_damaged_name(cell: str) -> bool:
    """Return whether a spreadsheet has turned this name into a date or a number."""
    text = strip_accents(cell.lower())
    return bool(text) and (_LIKE_A_DATE.fullmatch(text) is not None or re.fullmatch(r"\d[\d.,e+]*", text) is not None)


#: Signs that names are written with, besides letters and digits.
_NAME_SIGNS = re.compile(r"[\w\s'’.,()/&+-]*")
#: A capital with accent after a small letter, or a letter that stands alone where UTF-8 was read in another encoding.
_MISREAD = re.compile(r"[a-zß-öø-ÿ][À-ÖØ-ÞŠŽŸŒ]|(?<!\w)[ÃÂ√](?!\w)")


def has_doubtful_letters(name: str) -> bool:
    """Return whether a name has lost letters on its way (`Fran?ois`), or has signs that a wrong encoding leaves (`ZoŽ`)."""
    return _NAME_SIGNS.fullmatch(name) is None or _MISREAD.search(name) is not None


def parse_class_label(cell: str) -> str:
    """Return the label of a class. The national directory writes it behind the code of the school: `structure$class`."""
    return cell.rpartition("$")[2].strip() if "$" in cell else cell


def parse_labels(cell: str | None) -> tuple[str, ...] | None:
    """Return the distinct labels of a cell that may contain several, in the order of their keys; None when the file has no such cell."""
    if cell is None:
        return None
    parts = {make_label_key(part): part.strip()[:MAX_LABEL] for part in re.split(r"[,;|]", cell) if part.strip()}
    return tuple(parts[key] for key in sorted(parts))


_NO = {"non", "no", "false", "faux", "0", "n"}


def parse_yes_no(cell: str) -> bool | None:
    """Return whether a cell says yes; None when it is empty."""
    return None if not cell else strip_accents(cell.lower()) not in _NO


_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]{1,120}\.[^@\s,;<>\".]{2,24}")


def parse_email(cell: str) -> str | None:
    """Return an e-mail address in lower case, `""` when the cell is empty, None when it is not one."""
    text = cell.lower()
    return text if not text or _EMAIL.fullmatch(text) else None


def parse_mobile(cell: str) -> str | None:
    """Return a mobile number in its international form, `""` when the cell is empty, None when it is not one."""
    digits = re.sub(r"[\s.()/-]", "", cell)
    if not digits:
        return ""
    number = "+33" + digits[-9:] if re.fullmatch(r"(?:0|\+33|0033|33)?[67]\d{8}", digits) else digits
    return number if re.fullmatch(r"\+\d{8,15}", number) else None


def format_spreadsheet_value(value: object) -> str:
    """Return a typed cell of a spreadsheet as the text that a CSV file would contain; empty for what is no number."""
    if isinstance(value, datetime | date):
        return value.strftime("%d/%m/%Y")
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
