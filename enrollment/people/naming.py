"""Displayed names of pupils: the shortest form that distinguishes the pupils of one list. Pure.

See docs/domain/schools.md#facts-about-pupils-that-break-simple-models.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

from enrollment.people.models import Pupil

NameFormatter = Callable[[Pupil], str]


def get_displayed_last_name(pupil: Pupil) -> str:
    """Return the usage name when the pupil has one, else the family name."""
    return pupil.usage_name or pupil.last_name


def format_full_name(pupil: Pupil) -> str:
    """Return first and last name."""
    return f"{pupil.first_name} {get_displayed_last_name(pupil)}".strip()


def get_homonym_mark(pupil: Pupil) -> str:
    """Return the last two characters of the pupil's id, which distinguish homonyms of one grade on screen and on paper."""
    return str(pupil.id)[-2:]


def build_short_names(pupils: Sequence[Pupil]) -> dict[UUID, str]:
    """Return first name and initial of each pupil, for a screen that families see too; more only for pupils who would look alike."""
    return _disambiguate(pupils, (_short_name, format_full_name, _name_with_grade, _name_with_mark, _name_with_id))


def build_full_names(pupils: Sequence[Pupil]) -> dict[UUID, str]:
    """Return first and last name of each pupil, for a sheet that goes to one family; homonyms with grade and mark."""
    return _disambiguate(pupils, (format_full_name, _name_with_grade, _name_with_mark, _name_with_id))


def _short_name(pupil: Pupil) -> str:
    return f"{pupil.first_name} {get_displayed_last_name(pupil)[:1]}." if pupil.first_name else get_displayed_last_name(pupil)


def _name_with_grade(pupil: Pupil) -> str:
    return f"{format_full_name(pupil)} ({pupil.grade.value})"


def _name_with_mark(pupil: Pupil) -> str:
    return f"{format_full_name(pupil)} ({pupil.grade.value} · {get_homonym_mark(pupil)})"


def _name_with_id(pupil: Pupil) -> str:
    return f"{format_full_name(pupil)} ({pupil.grade.value} · {pupil.id})"


def _disambiguate(pupils: Sequence[Pupil], formatters: Sequence[NameFormatter]) -> dict[UUID, str]:
    """Return each pupil's name by the first formatter that gives no other pupil of the list a name that looks the same."""
    names: dict[UUID, str] = {}
    for format_name in formatters:
        counts = Counter(make_comparison_key(format_name(pupil)) for pupil in pupils)
        for pupil in pupils:
            if pupil.id not in names and counts[make_comparison_key(format_name(pupil))] == 1:
                names[pupil.id] = format_name(pupil)
    return names


def make_comparison_key(text: str) -> str:
    """Return an accent-insensitive and case-insensitive key: two names with one key look the same at a glance."""
    return "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
