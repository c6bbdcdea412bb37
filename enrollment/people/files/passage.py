"""The free text of ONDE's *Décision de passage* as one word (schools.md section 7.1). The text itself goes no further than here."""

from __future__ import annotations

import re

from enrollment.people.files.cells import SPELLED, label_key
from enrollment.places.models import Level
from enrollment.rollover.models import Decision

_WORDS = {
    Decision.RETAINED: (
        "MAINTIEN MAINTENU MAINTENUE REDOUBLEMENT REDOUBLE REDOUBLANT REDOUBLANTE PROLONGATION ALLONGEMENT RALENTISSEMENT"
    ),
    Decision.SKIPPING: "SAUT SAUTE ACCELERATION ACCELERE ACCELEREE RACCOURCISSEMENT REDUCTION ANTICIPE ANTICIPEE",
    Decision.PROMOTED: "PASSAGE PASSE ADMIS ADMISE ADMISSION PROMOTION PROMU PROMUE SUPERIEUR SUPERIEURE",
}
_MEANING = {word: decision for decision, words in _WORDS.items() for word in words.split()}
#: What may stand around such a word and changes nothing. Any other (not, or, refused, appeal) leaves the text to a person.
_AROUND = (
    "A AU AVEC CLASSE COURS CYCLE D DANS DE DECISION DU EN EXCEPTIONNEL EXCEPTIONNELLE L LA LE MEME NIVEAU UN UNE AN ANNEE VERS"
    " 1 2 3 I II III"
)
_SILENT = frozenset(_AROUND.split())
_LEVEL = re.compile(r"(CP|C[EM][12]|[PMG]S)(?:ERE|EME|E)?")
_COLLEGE = frozenset({"6E", "6EME", "SIXIEME", "COLLEGE"})
#: How many levels up each leads, and which that may be when the text names one.
_STEPS = {0: Decision.RETAINED, 1: Decision.PROMOTED, 2: Decision.SKIPPING}


def passage_of(cell: str, level: Level) -> Decision | None:
    """What a pupil's cell decides, None when it is empty or not understood. A level that it names must fit: *Passage en CM1* of a
    pupil of CE1 leaps, *Passage en CE1* says nothing.
    """
    text = label_key(cell).replace("(E)", "")
    for spelled, each in SPELLED.items():
        text = text.replace(spelled, each.value)
    meant: set[Decision] = set()
    named: set[int] = set()
    for word in re.findall(r"[^\s'.,:;()/-]+", re.sub(r"\b(C[EM]) (?=[12]\b)", r"\1", text)):
        if word in _MEANING:
            meant.add(_MEANING[word])
        elif found := _LEVEL.fullmatch(word):
            named.add(Level(found[1]).rank)
        elif word in _COLLEGE:
            named.add(Level.CM2.rank + 1)
        elif word not in _SILENT:
            return None
    if Decision.RETAINED in meant:
        return Decision.RETAINED if meant == {Decision.RETAINED} and named <= {level.rank} else None
    return _upwards(meant, named, level)


def _upwards(meant: set[Decision], named: set[int], level: Level) -> Decision | None:
    word = Decision.SKIPPING if Decision.SKIPPING in meant else Decision.PROMOTED if meant else None
    if word is None or not named:
        return word
    to = named - {level.rank}
    by = _STEPS.get(to.pop() - level.rank) if len(to) == 1 else None
    return by if by in (word, Decision.SKIPPING) else None
