"""The school year: preview of the passage, what heads tick, next year's classes, apply, undo, close, tablets to be returned."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from enrollment.places.models import Level
from enrollment.rollover import applying, returns, service
from enrollment.rollover.models import Decision, Rollover, RolloverState
from enrollment.rollover.repository import YearRepository, reach
from mdm.api.deps import ActorDep, WorkDep
from profiles.effective.licence_overlap import overlap

router = APIRouter(tags=["school year"])
Year = Query(None, pattern=r"^20\d\d-20\d\d$", description="The year that ends; the present one unless given.")


class RolloverOut(BaseModel):
    """A passage and how many pupils it concerns, by what becomes of them."""

    id: UUID
    town_id: UUID
    from_year: str
    to_year: str
    state: RolloverState
    freezes_on: date = Field(description="From this day on no roster takes anybody away.")
    starts_on: date = Field(description="The day on which pupils come back: rosters count again.")
    armed_at: datetime | None = Field(description="Since when it is told to apply itself on 1 September, midnight there.")
    applied_at: datetime | None
    closed_at: datetime | None
    counts: dict[Decision, int] = Field(description="Pupils of the schools that the caller sees.")


class LineOut(BaseModel):
    """One pupil's passage, without the name."""

    pupil_id: UUID
    school_id: UUID
    decision: Decision
    ticked: bool
    told: bool = Field(description="A roster of the coming year says so.")
    proposed: Decision | None = Field(
        description="What a roster of the year that ends says; a head, or the coming year's, says more."
    )
    ulis: bool
    level_before: Level
    level_after: Level
    class_after: UUID | None
    school_after: UUID
    applied_at: datetime | None
    moved: bool = Field(description="Whether the passage has changed the pupil: not where a roster had been faster.")


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


class DatesIn(BaseModel):
    """The freeze and the first school day."""

    freezes_on: date
    starts_on: date


class SaidIn(BaseModel):
    """What a head has finished."""

    lists: bool = Field(False, description="The new lists are right; otherwise: everybody is ticked.")


class SchoolSaidOut(BaseModel):
    """How far a school is."""

    school_id: UUID
    ticked_at: datetime | None
    listed_at: datetime | None


class OverlapOut(BaseModel):
    """One app around the turn of the year, in tablets."""

    model_config = ConfigDict(from_attributes=True)
    app: str
    before: int
    after: int
    given_back: int
    taken: int
    peak: int = Field(description="Held at once while nobody has given back yet.")
    owned: int | None
    missing: int = Field(description="To be bought for September.")
    missing_at_peak: int = Field(description="Waits until others have given back.")


class DayIn(BaseModel):
    """The return day of a class, or of the whole school."""

    class_id: UUID | None = None
    day: date


class DaysIn(BaseModel):
    """The return days of one school."""

    school_id: UUID
    days: list[DayIn] = Field(max_length=100)


class DayOut(BaseModel):
    """One return day."""

    model_config = ConfigDict(from_attributes=True)
    school_id: UUID
    class_id: UUID | None
    day: date


class ReturnedOut(BaseModel):
    """A tablet on the list of the campaign."""

    tablet_id: UUID
    tag: str
    school_id: UUID
    class_id: UUID | None
    out: bool = Field(description="The leaver still holds it.")
    missing: bool = Field(description="Lost or stolen.")


class CampaignOut(BaseModel):
    """The return campaign of a passage, as far as the caller sees it."""

    opened_at: datetime | None
    closed_at: datetime | None
    days: list[DayOut]
    tablets: list[ReturnedOut]


class ReturnOut(BaseModel):
    """A tablet that a leaver still holds."""

    tablet_id: UUID
    tag: str
    school_id: UUID


@router.put("/towns/{town_id}/rollover", operation_id="preview_rollover")
def preview(town_id: UUID, work: WorkDep, actor: ActorDep, from_year: str | None = Year) -> RolloverOut:
    """Make the draft of the passage, or bring it up to date with the roster. Nothing changes for pupils."""
    return _out(work, actor, service.preview(work, actor, town_id, from_year))


