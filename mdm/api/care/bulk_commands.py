"""Endpoints of commands to many tablets: preview, request, approval by another person, progress, cancellation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from enrollment.places.models import Grade
from mdm.api.care.commands import CommandIn
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.care.commands import bulk
from mdm.care.commands.bulk import BulkProgress, BulkState
from mdm.care.commands.kinds import CommandKind
from mdm.care.commands.repository import TabletSelection
from mdm.care.commands.rules import MAX_TABLETS, CommandTarget, Obstacle
from mdm.queue.models import CommandState

router = APIRouter(tags=["care"])
#: Tablets that a preview names for each obstacle; the numbers are complete.
MAX_NAMED = 50


class SelectionIn(BaseModel):
    """Which tablets of the town: all that fit every value given. Without a value: all of the town."""

    school_id: UUID | None = None
    class_id: UUID | None = None
    grade: Grade | None = None
    tablet_ids: list[UUID] = Field(default_factory=list, max_length=MAX_TABLETS)

    def to_selection(self, town_id: UUID) -> TabletSelection:
        """Return the selection in a town."""
        return TabletSelection(town_id, self.school_id, self.class_id, self.grade, frozenset(self.tablet_ids))


class BulkPreviewIn(BaseModel):
    """A kind of command and the tablets."""

    kind: CommandKind
    selection: SelectionIn
    app_id: UUID | None = None


class BulkCommandIn(BaseModel):
    """A command, the tablets, and why."""

    command: CommandIn
    selection: SelectionIn
    reason: str | None = Field(None, max_length=300)


class ObstacleOut(BaseModel):
    """Why some tablets do not get the command; `tags` names the first fifty."""

    obstacle: Obstacle
    count: int
    tags: list[str]


class BulkPreviewOut(BaseModel):
    """Whom the command would reach: `ready`, of whom `off` get it at their next contact."""

    ready: int
    off: int
    obstacles: list[ObstacleOut]
    needs_approval: bool = Field(description="A second person must agree.")


class BulkCommandOut(BaseModel):
    """A command to many tablets and its progress: `counts` by state of the command, or by obstacle."""

    id: UUID
    town_id: UUID
    school_id: UUID | None
    class_id: UUID | None
    grade: Grade | None
    kind: CommandKind
    state: BulkState
    requested_by_name: str
    requested_at: datetime
    needs_approval: bool
    approved_at: datetime | None
    sent_at: datetime | None
    cancelled_at: datetime | None
    tablets: int
    counts: dict[str, int]


class BulkCommandTabletOut(BaseModel):
    """One tablet of a bulk command. `state` is that of its command; `detail` is what the tablet, or the server, said."""

    tablet_id: UUID
    tag: str
    command_id: int | None
    state: CommandState | None
    detail: str | None
    obstacle: Obstacle | None


@router.post("/towns/{town_id}/bulk-commands/preview")
def preview_bulk_command(town_id: UUID, body: BulkPreviewIn, work: WorkDep, actor: ActorDep) -> BulkPreviewOut:
    """Preview whom a command to many tablets would reach."""
    preview = bulk.preview_bulk_command(work, actor, body.selection.to_selection(town_id), body.kind, body.app_id)
    return BulkPreviewOut(
        ready=len(preview.ready),
        off=len(preview.off),
        obstacles=[
            ObstacleOut(obstacle=obstacle, count=len(targets), tags=_list_tags(targets))
            for obstacle, targets in preview.obstacles.items()
        ],
        needs_approval=preview.needs_approval,
    )


@router.post("/towns/{town_id}/bulk-commands", status_code=201)
def request_bulk_command(town_id: UUID, body: BulkCommandIn, work: WorkDep, actor: ActorDep) -> BulkCommandOut:
    """Request a command to many tablets.

    It is sent at once. One that interrupts more than sixty tablets waits for a second person.
    """
    row = bulk.request_bulk_command(
        work, actor, body.selection.to_selection(town_id), body.command.kind, body.command.to_parameters(), body.reason
    )
    return _build_out(bulk.get_bulk_command(work, actor, row.id))


@router.get("/towns/{town_id}/bulk-commands")
def list_bulk_commands(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[BulkCommandOut]:
    """List the commands to many tablets of a town, newest first."""
    return PageOut.of(bulk.list_bulk_commands(work, actor, town_id, page), _build_out)


@router.get("/bulk-commands/{bulk_command_id}")
def get_bulk_command(bulk_command_id: UUID, work: WorkDep, actor: ActorDep) -> BulkCommandOut:
    """Get a command to many tablets with its progress."""
    return _build_out(bulk.get_bulk_command(work, actor, bulk_command_id))


@router.get("/bulk-commands/{bulk_command_id}/tablets")
def list_bulk_command_tablets(
    bulk_command_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams
) -> PageOut[BulkCommandTabletOut]:
    """List the tablets of a command to many, each with its result."""
    return PageOut.of(
        bulk.list_bulk_lines(work, actor, bulk_command_id, page),
        lambda row: BulkCommandTabletOut(
            tablet_id=row[1].id,
            tag=row[1].tag,
            command_id=row[0].command_id,
            state=row[2],
            detail=row[3],
            obstacle=row[0].obstacle,
        ),
    )


@router.post("/bulk-commands/{bulk_command_id}/approve")
def approve_bulk_command(bulk_command_id: UUID, work: WorkDep, actor: ActorDep) -> BulkCommandOut:
    """Approve a command to many tablets that another person has requested, and send it."""
    bulk.approve_bulk_command(work, actor, bulk_command_id)
    return _build_out(bulk.get_bulk_command(work, actor, bulk_command_id))


@router.post("/bulk-commands/{bulk_command_id}/cancel")
def cancel_bulk_command(bulk_command_id: UUID, work: WorkDep, actor: ActorDep) -> BulkCommandOut:
    """Cancel what has not left of a command to many tablets.

    It needs no password, because stopping is always safe.
    """
    bulk.cancel_bulk_command(work, actor, bulk_command_id)
    return _build_out(bulk.get_bulk_command(work, actor, bulk_command_id))


def _list_tags(targets: Sequence[CommandTarget]) -> list[str]:
    return [target.tag for target in targets[:MAX_NAMED]]


def _build_out(progress: BulkProgress) -> BulkCommandOut:
    names = BulkCommandOut.model_fields.keys() - {"state", "tablets", "counts"}
    return BulkCommandOut(
        **{name: getattr(progress.bulk, name) for name in names},
        state=progress.state,
        tablets=progress.total,
        counts={state.value if state is not None else "unknown": number for state, number in progress.counts.items()},
    )
