"""Endpoints that answer "why?": the mode and each setting of a tablet at an instant, with every source, and what comes next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from cartable.paging import paginate
from enrollment.facts import load_facts
from enrollment.tablets import service as tablets
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from profiles.catalog.merge import StepOutcome
from profiles.catalog.secrets import hide_secrets_of
from profiles.effective.explain import explain, list_coming_modes
from profiles.schedule.mode_decision import ModeCandidate, Precedence
from profiles.schedule.modes import Mode

router = APIRouter(prefix="/tablets/{tablet_id}", tags=["why"])


class ModeCandidateOut(BaseModel):
    """One candidate for the mode: which mode, how strong, why, and where it comes from."""

    mode: Mode
    precedence: str
    reason: str
    place: str


class StepOut(BaseModel):
    """One step of the walk to a setting's value: a place or a constraint, its value, and what became of it.

    `by` names what replaced or bounded it; `presets` are those that the value was taken from.
    """

    model_config = ConfigDict(from_attributes=True)
    source: str
    value: Any
    outcome: StepOutcome
    by: list[str]
    is_locked: bool
    is_constraint: bool
    author: str
    until: datetime | None
    presets: list[str]


class SettingExplanationOut(BaseModel):
    """A setting: its value in force, the sources that decided and that were overruled, and every step, what is in force first.

    Secrets, such as passwords of networks, are hidden.
    """

    key: str
    value: Any
    deciding: list[str]
    overruled: list[str]
    steps: list[StepOut]


class GuardianRuleOut(BaseModel):
    """A guardian's rule and its status. Never with a name."""

    kind: str
    subject: str
    status: str
    reason: str


class ExplanationOut(BaseModel):
    """All that is in force for a tablet at an instant. `left_out`: what its system does not understand, or no payload carries."""

    at: datetime
    mode: Mode
    winner: ModeCandidateOut
    losers: list[ModeCandidateOut]
    until: datetime | None
    settings: list[SettingExplanationOut]
    guardians: list[GuardianRuleOut]
    left_out: list[str]


class ComingModeOut(BaseModel):
    """From an instant on, a mode."""

    at: datetime
    mode: Mode
    reason: str


@router.get("/why", response_model=ExplanationOut)
def explain_tablet(
    tablet_id: UUID, work: WorkDep, actor: ActorDep, setting: str | None = None, at: AwareDatetime | None = None
) -> ExplanationOut:
    """Explain what is in force on a tablet. Now or at an instant. With `setting`: of that one alone."""
    tablets.get_tablet(work, actor, tablet_id)
    explanation = explain(work, load_facts(work, [tablet_id])[tablet_id], at.astimezone(UTC) if at else None)
    return ExplanationOut(
        at=explanation.at,
        mode=explanation.mode,
        winner=_describe_candidate(explanation.decision.winner),
        losers=[_describe_candidate(candidate) for candidate in explanation.decision.overruled],
        until=explanation.next_change,
        settings=[
            SettingExplanationOut(
                key=key,
                value=hide_secrets_of(key, resolved.value),
                deciding=list(resolved.deciding),
                overruled=list(resolved.overruled),
                steps=[
                    StepOut.model_validate(step).model_copy(update={"value": hide_secrets_of(key, step.value)})
                    for step in resolved.steps
                ],
            )
            for key, resolved in explanation.settings.items()
            if setting in (None, key)
        ],
        guardians=[
            GuardianRuleOut(kind=each.restriction.kind, subject=each.restriction.subject, status=each.status, reason=each.reason)
            for each in explanation.guardians
        ],
        left_out=list(explanation.left_out),
    )


@router.get("/day", response_model=PageOut[ComingModeOut])
def list_tablet_modes(
    tablet_id: UUID,
    work: WorkDep,
    actor: ActorDep,
    page: PageParams,
    at: AwareDatetime | None = None,
    hours: int = Query(24, ge=1, le=240),
) -> PageOut[ComingModeOut]:
    """List the coming modes of a tablet. From now or an instant on, twenty at most."""
    tablets.get_tablet(work, actor, tablet_id)
    facts = load_facts(work, [tablet_id])[tablet_id]
    steps = list_coming_modes(work, facts, at.astimezone(UTC) if at else work.now, hours)
    return PageOut.of(
        paginate(steps, page, lambda step: (step[0],)),
        lambda step: ComingModeOut(at=step[0], mode=step[1].mode, reason=step[1].winner.reason),
    )


def _describe_candidate(candidate: ModeCandidate) -> ModeCandidateOut:
    return ModeCandidateOut(
        mode=candidate.mode,
        precedence=Precedence(candidate.precedence).name.lower(),
        reason=candidate.reason,
        place=candidate.place,
    )
