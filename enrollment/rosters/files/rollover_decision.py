"""The free text of ONDE's *Décision de passage* as one word (schools.md section 7.1). The text itself goes no further than here."""

from __future__ import annotations

import re

from enrollment.people.text import label_key
from enrollment.places.models import Grade
from enrollment.rollover.models import RolloverDecision
from enrollment.rosters.files.cells import SPELLED_OUT_GRADES

_WORDS = {
    RolloverDecision.RETAINED: (
        "MAINTIEN MAINTENU MAINTENUE REDOUBLEMENT REDOUBLE REDOUBLANT REDOUBLANTE PROLONGATION ALLONGEMENT RALENTISSEMENT"
    ),
    RolloverDecision.SKIPPING: "SAUT SAUTE ACCELERATION ACCELERE ACCELEREE RACCOURCISSEMENT REDUCTION ANTICIPE ANTICIPEE",
    RolloverDecision.PROMOTED: "PASSAGE PASSE ADMIS ADMISE ADMISSION PROMOTION PROMU PROMUE SUPERIEUR SUPERIEURE",
}
_DECISION_BY_WORD = {word: decision for decision, words in _WORDS.items() for word in words.split()}
#: What may stand around such a word and changes nothing. Any other (not, or, refused, appeal) leaves the text to a person.
_NEUTRAL_TEXT = (
    "A AU AVEC CLASSE COURS CYCLE D DANS DE DECISION DU EN EXCEPTIONNEL EXCEPTIONNELLE L LA LE MEME NIVEAU UN UNE AN ANNEE VERS"
    " 1 2 3 I II III"
)
_NEUTRAL_WORDS = frozenset(_NEUTRAL_TEXT.split())
_GRADE_PATTERN = re.compile(r"(CP|C[EM][12]|[PMG]S)(?:ERE|EME|E)?")
_SECONDARY_SCHOOL_WORDS = frozenset({"6E", "6EME", "SIXIEME", "COLLEGE"})
#: How many grades up each leads, and which that may be when the text names one.
_DECISION_BY_STEPS = {0: RolloverDecision.RETAINED, 1: RolloverDecision.PROMOTED, 2: RolloverDecision.SKIPPING}


def parse_rollover_decision(cell: str, grade: Grade) -> RolloverDecision | None:
    """What a pupil's cell decides, None when it is empty or not understood. A grade that it names must fit: *Passage en CM1* of a
    pupil of CE1 leaps, *Passage en CE1* says nothing.
    """
    text = label_key(cell).replace("(E)", "")
    for spelled, each in SPELLED_OUT_GRADES.items():
        text = text.replace(spelled, each.value)
    meant: set[RolloverDecision] = set()
    named: set[int] = set()
    for word in re.findall(r"[^\s'.,:;()/-]+", re.sub(r"\b(C[EM]) (?=[12]\b)", r"\1", text)):
        if word in _DECISION_BY_WORD:
            meant.add(_DECISION_BY_WORD[word])
        elif found := _GRADE_PATTERN.fullmatch(word):
            named.add(Grade(found[1]).rank)
        elif word in _SECONDARY_SCHOOL_WORDS:
            named.add(Grade.CM2.rank + 1)
        elif word not in _NEUTRAL_WORDS:
            return None
    if RolloverDecision.RETAINED in meant:
        return RolloverDecision.RETAINED if meant == {RolloverDecision.RETAINED} and named <= {grade.rank} else None
    return _resolve_promotion(meant, named, grade)


def _resolve_promotion(decisions: set[RolloverDecision], named_ranks: set[int], grade: Grade) -> RolloverDecision | None:
    word = (
        RolloverDecision.SKIPPING if RolloverDecision.SKIPPING in decisions else RolloverDecision.PROMOTED if decisions else None
    )
    if word is None or not named_ranks:
        return word
    to = named_ranks - {grade.rank}
    by = _DECISION_BY_STEPS.get(to.pop() - grade.rank) if len(to) == 1 else None
    return by if by in (word, RolloverDecision.SKIPPING) else None
