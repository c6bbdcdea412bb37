"""Read models of tablets for people: lists, one tablet with its circumstances, its timeline. Records who read about which pupil."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Row

from cartable.audit import AuditEvent
from cartable.paging import FIRST_PAGE, Page, PageRequest, cut_page
from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.device_kind import DeviceDescription
from enrollment.people import access
from enrollment.people.models import AccessKind
from enrollment.people.service import search_pupils
from enrollment.tablets import service as tablets
from enrollment.tablets.models import TabletState
from mdm.care.lost_mode.models import LostCase
from mdm.care.lost_mode.repository import LostModeRepository
from mdm.care.overview_repository import OverviewRepository, TabletFilter, TabletRow
from mdm.care.tablet_columns import BY_TAG, TabletOrder
from mdm.devices.manifests import build_manifest_contents
from mdm.devices.models import DeclarationStatus, DeclarativeState, DeviceEnrollment, PushTarget
from mdm.devices.repository import DeviceRepository
from mdm.queue import service as queue
from mdm.queue.models import UNSENT_STATES, ArchivedCommand, CommandBody, CommandResult, CommandState, QueuedCommand
from mdm.reconcile.models import ProfileReason, ProfileState, TabletApp, TabletProfile, TrialState
from mdm.reconcile.renewals import IdentityStatus, get_identity_status
from mdm.reconcile.repository import ReconcileRepository
from mdm.reconcile.trials import FAILED_TRIALS, get_trial_state
from profiles.apps.models import App
from profiles.schedule.models import TabletMode
from profiles.schedule.modes import Mode


def list_tablets(
    work: UnitOfWork, actor: Actor, filters: TabletFilter, page: PageRequest = FIRST_PAGE, order: TabletOrder = BY_TAG
) -> Page[TabletRow]:
    """List the visible tablets in an order. A text that may be a name is also searched among pupils, which is audited."""
    pupil_ids = list_holders_named(work, actor, filters.text, filters.town_id)
    rows = OverviewRepository(work.session).list_rows(actor, filters, pupil_ids, page, order)
    access.record_access(work, actor, (row.pupil for row in rows.items if row.pupil is not None), AccessKind.TABLET)
    return rows


def list_holders_named(work: UnitOfWork, actor: Actor, text: str | None, town_id: UUID | None = None) -> list[UUID]:
    """Return the pupils with a tablet whose name has the text, in one town or in the actor's; none for a text that is no name. Audited."""
    if not text or any(ch.isdigit() for ch in text):
        return []
    holders = OverviewRepository(work.session).select_holder_ids()
    town_ids = {town_id} if town_id is not None else actor.list_own_towns()
    return [pupil.id for pupil in search_pupils(work, actor, town_ids, text, among=holders)]


def count_by_state(work: UnitOfWork, actor: Actor, town_id: UUID | None = None) -> dict[TabletState, int]:
    """Return how many visible tablets are in each state, in one town or in all."""
    return OverviewRepository(work.session).count_by_state(actor, town_id)


def list_systems(work: UnitOfWork, actor: Actor) -> list[int]:
    """Return the systems of the visible tablets, by the first number of their versions, the newest first."""
    return OverviewRepository(work.session).list_systems(actor)


class RulesDelivery(StrEnum):
    """By which mechanism a tablet gets its rules."""

    DECLARATIONS = "declarations"
    PROFILE = "profile"


@dataclass(frozen=True, slots=True)
class RulesStatus:
    """State of a tablet's rules: the desired mode and the proved one are separate. `verified` means proved by the tablet itself."""

    path: RulesDelivery | None
    state: ProfileState | None
    reason: ProfileReason | None
    problem: str | None
    attempts: int
    next_attempt_at: datetime | None
    wanted_mode: Mode | None
    wanted_since: datetime | None
    seen_mode: Mode | None
    proved_at: datetime | None
    #: Why the tablet is managed by a profile although it should support declarations.
    fallback_reason: str | None = None
    #: What could cut the tablet off is kept back until the tablet has proved that it does not.
    trial: TrialState | None = None

    @property
    def can_retry(self) -> bool:
        """Return whether trying again now changes anything: something failed, or declarations were given up."""
        has_failed = self.state is ProfileState.FAILED or self.trial in FAILED_TRIALS
        return self.attempts > 0 or has_failed or self.fallback_reason is not None


