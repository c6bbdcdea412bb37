"""Endpoints of the rollover to the next school year: preview, decisions, next year's classes, apply, undo, close."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from cartable.paging import paginate
from enrollment.places.models import Grade
from enrollment.rollover import applying, drafting, service, succession
from enrollment.rollover.models import Rollover, RolloverDecision, RolloverLine, RolloverState
from enrollment.rollover.repository import RolloverRepository, build_line_visibility
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from profiles.effective.licence_overlap import list_licence_overlaps

router = APIRouter(tags=["rollover"])


EndingYear = Query(None, pattern=r"^20\d\d-20\d\d$", description="The year that ends; the present one unless given.")


class RolloverOut(BaseModel):
    """A rollover and its numbers of pupils by decision."""

    id: UUID
    town_id: UUID
    from_year: str
    to_year: str
    state: RolloverState
    freezes_on: date = Field(description="From this day on rosters remove nobody.")
    starts_on: date = Field(description="The day on which pupils come back; rosters remove people again.")
    auto_apply_enabled_at: datetime | None = Field(
        description="Since when it is set to apply itself on 1 September at midnight in the town."
    )
    applied_at: datetime | None
    closed_at: datetime | None
    counts: dict[RolloverDecision, int] = Field(description="Pupils of the schools that the caller sees.")


class RolloverLineOut(BaseModel):
    """What is decided for one pupil, without the name."""

    pupil_id: UUID
    school_id: UUID
    decision: RolloverDecision
    decided_by_head: bool
    decided_by_roster: bool = Field(description="The decision is from a roster of the coming year.")
    proposed_decision: RolloverDecision | None = Field(
        description="What a roster of the ending year proposes. A head's decision or a roster of the coming year goes before it."
    )
    ulis: bool
    grade_before: Grade
    grade_after: Grade
    class_after: UUID | None
    school_after: UUID
    applied_at: datetime | None
    pupil_changed: bool = Field(description="Whether applying it has changed the pupil; not where a roster had already done so.")


class RolloverDecisionsIn(BaseModel):
    """A head's decision for some pupils."""

    pupil_ids: list[UUID] = Field(min_length=1, max_length=500)
    decision: RolloverDecision


class NextClassIn(BaseModel):
    """A class of next year and its pupils."""

    school_id: UUID
    label: str = Field(min_length=1, max_length=200)
    pupil_ids: list[UUID] = Field(default_factory=list, max_length=500)


class NextClassOut(BaseModel):
    """The class that was created."""

    id: UUID
    label: str
    school_year: str


class SchoolSuccessorIn(BaseModel):
    """The school as which another one continues."""

    new_school_id: UUID


class RolloverProgressOut(BaseModel):
    """How many lines this call has processed. Call again until it is 0."""

    lines: int


class RolloverDatesIn(BaseModel):
    """The day of the freeze and the first school day."""

    freezes_on: date
    starts_on: date


class SchoolDoneIn(BaseModel):
    """What a school has finished."""

    lists: bool = Field(False, description="The new class lists are confirmed; otherwise: the decisions are complete.")


class SchoolDoneOut(BaseModel):
    """What a school has finished, and when."""

    school_id: UUID
    decisions_completed_at: datetime | None
    lists_confirmed_at: datetime | None


class LicenceOverlapOut(BaseModel):
    """The licences of one app before, during and after a rollover, in numbers of tablets."""

    model_config = ConfigDict(from_attributes=True)
    app: str
    before: int
    after: int
    given_back: int
    taken: int
    peak: int = Field(description="Needed while leavers have not given their tablets back yet.")
    owned: int | None
    missing: int = Field(description="To be bought for September.")
    missing_at_peak: int = Field(description="Not available until leavers have given their tablets back.")


@router.put("/towns/{town_id}/rollovers")
def preview_rollover(town_id: UUID, work: WorkDep, actor: ActorDep, from_year: str | None = EndingYear) -> RolloverOut:
    """Create the draft of a town's rollover to the next school year, or update it from the roster.

    Nothing changes for pupils.
    """
    return _load_rollover_out(work, actor, drafting.preview_rollover(work, actor, town_id, from_year))


