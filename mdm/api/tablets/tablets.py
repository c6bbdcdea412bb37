"""Tablets: lists, one tablet, its apps, its time line, its rules and why."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from enrollment.places.models import Level
from enrollment.tablets.models import TabletState
from mdm.api.deps import ActorDep, WorkDep
from mdm.care import overview
from mdm.care.overview import RulesPath
from mdm.care.overview_repository import Filter, TabletRow
from mdm.devices.models import EnrollmentState
from mdm.reconcile.models import AppReason, AppState, ProfileState
from profiles.schedule.modes import Mode

router = APIRouter(prefix="/tablets", tags=["tablets"])


class TabletOut(BaseModel):
    """A tablet in a list. `holder` is the pupil's first name and initial."""

    id: UUID
    town_id: UUID
    school_id: UUID | None
    school: str | None
    class_label: str | None
    tag: str = Field(examples=["VAL-00042"])
    serial: str
    state: TabletState
    holder: str | None
    level: str | None
    os_version: str | None
    product_name: str | None
    last_seen_at: datetime | None
    apps_wanted: int
    apps_installed: int
    cursor: str = Field(description="Give it as `after` to read on behind this row.")


class AppOut(BaseModel):
    """Where one app stands on one tablet."""

    app_id: UUID
    name: str
    bundle_identifier: str
    state: AppState
    reason: AppReason
    detail: str | None
    changed_at: datetime


class LostOut(BaseModel):
    """A loss: what was asked and what the tablet has confirmed are told apart."""

    case_id: UUID
    requested_at: datetime
    confirmed_at: datetime | None
    lift_requested_at: datetime | None


class RulesOut(BaseModel):
    """Where its rules stand: the mode it should be in, and the one it has proved."""

    path: RulesPath | None
    state: ProfileState | None
    problem: str | None
    wanted_mode: Mode | None
    wanted_since: datetime | None
    seen_mode: Mode | None
    proved_at: datetime | None


class TabletDetail(TabletOut):
    """One tablet with its circumstances."""

    enrollment: EnrollmentState | None
    push_failing_since: datetime | None
    goes_silent_on: datetime | None = Field(description="When its certificate ends, unless it renews.")
    attested: bool | None = Field(description="Whether Apple has attested that the key of its certificate lies in this device.")
    profile: ProfileState | None
    profile_problem: str | None
    rules: RulesOut
    lost: LostOut | None
    apps: list[AppOut]


class EntryOut(BaseModel):
    """One moment of the time line."""

    at: datetime
    what: str = Field(examples=["EnableLostMode"])
    who: str
    state: str | None
    detail: str | None


def _row(row: TabletRow) -> dict[str, Any]:
    t, pupil = row.tablet, row.pupil
    return {
        "id": t.id, "town_id": t.town_id, "school_id": t.school_id, "school": row.school.name if row.school else None,
        "class_label": row.school_class.label if row.school_class else None, "tag": t.tag, "serial": t.serial, "state": t.state,
        "holder": f"{pupil.first_name} {(pupil.usage_name or pupil.last_name)[:1]}." if pupil else None,
        "level": pupil.level.value if pupil else None, "os_version": t.os_version, "product_name": t.product_name,
        "last_seen_at": row.last_seen_at, "apps_wanted": row.apps_wanted, "apps_installed": row.apps_installed,
        "cursor": row.cursor,
    }  # fmt: skip


@router.get("", response_model=list[TabletOut], operation_id="list_tablets")
def listed(
    work: WorkDep,
    actor: ActorDep,
    town_id: UUID | None = None,
    school_id: UUID | None = None,
    state: TabletState | None = None,
    level: Level | None = None,
    q: str | None = Query(None, max_length=64, description="Part of a tag, a serial number or a child's name."),
    after: str | None = Query(None, max_length=64, description="The `cursor` of the last row of the page before."),
    limit: int = Query(50, ge=1, le=200),
) -> list[dict[str, Any]]:
    """Tablets in the caller's reach, by tag."""
    wanted = Filter(town_id, school_id, state, level, q, after, limit)
    return [_row(row) for row in overview.list_tablets(work, actor, wanted)]


@router.get("/counts", response_model=dict[TabletState, int], operation_id="count_tablets")
def counts(work: WorkDep, actor: ActorDep) -> dict[TabletState, int]:
    """How many tablets are in each state."""
    return overview.count_by_state(work, actor)


@router.get("/{tablet_id}", response_model=TabletDetail, operation_id="get_tablet")
def detail(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """One tablet."""
    view = overview.view_tablet(work, actor, tablet_id)
    case, rules = view.case, view.rules
    return _row(view.row) | {
        "enrollment": view.enrollment.state if view.enrollment else None,
        "push_failing_since": view.push.invalid_since if view.push else None,
        "goes_silent_on": view.silent_on,
        "attested": view.attested,
        "profile": rules.state,
        "profile_problem": rules.problem,
        "rules": asdict(rules),
        "lost": {
            "case_id": case.id, "requested_at": case.requested_at, "confirmed_at": case.confirmed_at,
            "lift_requested_at": case.lift_requested_at,
        } if case else None,
        "apps": [
            {"app_id": a.id, "name": a.name, "bundle_identifier": a.bundle_identifier, "state": r.state, "reason": r.reason,
             "detail": r.detail, "changed_at": r.changed_at}
            for r, a in view.apps
        ],
    }  # fmt: skip


@router.get("/{tablet_id}/timeline", response_model=list[EntryOut], operation_id="get_tablet_timeline")
def timeline(tablet_id: UUID, work: WorkDep, actor: ActorDep, limit: int = Query(50, ge=1, le=200)) -> object:
    """Acts and commands, newest first."""
    return [
        EntryOut(at=e.at, what=e.what, who=e.who, state=e.state, detail=e.detail)
        for e in overview.time_line(work, actor, tablet_id, limit)
    ]
