"""What a roster of the year that ends proposes of each pupil: the decisions of its *Décision de passage*, as words on the lines of
the passage out of that year, until it is closed. Heads, and rosters of the coming year, say more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.people.imports.ledger import Ledger
from enrollment.people.models import PupilState
from enrollment.places.models import Level
from enrollment.rollover import service
from enrollment.rollover.models import Decision, Rollover, RolloverLine, RolloverState
from enrollment.rollover.repository import YearRepository
from enrollment.rollover.rules import decided, usual


class Proposal(NamedTuple):
    """A word of a file, and of whom: None is a pupil who is not known yet."""

    pupil_id: UUID | None
    level: Level
    word: Decision


def changed(work: UnitOfWork, town_id: UUID, year: str, proposals: Sequence[Proposal]) -> list[Decision | None]:
    """What each proposal would make of its pupil, None where the passage says so already or somebody has said more. Reads only."""
    if not proposals or not _listens(work, town_id, year):
        return [None] * len(proposals)
    lines = _lines(work, YearRepository(work.session).of_town(town_id, year), proposals)
    found: list[Decision | None] = []
    for each in proposals:
        line = lines.get(each.pupil_id) if each.pupil_id else None
        before = line.decision if line else usual(each.level, PupilState.ACTIVE)
        meant = decided(each.level, PupilState.ACTIVE, each.word)
        found.append(None if meant is before or (line is not None and _is_said(line)) else meant)
    return found


def propose(work: UnitOfWork, actor: Actor, town_id: UUID, year: str, proposals: Sequence[Proposal], ledger: Ledger) -> None:
    """Note what a confirmed roster proposes, and bring the passage up to date with it.

    Without a passage one is begun, but only for a decision that differs from the usual one: it would be lost, for the file is not
    kept, while *everybody passes* is what the preview says by itself.
    """
    if not proposals or not _listens(work, town_id, year):
        return
    rollover = YearRepository(work.session).of_town(town_id, year)
    if rollover is None:
        active = PupilState.ACTIVE
        if all(decided(each.level, active, each.word) is usual(each.level, active) for each in proposals):
            return
        rollover = service.draft(work, actor, town_id, year)
    service.bring_up_to_date(work, rollover, only_missing=True)
    lines = _lines(work, rollover, proposals)
    news = [
        (line, each.word)
        for each in proposals
        if each.pupil_id and (line := lines.get(each.pupil_id)) and line.proposed is not each.word and not _is_said(line)
    ]
    for line, word in news:
        ledger.change("proposal", line, {"proposed": word}, key=line.pupil_id)
    if news:
        ledger.proposed = rollover.id
        service.bring_up_to_date(work, rollover)


def _listens(work: UnitOfWork, town_id: UUID, year: str) -> bool:
    """Whether the passage that concerns the town now is the one out of this year, and not under way: while the former one is
    open, no other is begun behind it.
    """
    found = YearRepository(work.session).of_town(town_id, year)
    return service.year_now(work, town_id) == year and (found is None or found.state is RolloverState.DRAFT)


def _lines(work: UnitOfWork, rollover: Rollover | None, proposals: Sequence[Proposal]) -> dict[UUID, RolloverLine]:
    ids = [each.pupil_id for each in proposals if each.pupil_id]
    return YearRepository(work.session).lines_of(rollover.id, ids) if rollover else {}


def _is_said(line: RolloverLine) -> bool:
    """A head has ticked it, a roster of the coming year tells it, or it is in force."""
    return line.ticked or line.told or line.applied_at is not None or line.decision is Decision.ARRIVED
