"""What rosters mean at the turn of the year: which year a file is of, when nobody is taken away, and how the lists of the coming
year land in the passage while pupils stay as they are until 1 September.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from cartable import locks
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.people.imports.ledger import Ledger
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Level
from enrollment.places.rules import school_year_of
from enrollment.rollover import service
from enrollment.rollover.models import Decision, Rollover, RolloverLine, RolloverState
from enrollment.rollover.repository import YearRepository
from enrollment.rollover.rules import between, first_day, next_year, turning, usual_freeze


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a town stands in its year: from `freezes_on` to the day before `starts_on` no roster takes anybody away."""

    today: date
    freezes_on: date
    starts_on: date

    @property
    def frozen(self) -> bool:
        return self.freezes_on <= self.today < self.starts_on

    @property
    def year(self) -> str:
        """The year that a roster is of, unless a person says otherwise: in summer the coming one."""
        present = school_year_of(self.today)
        return next_year(present) if self.frozen and self.today < first_day(next_year(present)) else present


def turn_of(work: UnitOfWork, town_id: UUID) -> Turn:
    """Where a town stands today, by the dates of its passage or the usual ones."""
    today = service.today(work, town_id)
    ending = turning(today)
    held = YearRepository(work.session).of_town(town_id, ending)
    coming = next_year(ending)
    return Turn(today, held.freezes_on if held else usual_freeze(coming), held.starts_on if held else first_day(coming))


def is_early(work: UnitOfWork, town_id: UUID, year: str) -> bool:
    """Whether a year has not begun in a town: its lists are of the passage, not yet of the pupils."""
    return service.today(work, town_id) < first_day(year)


def expected(work: UnitOfWork, town_id: UUID, year: str, school_ids: Collection[UUID]) -> list[Pupil]:
    """The pupils of schools as they will be in a year that has not begun: copies, which nothing writes back."""
    rollover = YearRepository(work.session).open_into(town_id, year)
    rows = YearRepository(work.session).expected(rollover.id, school_ids) if rollover else ()
    return [_copy(line, pupil, present=True) for line, pupil in rows]


def expected_among(work: UnitOfWork, town_id: UUID, year: str, found: Iterable[Pupil]) -> list[Pupil]:
    """The same of pupils met elsewhere in the town. One whom no list of the coming year has named yet is free to have moved."""
    pupils = {pupil.id: pupil for pupil in found}
    rollover = YearRepository(work.session).open_into(town_id, year)
    rows = YearRepository(work.session).expected_among(rollover.id, list(pupils)) if rollover else ()
    copies = {pupil.id: _copy(line, pupil, present=line.told) for line, pupil in rows}
    return [copies.get(pupil_id, pupil) for pupil_id, pupil in pupils.items()]


def _copy(line: RolloverLine, pupil: Pupil, *, present: bool) -> Pupil:
    values = {name: getattr(pupil, name) for name in Pupil.__table__.columns.keys()}  # noqa: SIM118 - not a dict
    goes = line.decision in (Decision.LEAVER, Decision.ABSENT) or not present
    values |= {
        "school_id": line.school_after, "class_id": line.class_after, "level": line.level_after,
        "state": PupilState.ABSENT_FROM_ROSTER if goes else pupil.state,
    }  # fmt: skip
    return Pupil(**values)


@dataclass(slots=True)
class Coming:
    """What a confirmed roster writes into the passage into its year. `early`: into nothing else, of where pupils are."""

    rollover: Rollover
    lines: dict[UUID, RolloverLine]
    early: bool

    def learn(self, pupil_id: UUID, values: dict[str, Any], ledger: Ledger) -> dict[str, Any]:
        """Note on a line where a roster puts the pupil. Returns what is left to be written to the pupil. What was applied
        already is not touched: then the roster speaks of the pupil alone.
        """
        line = self.lines.get(pupil_id)
        if line is None or line.applied_at is not None:
            return _besides_place(values) if self.early else values
        level: Level = values["level"]
        told: dict[str, Any] = {"told": True, "level_after": level, "school_after": values["school_id"]}
        if values.get("class_id") is not None or values["school_id"] != line.school_after:
            told["class_after"] = values.get("class_id")
        if line.decision is Decision.ARRIVED:  # nothing waits for September: the pupil is where the lists say
            ledger.change("line", line, {**told, "level_before": level, "school_id": values["school_id"]}, key=pupil_id)
            return values
        ledger.change("line", line, {**told, "decision": between(line.level_before, level)}, key=pupil_id)
        return _besides_place(values) if self.early else values

    def arrived(self, work: UnitOfWork, pupils: Iterable[Pupil]) -> None:
        """A roster of the year brought new pupils: the passage leaves them where they are."""
        work.session.add_all(
            RolloverLine(
                rollover_id=self.rollover.id, pupil_id=pupil.id, town_id=pupil.town_id, school_id=pupil.school_id,
                decision=Decision.ARRIVED, ticked=False, told=True, moved=False, ulis=False, level_before=pupil.level,
                level_after=pupil.level, class_before=None, class_after=pupil.class_id, school_after=pupil.school_id,
            )
            for pupil in pupils
        )  # fmt: skip


def _besides_place(values: dict[str, Any]) -> dict[str, Any]:
    """What a list tells of a pupil other than where they are: that waits for the passage."""
    placed = {"school_id", "class_id", "level", "state", "absent_since"}
    return {name: value for name, value in values.items() if name not in placed}


def coming_into(work: UnitOfWork, actor: Actor, town_id: UUID, year: str) -> Coming | None:
    """The passage into the year of a roster: made when the year has not begun and nobody has begun one; None for a year that
    is under way without one, and for one whose passage is closed.
    """
    repository = YearRepository(work.session)
    early = is_early(work, town_id, year)
    rollover = repository.open_into(town_id, year)
    if rollover is None:
        if not early:
            return None
        rollover = prepare(work, actor, town_id, year)
    return Coming(rollover, repository.lines(rollover.id), early)


def prepare(work: UnitOfWork, actor: Actor, town_id: UUID, year: str) -> Rollover:
    """See to it that the passage into a year knows every pupil, so that a list of that year has something to speak of."""
    locks.lock_town(work, town_id)
    rollover = service.draft(work, actor, town_id, f"{int(year[:4]) - 1}-{year[:4]}")
    if rollover.state is RolloverState.DRAFT:
        service.bring_up_to_date(work, rollover)
    return rollover
