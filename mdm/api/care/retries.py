"""Endpoints that retry what failed on a tablet: its rules, or an app."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from mdm.api.deps import ActorDep, WorkDep
from mdm.care import retries

router = APIRouter(tags=["care"])


@router.post("/tablets/{tablet_id}/rules/retry", status_code=202)
def retry_rules(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Retry the delivery of a tablet's rules now.

    A tablet whose declarations were given up is managed by declarations again.
    """
    retries.retry_rules(work, actor, tablet_id)


@router.post("/tablets/{tablet_id}/apps/{app_id}/retry", status_code=202)
def retry_app(tablet_id: UUID, app_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Retry an app that failed on a tablet now.

    What the tablet said stays the reason until it reports something else.
    """
    retries.retry_app(work, actor, tablet_id, app_id)