def _load_rules_status(
    work: UnitOfWork, enrollment: DeviceEnrollment | None, profile: TabletProfile | None, tablet_id: UUID
) -> RulesStatus:
    mode = OverviewRepository(work.session).get_mode(tablet_id)
    declared = DeviceRepository(work.session).get_declarative_state(enrollment.id) if enrollment else None
    if declared is not None and declared.set_sha256 is not None and declared.fallback_reason is None:
        return _describe_declarations(declared, mode, _find_seen_mode(work, declared, mode))
    wanted, since = (mode.mode, mode.since) if mode else (None, None)
    fallback_reason = declared.fallback_reason if declared is not None else None
    if profile is None:
        return RulesStatus(None, None, None, None, 0, None, wanted, since, None, None, fallback_reason)
    proved = profile.state is ProfileState.VERIFIED
    return RulesStatus(
        path=RulesDelivery.PROFILE,
        state=profile.state,
        reason=profile.reason,
        problem=profile.problem,
        attempts=profile.attempts,
        next_attempt_at=profile.next_attempt_at if profile.attempts else None,
        wanted_mode=wanted,
        wanted_since=since,
        seen_mode=wanted if proved else None,
        proved_at=profile.changed_at if proved else None,
        fallback_reason=fallback_reason,
    )


#: What each status of declarations means for people.
_DECLARED: dict[DeclarationStatus, tuple[ProfileState, ProfileReason]] = {
    DeclarationStatus.WAITING: (ProfileState.WAITING, ProfileReason.WAITING_CONTACT),
    DeclarationStatus.IN_PROGRESS: (ProfileState.WAITING, ProfileReason.IN_PROGRESS),
    DeclarationStatus.CONFIRMED: (ProfileState.VERIFIED, ProfileReason.INSTALLED),
    DeclarationStatus.FAILED: (ProfileState.FAILED, ProfileReason.INVALID),
}


def _find_seen_mode(work: UnitOfWork, declared: DeclarativeState, mode: TabletMode | None) -> Mode | None:
    """Return the mode that the tablet has proved: the wanted one too where it applies the same as the one that the tablet names."""
    named = Mode(declared.confirmed_mode) if declared.confirmed_mode else None
    served = declared.served
    if named is None or served is None or mode is None or named is mode.mode:
        return named
    items = DeviceRepository(work.session).load_declaration_items([served.set_sha256]).get(served.set_sha256, [])
    contents = [build_manifest_contents(items, replace(served, mode=each)) for each in (named, mode.mode)]
    return mode.mode if contents[0].effective_identifiers == contents[1].effective_identifiers else named


def _describe_declarations(declared: DeclarativeState, mode: TabletMode | None, seen_mode: Mode | None) -> RulesStatus:
    state, reason = _DECLARED[declared.status]
    return RulesStatus(
        path=RulesDelivery.DECLARATIONS,
        state=state,
        reason=reason,
        problem=declared.problem,
        attempts=declared.repair_attempts,
        next_attempt_at=declared.next_check_at if state is ProfileState.FAILED else None,
        wanted_mode=mode.mode if mode else None,
        wanted_since=mode.since if mode else None,
        seen_mode=seen_mode,
        proved_at=declared.confirmed_at,
    )


@dataclass(frozen=True, slots=True)
class TabletView:
    """One tablet with its enrollment, its open lost case, its rules and its apps."""

    row: TabletRow
    enrollment: DeviceEnrollment | None
    push: PushTarget | None
    case: LostCase | None
    rules: RulesStatus
    identity: IdentityStatus | None
    device: DeviceDescription
    apps: Sequence[Row[TabletApp, App]]


