"""Endpoints of the rules that guardians ask for."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.schedule.created import CreatedOut
from profiles.schedule import sessions
from profiles.schedule.guardian_rules import GuardianRuleKind

router = APIRouter(tags=["schedule"])


class GuardianRuleIn(BaseModel):
    """A rule that a guardian asked for. It can only forbid more."""

    town_id: UUID
    guardian_id: UUID
    kind: GuardianRuleKind
    subject: str = Field("", max_length=155)
    window: tuple[str, str] | None = None
    minutes: int | None = None


@router.post("/pupils/{pupil_id}/guardian-rules", response_model=CreatedOut, status_code=201)
def create_guardian_rule(pupil_id: UUID, body: GuardianRuleIn, work: WorkDep, actor: ActorDep) -> object:
    """Create a rule that a guardian asked for.

    It can only forbid more.
    """
    values = body.model_dump(exclude={"town_id", "guardian_id"})
    return sessions.create_guardian_rule(work, actor, body.town_id, pupil_id, body.guardian_id, **values)


@router.delete("/guardian-rules/{rule_id}", status_code=204)
def delete_guardian_rule(rule_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Delete a guardian's rule."""
    sessions.withdraw_guardian_rule(work, actor, rule_id)
