"""Parses the free text of ONDE's *Décision de passage* column into a rollover decision. The text itself is not kept."""

from __future__ import annotations

import re

from enrollment.people.text import make_label_key
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
#: Words that may surround a decision word without changing its meaning. Any other (not, or, refused, appeal) makes the text unreadable.
_NEUTRAL_TEXT = (
    "A AU AVEC CLASSE COURS CYCLE D DANS DE DECISION DU EN EXCEPTIONNEL EXCEPTIONNELLE L LA LE MEME NIVEAU UN UNE AN ANNEE VERS"
    " 1 2 3 I II III"
)
_NEUTRAL_WORDS = frozenset(_NEUTRAL_TEXT.split())
_GRADE_PATTERN = re.compile(r"(CP|C[EM][12]|[PMG]S)(?:ERE|EME|E)?")
_SECONDARY_SCHOOL_WORDS = frozenset({"6E", "6EME", "SIXIEME", "COLLEGE"})
#: The decision that leads so many grades up.
_DECISION_BY_STEPS = {0: RolloverDecision.RETAINED, 1: RolloverDecision.PROMOTED, 2: RolloverDecision.SKIPPING}


def parse_rollover_decision(cell: str, grade: Grade) -> RolloverDecision | None:
    """Return the decision in a pupil's cell; None when the cell is empty or not understood.

    A grade named in the text must fit: *Passage en CM1* for a pupil of CE1 skips a grade, *Passage en CE1* is not understood.
    """
    text = make_label_key(cell).replace("(E)", "")
    for spelled_out, each in SPELLED_OUT_GRADES.items():
        text = text.replace(spelled_out, each.value)
    decisions: set[RolloverDecision] = set()
    named_ranks: set[int] = set()
    for word in re.findall(r"[^\s'.,:;()/-]+", re.sub(r"\b(C[EM]) (?=[12]\b)", r"\1", text)):
        if word in _DECISION_BY_WORD:
            decisions.add(_DECISION_BY_WORD[word])
        elif match := _GRADE_PATTERN.fullmatch(word):
            named_ranks.add(Grade(match[1]).rank)
        elif word in _SECONDARY_SCHOOL_WORDS:
            named_ranks.add(Grade.CM2.rank + 1)
        elif word not in _NEUTRAL_WORDS:
            return None
    if RolloverDecision.RETAINED in decisions:
        is_consistent = decisions == {RolloverDecision.RETAINED} and named_ranks <= {grade.rank}
        return RolloverDecision.RETAINED if is_consistent else None
    return _resolve_promotion(decisions, named_ranks, grade)


def _resolve_promotion(decisions: set[RolloverDecision], named_ranks: set[int], grade: Grade) -> RolloverDecision | None:
    if not decisions:
        return None
    by_word = RolloverDecision.SKIPPING if RolloverDecision.SKIPPING in decisions else RolloverDecision.PROMOTED
    if not named_ranks:
        return by_word
    target_ranks = named_ranks - {grade.rank}
    by_grade = _DECISION_BY_STEPS.get(target_ranks.pop() - grade.rank) if len(target_ranks) == 1 else None
    return by_grade if by_grade in (by_word, RolloverDecision.SKIPPING) else None
