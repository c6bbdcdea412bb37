"""Pure rules of places: school codes, school years. See docs/domain/schools.md#school-code."""

from __future__ import annotations

import re
from datetime import date

_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_SHAPE = re.compile(r"\d{7}[A-Z]$")


def uai_check_letter(digits: str) -> str:
    """Return the check letter that follows the first seven digits of a school code (UAI)."""
    return _LETTERS[int(digits) % 23]


def check_uai(text: str) -> tuple[str, str | None]:
    """Return the school code in its normal form, and its fault or None: `uai_length`, `uai_format`, `uai_check_letter`."""
    uai = re.sub(r"\s", "", text).upper()
    if len(uai) != 8:
        return uai, "uai_length"
    if not _SHAPE.match(uai):
        return uai, "uai_format"
    return uai, None if uai[7] == uai_check_letter(uai[:7]) else "uai_check_letter"


def get_first_day(school_year: str) -> date:
    """Return 1 September of a school year."""
    return date(int(school_year[:4]), 9, 1)


def school_year_of(day: date) -> str:
    """Return the school year of a day, named by its two calendar years. A school year begins on 1 September."""
    start = day.year if day.month >= 9 else day.year - 1
    return f"{start}-{start + 1}"