@router.get("/rollovers/{rollover_id}")
def get_rollover(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """Get the state of a rollover."""
    return _load_rollover_out(work, actor, service.get_rollover(work, actor, rollover_id))


@router.get("/rollovers/{rollover_id}/lines")
def list_rollover_lines(
    rollover_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams, school_id: UUID | None = None
) -> PageOut[RolloverLineOut]:
    """List the pupils of a rollover and what is decided for each."""
    rollover = service.get_rollover(work, actor, rollover_id)
    rows = RolloverRepository(work.session).list_lines(rollover.id, build_line_visibility(actor), school_id, page)
    return PageOut.of(rows, _build_line_out)


@router.post("/rollovers/{rollover_id}/decisions")
def record_rollover_decisions(
    rollover_id: UUID, body: RolloverDecisionsIn, work: WorkDep, actor: ActorDep
) -> RolloverProgressOut:
    """Record which pupils repeat or skip a grade, or leave."""
    return RolloverProgressOut(lines=service.record_decision(work, actor, rollover_id, body.pupil_ids, body.decision))


@router.post("/rollovers/{rollover_id}/classes", status_code=201)
def create_next_class(rollover_id: UUID, body: NextClassIn, work: WorkDep, actor: ActorDep) -> NextClassOut:
    """Create a class of next year and place pupils in it."""
    row = service.create_class(work, actor, rollover_id, body.school_id, body.label, body.pupil_ids)
    return NextClassOut(id=row.id, label=row.label, school_year=row.school_year)


@router.put("/schools/{school_id}/successor", status_code=204)
def set_school_successor(school_id: UUID, body: SchoolSuccessorIn, work: WorkDep, actor: ActorDep) -> None:
    """Record that a school continues under another code."""
    succession.record_school_succession(work, actor, school_id, body.new_school_id)


@router.post("/rollovers/{rollover_id}/apply")
def apply_rollover(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverProgressOut:
    """Apply the next thousand lines of a rollover.

    Possible from 1 September on.
    """
    return RolloverProgressOut(lines=applying.apply_batch(work, actor, rollover_id))


@router.post("/rollovers/{rollover_id}/undo")
def undo_rollover(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverProgressOut:
    """Undo the next thousand lines of a rollover."""
    return RolloverProgressOut(lines=applying.undo_batch(work, actor, rollover_id))


@router.post("/rollovers/{rollover_id}/close")
def close_rollover(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """Close a rollover.

    Nothing of it can be undone after that.
    """
    return _load_rollover_out(work, actor, applying.close_rollover(work, actor, rollover_id))


@router.put("/rollovers/{rollover_id}/dates")
def set_rollover_dates(rollover_id: UUID, body: RolloverDatesIn, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """Set from when rosters remove nobody, and when pupils come back."""
    return _load_rollover_out(work, actor, service.set_dates(work, actor, rollover_id, body.freezes_on, body.starts_on))


@router.put("/rollovers/{rollover_id}/auto-apply")
def enable_auto_apply(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """Let a rollover be applied by itself on 1 September at midnight in the town."""
    return _load_rollover_out(work, actor, applying.set_auto_apply(work, actor, rollover_id, enabled=True))


@router.delete("/rollovers/{rollover_id}/auto-apply")
def disable_auto_apply(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> RolloverOut:
    """Let a person apply a rollover instead of applying it by itself."""
    return _load_rollover_out(work, actor, applying.set_auto_apply(work, actor, rollover_id, enabled=False))


@router.put("/rollovers/{rollover_id}/schools/{school_id}")
def mark_school_done(rollover_id: UUID, school_id: UUID, body: SchoolDoneIn, work: WorkDep, actor: ActorDep) -> SchoolDoneOut:
    """Mark that a school has finished its decisions or, with `lists`, has checked its new lists."""
    row = service.mark_school_done(work, actor, rollover_id, school_id, lists=body.lists)
    return SchoolDoneOut(
        school_id=row.school_id, decisions_completed_at=row.decisions_completed_at, lists_confirmed_at=row.lists_confirmed_at
    )


@router.get("/rollovers/{rollover_id}/licences")
def list_rollover_licences(rollover_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[LicenceOverlapOut]:
    """List how many licences of each app a rollover needs."""
    return PageOut.of(
        paginate(list_licence_overlaps(work, actor, rollover_id), page, lambda row: (row.app,)), LicenceOverlapOut.model_validate
    )


def _load_rollover_out(work: WorkDep, actor: ActorDep, row: Rollover) -> RolloverOut:
    counts: Counter[RolloverDecision] = Counter()
    for group in service.count_groups(work, actor, row):
        counts[group.decision] += group.pupils
    names = set(RolloverOut.model_fields) - {"counts"}
    return RolloverOut(counts=dict(counts), **{name: getattr(row, name) for name in names})


def _build_line_out(row: RolloverLine) -> RolloverLineOut:
    return RolloverLineOut(**{name: getattr(row, name) for name in RolloverLineOut.model_fields})
