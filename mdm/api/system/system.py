"""Endpoints of the server itself: state, audit trail, cancelling a command."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable import audit, outbox_figures
from cartable.errors import Forbidden
from cartable.outbox import Topic
from cartable.scope import Permission
from enrollment.joining.ade.models import AdeAlarm
from enrollment.joining.ade.service import list_servers_needing_attention
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.care.server_state import load_server_state
from mdm.privacy.audit_repository import CheckpointRepository
from mdm.push.certificates import get_certificate_health
from mdm.push.rules import StopReason
from mdm.queue import service as queue
from mdm.reconcile.renewals import count_ending_identities
from mdm.resolver.service import ResolverStatus

router = APIRouter(tags=["system"])


class PushHealth(BaseModel):
    """The state of the push certificate."""

    installed: bool
    simulated: bool
    days_left: int | None
    warning: int | None = Field(description="The smallest of 60, 30, 14, 7 days that has been reached.")


class AdeServerHealth(BaseModel):
    """A device management server that needs a person: an alarm, or a token that expires soon."""

    town_id: UUID
    server_id: UUID
    name: str
    alarm: AdeAlarm | None
    alarm_since: datetime | None
    warning: int | None = Field(description="The smallest of 60, 30, 14, 7 days before the token's end that has been reached.")


class IdentityHealth(BaseModel):
    """Tablets that are about to go silent because their identity certificates end."""

    model_config = ConfigDict(from_attributes=True)
    ending: int = Field(description="Tablets whose certificate ends within 30 days, or whose renewal fails.")
    failing: int = Field(description="Those among them whose renewal fails.")
    first_end: datetime | None = Field(description="When the first of these certificates ends.")


class SenderHealth(BaseModel):
    """Whether pushes are sent."""

    model_config = ConfigDict(from_attributes=True)
    stopped_at: datetime | None = Field(description="Since when no pushes are sent but tests; null while they are sent.")
    stop_reason: StopReason | None
    stop_detail: str | None = Field(description="Apple's reasons, the most frequent first.")
    test_at: datetime | None = Field(description="When the sender tests itself next.")
    last_delivered_at: datetime | None


class WorkerOut(BaseModel):
    """A worker process that lives, or died within the last hour."""

    id: str
    kinds: list[str] = Field(description="The kinds of its work.")
    stuck: list[str] = Field(description="Kinds of work that overran their time limit.")
    started_at: datetime
    heartbeat_at: datetime
    alive: bool


class ResolverOut(BaseModel):
    """A process that keeps a DNS resolver running."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    started_at: datetime
    seen_at: datetime
    answered_at: datetime | None = Field(description="When it last proved that it answers and filters.")
    published_at: datetime | None = Field(description="When it last took up a changed filter or list.")
    address_count: int = Field(description="Filters that it serves.")
    pending_lists: int = Field(description="Lists of categories that it does not know yet.")
    restarts: int = Field(description="How often one of its programs ended without being asked to.")
    problem: str | None


class LaneLagOut(BaseModel):
    """The due jobs of one lane of a topic."""

    topic: Topic
    lane: str
    waiting: int
    oldest_due: datetime


class SystemStateOut(BaseModel):
    """The state of the server."""

    push: PushHealth
    identities: IdentityHealth
    ade_servers: list[AdeServerHealth]
    oldest_job_due: datetime | None
    parked_jobs: dict[Topic, int] = Field(
        description="Jobs by topic that failed too often and wait for a person: `cartable jobs list` shows why."
    )
    leased_jobs: dict[Topic, int] = Field(description="Jobs by topic that a worker executes.")
    lag: list[LaneLagOut]
    workers: list[WorkerOut]
    failing_schedule: list[str] = Field(description="Jobs of the schedule whose last run failed.")
    sender: SenderHealth
    invalid_tokens: int = Field(description="Enrolled tablets that cannot be woken: APNs refuses their tokens.")
    armed_erases: int = Field(description="Erases that wait for their tablets.")
    resolver_status: ResolverStatus
    resolvers: list[ResolverOut]
    disk_free: int = Field(description="Free bytes where the data folder is.")
    broken_audit_chains: int = Field(
        description="Chains of the audit trail in which the scheduled verification found something wrong: `cartable audit verify` shows what."
    )


class AuditEventOut(BaseModel):
    """One event of the audit trail."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    at: datetime
    actor_name: str
    action: str
    subject_kind: str
    subject_id: str
    details: dict[str, Any]


class CancelledCommandOut(BaseModel):
    """A command after it was cancelled."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    state: str
    state_reason: str | None


@router.get("/system/state", response_model=SystemStateOut)
def get_system_state(work: WorkDep, actor: ActorDep) -> SystemStateOut:
    """Get the state of the server.

    It shows the push certificate and whether pushes are sent, the tablets that are about to go silent, the device management servers that need a
    person, the workers, and what waits.
    """
    certificate, state = get_certificate_health(work), load_server_state(work)
    push = PushHealth(
        installed=certificate.installed,
        simulated=certificate.simulated,
        days_left=certificate.days_left,
        warning=certificate.warning,
    )
    servers = [
        AdeServerHealth(
            town_id=row.town_id, server_id=row.id, name=row.name, alarm=row.alarm, alarm_since=row.alarm_since, warning=warning
        )
        for row, warning in list_servers_needing_attention(work, actor)
    ]
    return SystemStateOut(
        push=push,
        identities=IdentityHealth.model_validate(count_ending_identities(work, actor)),
        ade_servers=servers,
        oldest_job_due=outbox_figures.get_oldest_due(work.session, work.now),
        parked_jobs=dict(state.parked_jobs),
        leased_jobs=dict(state.leased_jobs),
        lag=[
            LaneLagOut(topic=each.topic, lane=each.lane.name.lower(), waiting=each.waiting, oldest_due=each.oldest_due)
            for each in state.lag
        ],
        workers=[
            WorkerOut(
                id=row.id,
                kinds=row.kinds,
                stuck=row.stuck,
                started_at=row.started_at,
                heartbeat_at=row.heartbeat_at,
                alive=row.is_alive(work.now),
            )
            for row in state.workers
        ],
        failing_schedule=[job.name for job in state.failing_jobs],
        sender=SenderHealth.model_validate(state.sender),
        invalid_tokens=state.invalid_tokens,
        armed_erases=state.armed_erases,
        resolver_status=state.resolver.status,
        resolvers=[ResolverOut.model_validate(process) for process in state.resolver.processes],
        disk_free=state.disk_free,
        broken_audit_chains=len(CheckpointRepository(work.session).list_faulty()),
    )


@router.get("/audit-events")
def list_audit_events(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[AuditEventOut]:
    """List the audit events of a town, newest first.

    Helpdesk, technicians and a school's staff see their own acts.
    """
    if town_id not in actor.list_own_towns():
        raise Forbidden(permission=Permission.SEE.value)
    own = None if actor.has_permission(Permission.PRIVACY, town_id) else actor.account_id
    return PageOut.of(
        audit.list_events(work, town_id, wanted=audit.EventFilter(actor_id=own), page=page), AuditEventOut.model_validate
    )


@router.post("/commands/{command_id}/cancel", response_model=CancelledCommandOut)
def cancel_command(command_id: int, work: WorkDep, actor: ActorDep) -> object:
    """Cancel a command that has not been sent."""
    return queue.cancel_command(work, actor, command_id)
