"""How rosters meet the rollover: which year a roster belongs to, when rosters remove nobody, and how a roster of the incoming year
is written to the rollover's lines while pupils keep their present place until 1 September.
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
from enrollment.people.models import Pupil, PupilState
from enrollment.people.undo_log import UndoLog
from enrollment.places.models import Grade
from enrollment.places.rules import get_first_day_of_year, get_next_school_year, get_school_year
from enrollment.places.service import get_town_date
from enrollment.rollover import drafting
from enrollment.rollover.models import Rollover, RolloverDecision, RolloverLine, RolloverState
from enrollment.rollover.repository import RolloverRepository
from enrollment.rollover.rules import derive_decision, get_default_freeze_date, get_ending_school_year


@dataclass(frozen=True, slots=True)
class SummerFreeze:
    """The summer freeze of a town as seen today: from `freezes_on` to the day before `starts_on` no roster removes anybody."""

    today: date
    freezes_on: date
    starts_on: date

    @property
    def is_active(self) -> bool:
        return self.freezes_on <= self.today < self.starts_on

    @property
    def roster_year(self) -> str:
        """The school year that a roster is taken to be of unless a person names one: during the freeze the incoming year."""
        present = get_school_year(self.today)
        following = get_next_school_year(present)
        return following if self.is_active and self.today < get_first_day_of_year(following) else present


def get_summer_freeze(work: UnitOfWork, town_id: UUID) -> SummerFreeze:
    """Return the summer freeze of a town, by the dates of its rollover or by default dates."""
    today = get_town_date(work, town_id)
    ending = get_ending_school_year(today)
    rollover = RolloverRepository(work.session).find_by_from_year(town_id, ending)
    if rollover is not None:
        return SummerFreeze(today, rollover.freezes_on, rollover.starts_on)
    incoming = get_next_school_year(ending)
    return SummerFreeze(today, get_default_freeze_date(incoming), get_first_day_of_year(incoming))


def is_future_year(work: UnitOfWork, town_id: UUID, year: str) -> bool:
    """Return whether a school year has not begun in a town: its rosters are written to the rollover, not to the pupils."""
    return get_town_date(work, town_id) < get_first_day_of_year(year)


def list_expected_pupils(work: UnitOfWork, town_id: UUID, year: str, school_ids: Collection[UUID]) -> list[Pupil]:
    """Return copies of the pupils of these schools, placed as they will be in a future year. The copies are in no session."""
    rollover = RolloverRepository(work.session).find_open_into(town_id, year)
    rows = RolloverRepository(work.session).list_expected_at_schools(rollover.id, school_ids) if rollover else ()
    return [_copy_as_expected(line, pupil, present=True) for line, pupil in rows]


def project_pupils(work: UnitOfWork, town_id: UUID, year: str, pupils: Iterable[Pupil]) -> list[Pupil]:
    """Return copies of these pupils, placed as they will be in a future year; a pupil without a line is returned as is.

    A pupil whom no roster of that year lists yet counts as absent, so that a roster of another school may claim them.
    """
    pupils_by_id = {pupil.id: pupil for pupil in pupils}
    rollover = RolloverRepository(work.session).find_open_into(town_id, year)
    rows = RolloverRepository(work.session).list_expected_of_pupils(rollover.id, list(pupils_by_id)) if rollover else ()
    copies = {pupil.id: _copy_as_expected(line, pupil, present=line.decided_by_roster) for line, pupil in rows}
    return [copies.get(pupil_id, pupil) for pupil_id, pupil in pupils_by_id.items()]


def _copy_as_expected(line: RolloverLine, pupil: Pupil, *, present: bool) -> Pupil:
    values = {name: getattr(pupil, name) for name in Pupil.__table__.columns.keys()}  # noqa: SIM118 - not a dict
    is_leaving = line.decision in (RolloverDecision.LEAVER, RolloverDecision.ABSENT) or not present
    values |= {
        "school_id": line.school_after, "class_id": line.class_after, "grade": line.grade_after,
        "state": PupilState.ABSENT_FROM_ROSTER if is_leaving else pupil.state,
    }  # fmt: skip
    return Pupil(**values)


@dataclass(slots=True)
class IncomingYear:
    """The open rollover into the year of a confirmed roster, with its lines by pupil.

    `year_is_future`: the year has not begun, so the roster places pupils on the lines alone and not on the pupils themselves.
    """

    rollover: Rollover
    lines: dict[UUID, RolloverLine]
    year_is_future: bool

    def record_placement(self, pupil_id: UUID, values: dict[str, Any], undo_log: UndoLog) -> dict[str, Any]:
        """Write the place that a roster gives a pupil to the pupil's line. Returns the values still to be written to the pupil.

        A line that is already applied is not changed: then the roster is about the pupil alone.
        """
        line = self.lines.get(pupil_id)
        if line is None or line.applied_at is not None:
            return _without_placement(values) if self.year_is_future else values
        grade: Grade = values["grade"]
        placement: dict[str, Any] = {"decided_by_roster": True, "grade_after": grade, "school_after": values["school_id"]}
        if values.get("class_id") is not None or values["school_id"] != line.school_after:
            placement["class_after"] = values.get("class_id")
        if (
            line.decision is RolloverDecision.ARRIVED
        ):  # nothing waits for September: the pupil is already placed as the roster says
            undo_log.set_fields(
                "line", line, {**placement, "grade_before": grade, "school_id": values["school_id"]}, key=pupil_id
            )
            return values
        undo_log.set_fields("line", line, {**placement, "decision": derive_decision(line.grade_before, grade)}, key=pupil_id)
        return _without_placement(values) if self.year_is_future else values

    def add_arrivals(self, work: UnitOfWork, pupils: Iterable[Pupil]) -> None:
        """Add lines for pupils whom a roster of the incoming year created; the rollover will not move them."""
        work.session.add_all(
            RolloverLine(
                rollover_id=self.rollover.id, pupil_id=pupil.id, town_id=pupil.town_id, school_id=pupil.school_id,
                decision=RolloverDecision.ARRIVED, decided_by_head=False, decided_by_roster=True, pupil_changed=False, ulis=False,
                grade_before=pupil.grade, grade_after=pupil.grade, class_before=None, class_after=pupil.class_id,
                school_after=pupil.school_id,
            )
            for pupil in pupils
        )  # fmt: skip


def _without_placement(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that do not place the pupil: the place waits for the rollover."""
    placement_fields = {"school_id", "class_id", "grade", "state", "absent_since"}
    return {name: value for name, value in values.items() if name not in placement_fields}


def open_incoming_year(work: UnitOfWork, actor: Actor, town_id: UUID, year: str) -> IncomingYear | None:
    """Return the open rollover into the year of a roster, with its lines. For a future year it is created when there is none.

    None when the year has begun without a rollover or its rollover is closed: then the roster is about the pupils alone.
    """
    repository = RolloverRepository(work.session)
    year_is_future = is_future_year(work, town_id, year)
    rollover = repository.find_open_into(town_id, year)
    if rollover is None:
        if not year_is_future:
            return None
        rollover = prepare_rollover(work, actor, town_id, year)
    return IncomingYear(rollover, repository.get_lines_by_pupil(rollover.id), year_is_future)


def prepare_rollover(work: UnitOfWork, actor: Actor, town_id: UUID, year: str) -> Rollover:
    """Return the rollover into a year with a line for every pupil, so that a roster of that year can be compared with it."""
    locks.lock_town(work, town_id)
    rollover = drafting.get_or_create_draft(work, actor, town_id, f"{int(year[:4]) - 1}-{year[:4]}")
    if rollover.state is RolloverState.DRAFT:
        drafting.refresh_lines(work, rollover)
    return rollover
