"""Pure rules of places: school codes, school years, what a town or school may be called. See docs/domain/schools.md#school-code."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_SHAPE = re.compile(r"[0-9]{7}[A-Z]")
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TAG_PREFIX = re.compile(r"[A-Z][A-Z0-9]{1,7}")
_PHONE = re.compile(r"\+?[0-9][0-9 ().-]{1,38}[0-9]")
MAX_SLUG = 40


def compute_uai_check_letter(digits: str) -> str:
    """Return the check letter that follows the first seven digits of a school code (UAI)."""
    return _LETTERS[int(digits) % 23]


def check_uai(text: str) -> tuple[str, str | None]:
    """Return the school code in its normal form, and its fault or None: `uai_length`, `uai_format`, `uai_check_letter`."""
    uai = re.sub(r"\s", "", text).upper()
    if len(uai) != 8:
        return uai, "uai_length"
    if not _SHAPE.fullmatch(uai):
        return uai, "uai_format"
    return uai, None if uai[7] == compute_uai_check_letter(uai[:7]) else "uai_check_letter"


def get_first_day_of_year(school_year: str) -> date:
    """Return 1 September of a school year, the day on which grades change."""
    return date(int(school_year[:4]), 9, 1)


def get_next_school_year(school_year: str) -> str:
    """Return the following school year: `2027-2028` for `2026-2027`."""
    return f"{int(school_year[:4]) + 1}-{int(school_year[:4]) + 2}"


def get_school_year(day: date) -> str:
    """Return the school year of a day, named by its two calendar years. A school year begins on 1 September."""
    start = day.year if day.month >= 9 else day.year - 1
    return f"{start}-{start + 1}"


def clean_text(text: str, maximum: int) -> str | None:
    """Return a text of one line without needless spaces; None if it is empty, too long or has characters that nobody can read."""
    cleaned = " ".join(text.split())
    is_readable = all(character.isprintable() for character in cleaned)
    return cleaned if cleaned and len(cleaned) <= maximum and is_readable else None


def make_slug(name: str) -> str:
    """Return the short name that a town gets from its name: small letters, digits and hyphens. It may be empty."""
    plain = unicodedata.normalize("NFKD", name.replace("œ", "oe").replace("Œ", "oe")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG].strip("-")


def propose_tag_prefixes(slug: str) -> list[str]:
    """Return what the inventory tags of a town may begin with, made of its short name; the first that is free is taken: CLA for clamart."""
    letters = re.sub(r"[^A-Z]", "", slug.upper())
    longer = [letters[:length] for length in range(3, 7) if len(letters) >= length] or [letters]
    return [prefix for prefix in (*longer, *(f"{letters[:3]}{number}" for number in range(2, 100))) if is_tag_prefix(prefix)]


def is_slug(text: str) -> bool:
    """Return whether a text can be the short name of a town."""
    return len(text) <= MAX_SLUG and _SLUG.fullmatch(text) is not None


def is_tag_prefix(text: str) -> bool:
    """Return whether inventory tags can begin with a text."""
    return _TAG_PREFIX.fullmatch(text) is not None


def is_phone(text: str) -> bool:
    """Return whether a text can be dialled: digits with spaces, points or hyphens, maybe a plus sign in front."""
    return _PHONE.fullmatch(text) is not None
