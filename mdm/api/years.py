"""The school year: preview of the passage, what heads tick, next year's classes, apply, undo, close, tablets to be returned."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from enrollment.places.models import Level
from enrollment.years import service
from enrollment.years.models import Decision, Rollover, RolloverState
from enrollment.years.repository import YearRepository
from mdm.api.deps import ActorDep, WorkDep

router = APIRouter(tags=["school year"])
Year = Query(None, pattern=r"^20\d\d-20\d\d$", description="The year that ends; the present one unless given.")


class RolloverOut(BaseModel):
    """A passage and how many pupils it concerns, by what becomes of them."""

    id: UUID
    town_id: UUID
    from_year: str
    to_year: str
    state: RolloverState
    applied_at: datetime | None
    closed_at: datetime | None
    counts: dict[Decision, int]


class LineOut(BaseModel):
    """One pupil's passage, without the name."""

    pupil_id: UUID
    school_id: UUID
    decision: Decision
    ticked: bool
    ulis: bool
    level_before: Level
    level_after: Level
    class_after: UUID | None
    school_after: UUID
    applied_at: datetime | None


class TickIn(BaseModel):
    """What a head decided."""

    pupil_ids: list[UUID] = Field(min_length=1, max_length=500)
    decision: Decision


class ClassIn(BaseModel):
    """A class of next year and who will be in it."""

    school_id: UUID
    label: str = Field(min_length=1, max_length=200)
    pupil_ids: list[UUID] = Field(default_factory=list, max_length=500)


class ClassOut(BaseModel):
    """The class that was made."""

    id: UUID
    label: str
    school_year: str


class SuccessionIn(BaseModel):
    """The school as which another goes on."""

    new_school_id: UUID


class PartOut(BaseModel):
    """How many lines were done; call again until 0."""

    lines: int


class ReturnOut(BaseModel):
    """A tablet that a leaver still holds."""

    tablet_id: UUID
    tag: str
    school_id: UUID


@router.put("/towns/{town_id}/rollover", operation_id="preview_rollover")
def preview(town_id: UUID, work: WorkDep, actor: ActorDep, from_year: str | None = Year) -> RolloverOut:
    """Make the draft of the passage, or bring it up to date with the roster. Nothing changes for pupils."""
    return _out(work, service.preview(work, actor, town_id, from_year))


@router.get("/rollovers/{rollover_id}", operation_id="get_rollover")
def one(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """Where a passage stands."""
    return _out(work, service.get(work, actor, rollover_id))


@router.get("/rollovers/{rollover_id}/lines", operation_id="list_rollover_lines")
def lines(
    rollover_id: UUID,
    work: WorkDep,
    actor: ActorDep,
    school_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = Query(200, ge=1, le=1000),
) -> list[LineOut]:
    """The pupils of a passage, by their number."""
    rollover = service.get(work, actor, rollover_id)
    rows = YearRepository(work.session).listed(rollover.id, school_id, limit, after)
    return [LineOut(**{name: getattr(row, name) for name in LineOut.model_fields}) for row in rows]


@router.post("/rollovers/{rollover_id}/ticks", operation_id="tick_rollover")
def tick(rollover_id: UUID, body: TickIn, work: WorkDep, actor: ActorDep) -> PartOut:
    """Note who stays, skips a level or leaves."""
    return PartOut(lines=service.tick(work, actor, rollover_id, body.pupil_ids, body.decision))


@router.post("/rollovers/{rollover_id}/classes", status_code=201, operation_id="make_next_class")
def make_class(rollover_id: UUID, body: ClassIn, work: WorkDep, actor: ActorDep) -> ClassOut:
    """Make a class of next year and place pupils in it."""
    made = service.make_class(work, actor, rollover_id, body.school_id, body.label, body.pupil_ids)
    return ClassOut(id=made.id, label=made.label, school_year=made.school_year)


@router.put("/schools/{school_id}/successor", status_code=204, operation_id="succeed_school")
def succeed(school_id: UUID, body: SuccessionIn, work: WorkDep, actor: ActorDep) -> None:
    """Say that a school goes on under another code."""
    service.succeed(work, actor, school_id, body.new_school_id)


@router.post("/rollovers/{rollover_id}/apply", operation_id="apply_rollover")
def apply(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> PartOut:
    """Apply the next thousand lines; from 1 September on."""
    return PartOut(lines=service.apply(work, actor, rollover_id))


@router.post("/rollovers/{rollover_id}/undo", operation_id="undo_rollover")
def undo(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> PartOut:
    """Take back the next thousand lines."""
    return PartOut(lines=service.undo(work, actor, rollover_id))


@router.post("/rollovers/{rollover_id}/close", operation_id="close_rollover")
def close(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """End the passage: nothing of it can be undone after that."""
    return _out(work, service.close(work, actor, rollover_id))


@router.get("/rollovers/{rollover_id}/to-return", operation_id="list_tablets_to_return")
def to_return(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> list[ReturnOut]:
    """The tablets that leavers still hold: tags, no names."""
    return [
        ReturnOut(tablet_id=tablet.id, tag=tablet.tag, school_id=school_id)
        for tablet, school_id in service.to_return(work, actor, rollover_id)
    ]


def _out(work: WorkDep, row: Rollover) -> RolloverOut:
    names = set(RolloverOut.model_fields) - {"counts"}
    counts = YearRepository(work.session).counts(row.id)
    return RolloverOut(counts=counts, **{name: getattr(row, name) for name in names})
