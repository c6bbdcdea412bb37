"""What people see of tablets: lists, one tablet with its circumstances, its time line. Reads, and notes whose record was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Row

from cartable.audit import AuditEvent
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.service import goes_silent_on, is_attested
from enrollment.people import access
from enrollment.people.models import AccessKind
from enrollment.people.service import find_pupils
from enrollment.tablets import service as tablets
from enrollment.tablets.models import TabletState
from mdm.care.models import LostCase
from mdm.care.overview_repository import Filter, OverviewRepository, TabletRow
from mdm.care.repository import CareRepository
from mdm.devices.models import DeviceEnrollment, PushTarget
from mdm.queue import service as queue
from mdm.reconcile.models import ProfileState, TabletApp, TabletProfile
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps.models import App
from profiles.schedule.modes import Mode


def list_tablets(work: UnitOfWork, actor: Actor, wanted: Filter) -> list[TabletRow]:
    """Tablets in the actor's reach, by tag. A text that could be a name is searched among pupils too, which is audited."""
    pupil_ids: list[UUID] = []
    if wanted.text and not any(ch.isdigit() for ch in wanted.text):
        for town_id in {grant.town_id for grant in actor.role_assignments}:
            holders = OverviewRepository(work.session).holders(town_id)
            pupil_ids += [pupil.id for pupil in find_pupils(work, actor, town_id, wanted.text, among=holders)]
    rows = OverviewRepository(work.session).rows(actor, wanted, pupil_ids)
    access.note(work, actor, (row.pupil for row in rows if row.pupil is not None), AccessKind.TABLET)
    return rows


def count_by_state(work: UnitOfWork, actor: Actor) -> dict[TabletState, int]:
    """How many tablets are in each state."""
    return OverviewRepository(work.session).by_state(actor)


class RulesPath(StrEnum):
    """How a tablet is told its rules."""

    DECLARATIONS = "declarations"
    PROFILE = "profile"


@dataclass(frozen=True, slots=True)
class Rules:
    """Where a tablet's rules stand. What is wanted and what was proved are told apart."""

    path: RulesPath | None
    state: ProfileState | None
    problem: str | None
    wanted_mode: Mode | None
    wanted_since: datetime | None
    seen_mode: Mode | None
    proved_at: datetime | None


def _rules(
    repository: OverviewRepository, enrollment: DeviceEnrollment | None, profile: TabletProfile | None, tablet_id: UUID
) -> Rules:
    mode = repository.mode(tablet_id)
    wanted, since = (mode.mode, mode.since) if mode else (None, None)
    declared = repository.declarative(enrollment.id) if enrollment else None
    if declared is not None and declared.set_sha256 is not None:
        state = ProfileState.VERIFIED if declared.confirmed_at else ProfileState.WAITING
        seen = Mode(declared.seen_mode) if declared.seen_mode else None
        return Rules(RulesPath.DECLARATIONS, state, declared.problem, wanted, since, seen, declared.confirmed_at)
    if profile is None:
        return Rules(None, None, None, wanted, since, None, None)
    proved = profile.state is ProfileState.VERIFIED
    seen, at = (wanted, profile.changed_at) if proved else (None, None)
    return Rules(RulesPath.PROFILE, profile.state, profile.why, wanted, since, seen, at)


@dataclass(frozen=True, slots=True)
class TabletView:
    """One tablet with its circumstances."""

    row: TabletRow
    enrollment: DeviceEnrollment | None
    push: PushTarget | None
    case: LostCase | None
    rules: Rules
    silent_on: datetime | None
    attested: bool | None
    apps: Sequence[Row[TabletApp, App]]


def view_tablet(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> TabletView:
    """Raises `TabletNotFound`."""
    tablet = tablets.get(work, actor, tablet_id)
    repository = OverviewRepository(work.session)
    [row] = repository.rows(actor, Filter(tablet_id=tablet.id), [])
    access.note(work, actor, [row.pupil] if row.pupil is not None else [], AccessKind.TABLET)
    found = repository.enrollment(tablet_id)
    reconcile = ReconcileRepository(work.session)
    return TabletView(
        row=row,
        enrollment=found[0] if found else None,
        push=found[1] if found else None,
        case=CareRepository(work.session).open_case(tablet_id),
        rules=_rules(repository, found[0] if found else None, reconcile.profiles([tablet_id]).get(tablet_id), tablet_id),
        silent_on=goes_silent_on(work, tablet_id),
        attested=is_attested(work, tablet_id),
        apps=reconcile.apps_of_tablet(tablet_id),
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One moment in a tablet's life: an act of a person or the server, or a command with its fate."""

    at: datetime
    what: str
    who: str
    state: str | None = None
    detail: str | None = None
    before: TabletState | None = None
    after: TabletState | None = None


def time_line(work: UnitOfWork, actor: Actor, tablet_id: UUID, limit: int = 50) -> list[Entry]:
    """Acts and commands, newest first. Raises `TabletNotFound`."""
    tablets.get(work, actor, tablet_id)
    entries = [_act(event) for event in OverviewRepository(work.session).events(tablet_id, limit)]
    for command, body, answer in queue.history(work, tablet_id, limit=limit):
        at = command.finished_at or command.sent_at or command.created_at
        detail = command.why or (answer.status if answer else None)
        entries.append(Entry(at, body.request_type, body.asked_by_name, command.state.value, detail))
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]


def _act(event: AuditEvent) -> Entry:
    """An act as an entry. A change of state says from what to what."""
    told = event.details if event.action == "tablet.state" else {}
    before, after = told.get("before"), told.get("after")
    if before is None or after is None:
        return Entry(event.at, event.action, event.actor_name)
    return Entry(event.at, event.action, event.actor_name, before=TabletState(before), after=TabletState(after))
