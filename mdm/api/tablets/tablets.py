"""Endpoints of tablets: lists, one tablet with its apps and rules, its events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from enrollment.joining.device_kind import DeviceProblem, find_device_problem
from enrollment.places.models import Grade
from enrollment.tablets.models import TabletState
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.tablets.identities import IdentityRenewalOut, build_renewal_out
from mdm.care import overview
from mdm.care.lost_mode.models import LostCase, LostCaseOrigin
from mdm.care.overview import RulesDelivery
from mdm.care.overview_repository import TabletFilter, TabletRow
from mdm.devices.models import EnrollmentState
from mdm.queue.models import CommandState
from mdm.reconcile.models import AppReason, AppState, ConfigurationStatus, ProfileReason, ProfileState, TabletApp, TrialState
from profiles.apps.models import App
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
    grade: str | None
    os_version: str | None
    product_name: str | None
    battery_level: float | None = Field(description="Between 0 and 1.")
    available_gigabytes: float | None
    last_seen_at: datetime | None
    erased_at: datetime | None = Field(description="When it was erased without having enrolled since.")
    apps_wanted: int
    apps_installed: int


class TabletAppStateOut(BaseModel):
    """The state of one app on one tablet."""

    app_id: UUID
    name: str
    bundle_identifier: str
    state: AppState
    reason: AppReason
    detail: str | None
    changed_at: datetime
    configuration: ConfigurationStatus | None = Field(description="How far its managed configuration is; null without one.")
    configuration_problem: str | None = Field(description="Why the tablet has refused its managed configuration.")


class LostCaseOut(BaseModel):
    """A lost tablet's case. What was requested and what the tablet has confirmed are different fields."""

    case_id: UUID
    requested_at: datetime
    confirmed_at: datetime | None
    lift_requested_at: datetime | None
    origin: LostCaseOrigin = Field(description="Whether a loss was reported, or the tablet was found in lost mode.")
    problem: str | None = Field(description="Why the tablet refused the last command.")
    attempts: int
    next_attempt_at: datetime | None = Field(description="When a refused command is sent again.")


class TabletRulesOut(BaseModel):
    """The state of a tablet's rules: the mode that is wanted, and the one that the tablet has proved."""

    model_config = ConfigDict(from_attributes=True)
    path: RulesDelivery | None
    state: ProfileState | None
    reason: ProfileReason | None
    problem: str | None = Field(description="What the tablet reported, in its own words.")
    attempts: int
    next_attempt_at: datetime | None = Field(description="When what failed is tried again.")
    fallback_reason: str | None = Field(description="Why it has a profile although it should support declarations.")
    trial: TrialState | None = Field(
        description="How far the trial is of what could cut the tablet off. It removes itself unless the tablet is in contact under it."
    )
    wanted_mode: Mode | None
    wanted_since: datetime | None
    seen_mode: Mode | None
    proved_at: datetime | None


class TabletDetail(TabletOut):
    """One tablet with its enrollment, rules, lost mode and apps."""

    enrollment: EnrollmentState | None
    push_failing_since: datetime | None
    device_problem: DeviceProblem | None = Field(
        description="What is wrong with what the device says it is: no iPad, an old system, or nothing known."
    )
    identity_expires_at: datetime | None = Field(
        description="When the certificate that it uses ends. After that it cannot connect and must be enrolled again."
    )
    identity_renewal: IdentityRenewalOut | None = Field(
        description="What was ordered to replace that certificate; null when nothing was, or when the tablet uses the new one."
    )
    attested: bool | None = Field(description="Whether Apple has attested that the key of its certificate lies in this device.")
    profile: ProfileState | None
    profile_problem: str | None
    rules: TabletRulesOut
    lost: LostCaseOut | None
    apps: list[TabletAppStateOut]


class TabletEventOut(BaseModel):
    """An act on a tablet, or a command with its result."""

    at: datetime
    action: str = Field(examples=["EnableLostMode"])
    actor_name: str
    state: CommandState | None
    detail: str | None
    command_id: int | None = Field(description="The number of the command, by which it can be cancelled until it has left.")


