"""The order in which the classes of a school are listed: nursery school first, CP before CE1. Pure; it sorts labels and reads no pupils."""

from __future__ import annotations

import re

from enrollment.people.text import make_label_key
from enrollment.places.models import Grade

#: Longest order of a label, as the column has it.
MAX_LENGTH = 200
#: The grades that labels name, from the youngest: two-year-olds have a section and no grade.
_CODES = ("TPS", *(grade.value for grade in Grade))
_NAMES = {
    "TOUTE PETITE SECTION": "TPS",
    "PETITE SECTION": "PS",
    "MOYENNE SECTION": "MS",
    "GRANDE SECTION": "GS",
    "COURS PREPARATOIRE": "CP",
}
#: A grade is a word of its own; a space may part its number, and the letter or number of the class may follow without one.
_GRADE = re.compile(rf"\b(?:({'|'.join(_NAMES)})|(TPS|PS|MS|GS|CP|C[EM] ?[12])(?:[A-Z]|\d)?)\b")
_NUMBER = re.compile(r"\d+")
_PUNCTUATION = re.compile(r"[\W_]+")


def compute_class_order(label: str) -> str:
    """Return the text by which a class is sorted among those of its school.

    It begins with the youngest grade that the label names, so that a class of CP and CE1 is after those of CP and before those of
    CE1; labels without a grade come last. Numbers count by their value: "CP 2" is before "CP 10".
    """
    text = _PUNCTUATION.sub(" ", make_label_key(label)).strip()
    ranks = [_CODES.index(_NAMES.get(name) or code.replace(" ", "")) for name, code in _GRADE.findall(text)]
    numbered = _NUMBER.sub(lambda number: number.group().zfill(4), text)
    return f"{min(ranks, default=len(_CODES))} {numbered}"[:MAX_LENGTH]