@router.get("/rollovers/{rollover_id}", operation_id="get_rollover")
def one(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """Where a passage stands."""
    return _out(work, actor, service.get(work, actor, rollover_id))


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
    rows = YearRepository(work.session).listed(rollover.id, reach(actor), school_id, limit, after)
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
    return PartOut(lines=applying.apply(work, actor, rollover_id))


@router.post("/rollovers/{rollover_id}/undo", operation_id="undo_rollover")
def undo(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> PartOut:
    """Take back the next thousand lines."""
    return PartOut(lines=applying.undo(work, actor, rollover_id))


@router.post("/rollovers/{rollover_id}/close", operation_id="close_rollover")
def close(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """End the passage: nothing of it can be undone after that."""
    return _out(work, actor, applying.close(work, actor, rollover_id))


@router.get("/rollovers/{rollover_id}/to-return", operation_id="list_tablets_to_return")
def to_return(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> list[ReturnOut]:
    """The tablets that leavers still hold: tags, no names."""
    return [
        ReturnOut(tablet_id=tablet.id, tag=tablet.tag, school_id=school_id)
        for tablet, school_id in returns.to_return(work, actor, rollover_id)
    ]


@router.put("/rollovers/{rollover_id}/dates", operation_id="set_rollover_dates")
def dates(rollover_id: UUID, body: DatesIn, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """Say from when rosters take nobody away, and when pupils come back."""
    return _out(work, actor, service.set_dates(work, actor, rollover_id, body.freezes_on, body.starts_on))


@router.put("/rollovers/{rollover_id}/armed", operation_id="arm_rollover")
def arm(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """Let the passage apply itself on 1 September at midnight in the town."""
    return _out(work, actor, applying.arm(work, actor, rollover_id, armed=True))


@router.delete("/rollovers/{rollover_id}/armed", operation_id="disarm_rollover")
def disarm(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """A person will apply it."""
    return _out(work, actor, applying.arm(work, actor, rollover_id, armed=False))


@router.put("/rollovers/{rollover_id}/schools/{school_id}", operation_id="say_school_done")
def say_done(rollover_id: UUID, school_id: UUID, body: SaidIn, work: WorkDep, actor: ActorDep) -> SchoolSaidOut:
    """A head has ticked everybody or, with `lists`, has seen that the new lists are right."""
    row = service.say_done(work, actor, rollover_id, school_id, lists=body.lists)
    return SchoolSaidOut(school_id=row.school_id, ticked_at=row.ticked_at, listed_at=row.listed_at)


@router.get("/rollovers/{rollover_id}/licences", response_model=list[OverlapOut], operation_id="preview_rollover_licences")
def licences(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """What the passage means for licences, app by app."""
    return overlap(work, actor, rollover_id)


@router.get("/rollovers/{rollover_id}/returns", operation_id="get_return_campaign")
def campaign(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> CampaignOut:
    """The return of the leavers' tablets: days, list and how far it is. Tags, no names."""
    held, days = returns.of(work, actor, rollover_id)
    tablets = [
        ReturnedOut(
            tablet_id=each.tablet.id, tag=each.tablet.tag, school_id=each.line.school_id, class_id=each.line.class_id,
            out=each.out, missing=each.missing,
        )
        for each in returns.progress(work, actor, rollover_id)
    ]  # fmt: skip
    opened, closed = (held.opened_at, held.closed_at) if held else (None, None)
    return CampaignOut(opened_at=opened, closed_at=closed, days=[DayOut.model_validate(d) for d in days], tablets=tablets)


@router.put("/rollovers/{rollover_id}/returns", operation_id="plan_returns")
def plan_returns(rollover_id: UUID, body: DaysIn, work: WorkDep, actor: ActorDep) -> CampaignOut:
    """Write the return days of one school anew."""
    returns.plan(work, actor, rollover_id, body.school_id, [(each.class_id, each.day) for each in body.days])
    return campaign(rollover_id, work, actor)


@router.post("/rollovers/{rollover_id}/returns/open", operation_id="open_returns")
def open_returns(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> CampaignOut:
    """Open the campaign with the tablets of this moment's leavers; again: those who have joined them since."""
    returns.open_(work, actor, rollover_id)
    return campaign(rollover_id, work, actor)


@router.post("/rollovers/{rollover_id}/returns/close", operation_id="close_returns")
def close_returns(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> CampaignOut:
    """End the campaign."""
    returns.close(work, actor, rollover_id)
    return campaign(rollover_id, work, actor)


def _out(work: WorkDep, actor: ActorDep, row: Rollover) -> RolloverOut:
    counts: Counter[Decision] = Counter()
    for group in service.groups(work, actor, row):
        counts[group.decision] += group.pupils
    names = set(RolloverOut.model_fields) - {"counts"}
    return RolloverOut(counts=dict(counts), **{name: getattr(row, name) for name in names})
