"""The answer to "why?": for a tablet and an instant, the mode and each setting, who won, who lost, and what comes next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from enrollment.facts import load_facts
from enrollment.tablets import service as tablets
from mdm.api.deps import ActorDep, WorkDep
from profiles.catalog.merge import Standing
from profiles.effective.explain import day_ahead, why
from profiles.schedule.mode_decision import ModeCandidate, Precedence
from profiles.schedule.modes import Mode

router = APIRouter(prefix="/tablets/{tablet_id}", tags=["why"])


class ClaimOut(BaseModel):
    """One voice on the mode: who asks for which, and on what ground."""

    mode: Mode
    level: str
    reason: str
    place: str


class VoiceOut(BaseModel):
    """One opinion on a setting and what became of it."""

    layer: str
    value: Any
    binding: bool
    standing: Standing
    author: str


class SettingWhy(BaseModel):
    """A setting in force: its value, the layers that won and lost, and every voice in order."""

    key: str
    value: Any
    winners: list[str]
    losers: list[str]
    voices: list[VoiceOut]


class GuardianWhy(BaseModel):
    """How a guardian's rule stands. Never with a name."""

    kind: str
    subject: str
    standing: str
    why: str


class WhyOut(BaseModel):
    """All that holds for a tablet at an instant. `left_out`: what its system does not understand, or its payloads cannot bear."""

    at: datetime
    mode: Mode
    winner: ClaimOut
    losers: list[ClaimOut]
    until: datetime | None
    settings: list[SettingWhy]
    guardians: list[GuardianWhy]
    left_out: list[str]


class Step(BaseModel):
    """From an instant on, a mode."""

    at: datetime
    mode: Mode
    reason: str


@router.get("/why", response_model=WhyOut, operation_id="explain_tablet")
def explain(
    tablet_id: UUID, work: WorkDep, actor: ActorDep, setting: str | None = None, at: AwareDatetime | None = None
) -> WhyOut:
    """What holds for a tablet now, or at an instant, and why. With `setting`: of that one alone."""
    tablets.get_tablet(work, actor, tablet_id)
    found = why(work, load_facts(work, [tablet_id])[tablet_id], at.astimezone(UTC) if at else None)
    return WhyOut(
        at=found.at,
        mode=found.mode,
        winner=_claim(found.verdict.winner),
        losers=[_claim(claim) for claim in found.verdict.overruled],
        until=found.next_change,
        settings=[
            SettingWhy(
                key=each.key,
                value=each.value,
                winners=list(each.winners),
                losers=list(each.losers),
                voices=[
                    VoiceOut(layer=v.layer, value=v.value, binding=v.binding, standing=v.standing, author=v.author)
                    for v in each.voices
                ],
            )
            for key, each in found.settings.items()
            if setting in (None, key)
        ],
        guardians=[
            GuardianWhy(kind=each.restriction.kind, subject=each.restriction.subject, standing=each.status, why=each.reason)
            for each in found.guardians
        ],
        left_out=list(found.left_out),
    )


@router.get("/day", response_model=list[Step], operation_id="get_tablet_day")
def day(
    tablet_id: UUID, work: WorkDep, actor: ActorDep, at: AwareDatetime | None = None, hours: int = Query(24, ge=1, le=240)
) -> list[Step]:
    """The modes that come, from now or an instant on."""
    tablets.get_tablet(work, actor, tablet_id)
    facts = load_facts(work, [tablet_id])[tablet_id]
    steps = day_ahead(work, facts, at.astimezone(UTC) if at else work.now, hours)
    return [Step(at=instant, mode=verdict.mode, reason=verdict.winner.reason) for instant, verdict in steps]


def _claim(claim: ModeCandidate) -> ClaimOut:
    return ClaimOut(mode=claim.mode, level=Precedence(claim.precedence).name.lower(), reason=claim.reason, place=claim.place)
