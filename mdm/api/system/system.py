"""The state of the server, the audit trail, cancelling a command."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from cartable import audit, outbox
from cartable.errors import Forbidden
from cartable.scope import Permission
from enrollment.joining.ade.models import Alarm
from enrollment.joining.ade.service import needing_people
from mdm.api.deps import ActorDep, WorkDep
from mdm.push.certificates import certificate_health
from mdm.queue import service as queue

router = APIRouter(tags=["system"])
health = APIRouter(tags=["system"])


class PushHealth(BaseModel):
    """How the push certificate stands."""

    installed: bool
    simulated: bool
    days_left: int | None
    warning: int | None = Field(description="The smallest of 60, 30, 14, 7 days that has been reached.")


class AssignmentHealth(BaseModel):
    """A device-assignment server that needs a person: an alarm, or a token that ends soon."""

    town_id: UUID
    server_id: UUID
    name: str
    alarm: Alarm | None
    alarm_since: datetime | None
    warning: int | None = Field(description="The smallest of 60, 30, 14, 7 days before the token's end that has been reached.")


class State(BaseModel):
    """The state of the server."""

    push: PushHealth
    device_assignment: list[AssignmentHealth]
    oldest_job_due: datetime | None


class EventOut(BaseModel):
    """One act of the audit trail."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    at: datetime
    actor_name: str
    action: str
    subject_kind: str
    subject_id: str
    details: dict[str, Any]


class CommandOut(BaseModel):
    """A command after it was cancelled."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    state: str
    why: str | None


@health.get("/healthz", operation_id="healthz", include_in_schema=False)
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@health.get("/readyz", operation_id="readyz", include_in_schema=False)
def readyz(work: WorkDep) -> dict[str, str]:
    """The database answers."""
    work.session.execute(text("SELECT 1"))
    return {"status": "ready"}


@router.get("/system/state", response_model=State, operation_id="get_state")
def state(work: WorkDep, actor: ActorDep) -> State:
    """Push certificate, device-assignment servers in the caller's reach that need a person, and whether jobs wait."""
    found = certificate_health(work)
    push = PushHealth(installed=found.installed, simulated=found.simulated, days_left=found.days_left, warning=found.warning)
    assignment = [
        AssignmentHealth(
            town_id=row.town_id, server_id=row.id, name=row.name, alarm=row.alarm, alarm_since=row.alarm_since, warning=warning
        )
        for row, warning in needing_people(work, actor)
    ]
    return State(push=push, device_assignment=assignment, oldest_job_due=outbox.get_oldest_due(work.session, work.now))


@router.get("/audit", response_model=list[EventOut], operation_id="list_audit")
def trail(
    town_id: UUID, work: WorkDep, actor: ActorDep, before: int | None = None, limit: int = Query(50, ge=1, le=200)
) -> object:
    """The audit trail of a town, newest first; helpdesk, technicians and a school's staff see their own acts."""
    if all(grant.town_id != town_id for grant in actor.role_assignments):
        raise Forbidden(permission=Permission.SEE.value)
    own = None if actor.has_permission(Permission.PRIVACY, town_id) else actor.account_id
    return audit.list_events(work, town_id, actor_id=own, before=before, limit=limit)


@router.post("/commands/{command_id}/cancel", response_model=CommandOut, operation_id="cancel_command")
def cancel(command_id: int, work: WorkDep, actor: ActorDep) -> object:
    """Withdraw a command that has not gone out."""
    return queue.cancel(work, actor, command_id)
