"""How a pupil is named on a screen or a sheet: as little as tells the children of one list apart. Pure."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

from enrollment.people.models import Pupil

Name = Callable[[Pupil], str]


def last_name(pupil: Pupil) -> str:
    """The usage name when there is one (schools.md section 7.1)."""
    return pupil.usage_name or pupil.last_name


def full(pupil: Pupil) -> str:
    """First and last name."""
    return f"{pupil.first_name} {last_name(pupil)}".strip()


def mark(pupil: Pupil) -> str:
    """Two signs of the pupil's number, the same on screen and paper: what tells homonyms of one level apart."""
    return str(pupil.id)[-2:]


def short_names(pupils: Sequence[Pupil]) -> dict[UUID, str]:
    """First name and initial, for a screen that families see too; more only for those who would look alike."""
    return _apart(pupils, (_short, full, _with_level, _with_mark, _with_number))


def full_names(pupils: Sequence[Pupil]) -> dict[UUID, str]:
    """First and last name, for a sheet that goes to one family; homonyms with level and mark."""
    return _apart(pupils, (full, _with_level, _with_mark, _with_number))


def _short(pupil: Pupil) -> str:
    return f"{pupil.first_name} {last_name(pupil)[:1]}." if pupil.first_name else last_name(pupil)


def _with_level(pupil: Pupil) -> str:
    return f"{full(pupil)} ({pupil.level.value})"


def _with_mark(pupil: Pupil) -> str:
    return f"{full(pupil)} ({pupil.level.value} · {mark(pupil)})"


def _with_number(pupil: Pupil) -> str:
    return f"{full(pupil)} ({pupil.level.value} · {pupil.id})"


def _apart(pupils: Sequence[Pupil], ladder: Sequence[Name]) -> dict[UUID, str]:
    """Each pupil's name on the lowest step of the ladder where nobody else of the list looks the same."""
    named: dict[UUID, str] = {}
    for name in ladder:
        seen = Counter(look(name(pupil)) for pupil in pupils)
        for pupil in pupils:
            if pupil.id not in named and seen[look(name(pupil))] == 1:
                named[pupil.id] = name(pupil)
    return named


def look(text: str) -> str:
    """What a hurried eye sees: neither case nor accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
