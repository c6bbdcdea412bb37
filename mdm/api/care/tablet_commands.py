"""Endpoints of single commands to a tablet: lock its screen, ask for its inventory, retry its rules or an app."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.care import tablet_commands

router = APIRouter(tags=["care"])


class TabletLockIn(BaseModel):
    """An optional text for the lock screen."""

    message: str | None = Field(None, max_length=200)


@router.post("/tablets/{tablet_id}/lock", status_code=202)
def lock_tablet(tablet_id: UUID, body: TabletLockIn, work: WorkDep, actor: ActorDep) -> None:
    """Lock the screen of a tablet.

    This blocks nothing on a tablet without passcode; lost mode does.
    """
    tablet_commands.lock_screen(work, actor, tablet_id, body.message)


@router.post("/tablets/{tablet_id}/refresh", status_code=202)
def refresh_tablet(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Ask a tablet for a new inventory."""
    tablet_commands.refresh_tablet(work, actor, tablet_id)


@router.post("/tablets/{tablet_id}/rules/retry", status_code=202)
def retry_rules(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Retry the delivery of a tablet's rules now.

    A tablet whose declarations were given up is managed by declarations again.
    """
    tablet_commands.retry_rules(work, actor, tablet_id)


@router.post("/tablets/{tablet_id}/apps/{app_id}/retry", status_code=202)
def retry_app(tablet_id: UUID, app_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Retry an app that failed on a tablet now.

    What the tablet said stays the reason until it reports something else.
    """
    tablet_commands.retry_app(work, actor, tablet_id, app_id)