def _tablet_values(row: TabletRow) -> dict[str, Any]:
    t, pupil = row.tablet, row.pupil
    return {
        "id": t.id, "town_id": t.town_id, "school_id": t.school_id, "school": row.school.name if row.school else None,
        "class_label": row.school_class.label if row.school_class else None, "tag": t.tag, "serial": t.serial, "state": t.state,
        "holder": f"{pupil.first_name} {(pupil.usage_name or pupil.last_name)[:1]}." if pupil else None,
        "grade": pupil.grade.value if pupil else None, "os_version": t.os_version, "product_name": t.product_name,
        "battery_level": t.battery_level, "available_gigabytes": t.available_gigabytes, "erased_at": row.erased_at,
        "last_seen_at": row.last_seen_at, "apps_wanted": row.apps_wanted, "apps_installed": row.apps_installed,
    }  # fmt: skip


def build_lost_case_out(case: LostCase) -> LostCaseOut:
    """Return a lost tablet's case for the API."""
    return LostCaseOut(
        case_id=case.id,
        requested_at=case.requested_at,
        confirmed_at=case.confirmed_at,
        lift_requested_at=case.lift_requested_at,
        origin=case.origin,
        problem=case.problem,
        attempts=case.attempts,
        next_attempt_at=case.next_attempt_at if case.attempts else None,
    )


def _build_app_out(row: TabletApp, app: App) -> TabletAppStateOut:
    return TabletAppStateOut(
        app_id=app.id,
        name=app.name,
        bundle_identifier=app.bundle_identifier,
        state=row.state,
        reason=row.reason,
        detail=row.detail,
        changed_at=row.changed_at,
        configuration=row.configuration_status,
        configuration_problem=row.configuration_problem,
    )


@router.get("")
def list_tablets(
    work: WorkDep,
    actor: ActorDep,
    page: PageParams,
    town_id: UUID | None = None,
    school_id: UUID | None = None,
    state: TabletState | None = None,
    grade: Grade | None = None,
    q: str | None = Query(None, max_length=64, description="Part of a tag, a serial number or a child's name."),
    lacks_apps: bool = Query(False, description="Only tablets that lack an app they should have."),
    silent_days: int | None = Query(None, ge=1, le=400, description="Only tablets without contact for so many days."),
    unproved: bool = Query(False, description="Only tablets that have not proved the mode they should be in."),
    erased: bool = Query(False, description="Only tablets that were erased and have not enrolled since."),
    system: int | None = Query(None, ge=1, le=99, description="First number of the system's version."),
    battery_below: float | None = Query(None, ge=0, le=1),
    storage_below: float | None = Query(None, ge=0, le=100_000, description="Gigabytes."),
) -> PageOut[TabletOut]:
    """List the tablets that the caller may see, by tag."""
    silent_since = work.now - timedelta(days=silent_days) if silent_days is not None else None
    filters = TabletFilter(
        town_id, school_id, state, grade, q, lacks_apps=lacks_apps, silent_since=silent_since, unproved=unproved, erased=erased,
        system=system, battery_below=battery_below, storage_below=storage_below,
    )  # fmt: skip
    return PageOut.of(overview.list_tablets(work, actor, filters, page), lambda row: TabletOut(**_tablet_values(row)))


@router.get("/counts")
def count_tablets(work: WorkDep, actor: ActorDep) -> dict[TabletState, int]:
    """Count the tablets in each state."""
    return overview.count_by_state(work, actor)


@router.get("/{tablet_id}")
def get_tablet(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> TabletDetail:
    """Get one tablet with its enrollment, rules and apps."""
    view = overview.view_tablet(work, actor, tablet_id)
    return TabletDetail(
        **_tablet_values(view.row),
        enrollment=view.enrollment.state if view.enrollment else None,
        push_failing_since=view.push.invalid_since if view.push else None,
        device_problem=find_device_problem(view.device),
        identity_expires_at=view.identity.expires_at if view.identity else None,
        identity_renewal=build_renewal_out(view.identity.renewal) if view.identity and view.identity.renewal else None,
        attested=view.identity.attested if view.identity else None,
        profile=view.rules.state,
        profile_problem=view.rules.problem,
        rules=TabletRulesOut.model_validate(view.rules),
        lost=build_lost_case_out(view.case) if view.case else None,
        apps=[_build_app_out(state, app) for state, app in view.apps],
    )


@router.get("/{tablet_id}/events")
def list_tablet_events(tablet_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[TabletEventOut]:
    """List the acts and commands of a tablet, newest first."""
    return PageOut.of(
        overview.list_timeline(work, actor, tablet_id, page),
        lambda entry: TabletEventOut(
            at=entry.at,
            action=entry.action,
            actor_name=entry.actor_name,
            state=entry.state,
            detail=entry.detail,
            command_id=entry.command_id,
        ),
    )