def view_tablet(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> TabletView:
    """Return one tablet with its circumstances; records that its pupil's record was read. Raises `TabletNotFound`."""
    tablet = tablets.get_tablet(work, actor, tablet_id)
    repository = OverviewRepository(work.session)
    [row] = repository.list_rows(actor, TabletFilter(tablet_id=tablet.id), [], FIRST_PAGE).items
    access.record_access(work, actor, [row.pupil] if row.pupil is not None else [], AccessKind.TABLET)
    latest = DeviceRepository(work.session).get_latest_enrollment(tablet_id)
    reconcile = ReconcileRepository(work.session)
    return TabletView(
        row=row,
        enrollment=latest[0] if latest else None,
        push=latest[1] if latest else None,
        case=LostModeRepository(work.session).get_open_case(tablet_id),
        rules=replace(
            _load_rules_status(
                work, latest[0] if latest else None, reconcile.load_tablet_profiles([tablet_id]).get(tablet_id), tablet_id
            ),
            trial=get_trial_state(work, tablet_id),
        ),
        identity=get_identity_status(work, latest[0]) if latest else None,
        device=DeviceDescription(
            tablet.product_name, tablet.model_name, os_version=tablet.os_version, build_version=tablet.build_version
        ),
        apps=reconcile.list_tablet_apps(tablet_id),
    )


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One entry of a tablet's timeline: an audited act, or a command with its number and state."""

    at: datetime
    action: str
    actor_name: str
    state: CommandState | None = None
    detail: str | None = None
    before: TabletState | None = None
    after: TabletState | None = None
    command_id: int | None = None

    @property
    def can_cancel(self) -> bool:
        """Return whether it is a command that has not left."""
        return self.state in UNSENT_STATES


def list_timeline(
    work: UnitOfWork, actor: Actor, tablet_id: UUID, page: PageRequest = FIRST_PAGE, *, only_people: bool = False
) -> Page[TimelineEntry]:
    """Return acts and commands, newest first; those of people alone with `only_people`. Raises `TabletNotFound`, `InvalidCursor`."""
    tablets.get_tablet(work, actor, tablet_id)
    without = SYSTEM.name if only_people else None
    events = OverviewRepository(work.session).list_events(tablet_id, page, source=1, without=without)
    commands = queue.list_commands(work, tablet_id, page, source=0, without=without)
    archived = queue.list_archived_commands(work, tablet_id, page, source=0, without=without)
    entries = [(key, _build_entry(event)) for key, (event,) in events]
    entries += [(key, _build_command_entry(*row)) for key, row in commands]
    entries += [(key, _build_archived_entry(command)) for key, (command,) in archived]
    return cut_page(sorted(entries, key=lambda entry: entry[0], reverse=True), page)


def _build_command_entry(command: QueuedCommand, body: CommandBody, result: CommandResult | None) -> TimelineEntry:
    at = command.finished_at or command.sent_at or command.created_at
    detail = command.state_reason or (result.status if result else None)
    return TimelineEntry(at, body.request_type, body.requested_by_name, command.state, detail, command_id=command.id)


def _build_archived_entry(command: ArchivedCommand) -> TimelineEntry:
    at = command.finished_at or command.sent_at or command.created_at
    detail = command.state_reason or command.status
    return TimelineEntry(at, command.request_type, command.requested_by_name, command.state, detail, command_id=command.id)


def _build_entry(event: AuditEvent) -> TimelineEntry:
    """Return an audited act as an entry. A change of state carries both states."""
    details = event.details if event.action == "tablet.state" else {}
    before, after = details.get("before"), details.get("after")
    if before is None or after is None:
        return TimelineEntry(event.at, event.action, event.actor_name)
    return TimelineEntry(event.at, event.action, event.actor_name, before=TabletState(before), after=TabletState(after))
