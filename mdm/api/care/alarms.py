"""Endpoints of alarms: what people must learn at once, and who has taken note of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable import alarms
from cartable.alarms import AlarmKind, AlarmSeverity
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["care"])


class AlarmOut(BaseModel):
    """An alarm. Which `details` it has depends on its kind."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID | None = Field(description="Null: it concerns the whole server.")
    kind: AlarmKind
    severity: AlarmSeverity
    details: dict[str, Any]
    raised_at: datetime
    acknowledged_by: UUID | None
    acknowledged_at: datetime | None


@router.get("/towns/{town_id}/alarms")
def list_alarms(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams, only_open: bool = False) -> PageOut[AlarmOut]:
    """List the alarms of a town and those of the whole server, newest first.

    With `only_open`, those that nobody has acknowledged.
    """
    return PageOut.of(alarms.list_alarms(work, actor, town_id, only_open=only_open, page=page), AlarmOut.model_validate)


@router.post("/alarms/{alarm_id}/acknowledge", response_model=AlarmOut)
def acknowledge_alarm(alarm_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Acknowledge an alarm: the caller has taken note of it.

    It stays in the list. One that concerns the whole server is acknowledged by the operator.
    """
    return alarms.acknowledge_alarm(work, actor, alarm_id)
