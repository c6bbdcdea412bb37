"""Endpoints of summer storage: store tablets that nobody holds, check them, release them."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cartable.paging import paginate
from enrollment.tablets import storage
from enrollment.tablets.storage import ReadinessProblem
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.devices.readiness import DeviceReadiness

router = APIRouter(prefix="/towns/{town_id}/storage", tags=["custody"])


class StorageIn(BaseModel):
    """The school whose tablets are concerned; all of the town without one."""

    school_id: UUID | None = None


class StorageProgressOut(BaseModel):
    """How many tablets were moved, and how many wait for the next call or are not ready."""

    moved: int
    remaining: int


class StoredTabletOut(BaseModel):
    """A tablet in storage."""

    tablet_id: UUID
    tag: str
    problems: list[ReadinessProblem] = Field(description="Why it is not ready for use; empty when it is.")


@router.post("")
def store_tablets(town_id: UUID, body: StorageIn, work: WorkDep, actor: ActorDep) -> StorageProgressOut:
    """Store the next two hundred tablets that nobody holds: of carts, class sets and stock.

    Call again until `remaining` is 0.
    """
    progress = storage.store_tablets(work, actor, town_id, body.school_id)
    return StorageProgressOut(moved=progress.moved, remaining=progress.remaining)


@router.get("")
def list_stored_tablets(
    town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams, school_id: UUID | None = None
) -> PageOut[StoredTabletOut]:
    """List the tablets in storage, and whether each is ready for use.

    Ready: seen lately, charged, its system recent, its timetable known.
    """
    checks = storage.check_readiness(work, actor, town_id, school_id, source=DeviceReadiness())
    rows = paginate(checks, page, lambda row: (row.tablet.id,))
    return PageOut.of(rows, lambda row: StoredTabletOut(tablet_id=row.tablet.id, tag=row.tablet.tag, problems=list(row.problems)))


@router.post("/release")
def release_stored_tablets(town_id: UUID, body: StorageIn, work: WorkDep, actor: ActorDep) -> StorageProgressOut:
    """Release up to two hundred stored tablets that are ready for use.

    `remaining` tablets are not ready, or wait for the next call.
    """
    progress = storage.return_ready_tablets(work, actor, town_id, body.school_id, source=DeviceReadiness())
    return StorageProgressOut(moved=progress.moved, remaining=progress.remaining)
