"""Summer storage: put away what nobody holds, look at what is ready, bring it back."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.care import storage
from mdm.care.storage import NotReady

router = APIRouter(prefix="/towns/{town_id}/storage", tags=["custody"])


class PlaceIn(BaseModel):
    """A school; without one, the whole town."""

    school_id: UUID | None = None


class DoneOut(BaseModel):
    """How many tablets were moved, and how many wait for the next call or are not ready."""

    moved: int
    left: int


class CheckedOut(BaseModel):
    """A tablet in storage."""

    tablet_id: UUID
    tag: str
    problems: list[NotReady] = Field(description="Why it does not come back as it is; empty: it is ready.")


@router.post("", operation_id="put_tablets_away")
def put_away(town_id: UUID, body: PlaceIn, work: WorkDep, actor: ActorDep) -> DoneOut:
    """Put away the next two hundred tablets that nobody holds: carts, class sets, stock. Call again until `left` is 0."""
    done = storage.put_away(work, actor, town_id, body.school_id)
    return DoneOut(moved=done.moved, left=done.left)


@router.get("", operation_id="check_stored_tablets")
def checks(town_id: UUID, work: WorkDep, actor: ActorDep, school_id: UUID | None = None) -> list[CheckedOut]:
    """The tablets in storage, and whether each is ready: heard lately, charged, its system not behind, its timetable known."""
    told = storage.checks(work, actor, town_id, school_id)
    return [CheckedOut(tablet_id=each.tablet.id, tag=each.tablet.tag, problems=list(each.problems)) for each in told]


@router.post("/back", operation_id="bring_tablets_back")
def bring_back(town_id: UUID, body: PlaceIn, work: WorkDep, actor: ActorDep) -> DoneOut:
    """Bring back two hundred tablets that are ready; `left` are not, or wait for the next call."""
    done = storage.bring_back(work, actor, town_id, body.school_id)
    return DoneOut(moved=done.moved, left=done.left)
