"""Telling tablets by declarations: what is announced, what drifted, and when commands must do instead."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.devices.models import DeclarativeState, DeviceEnrollment
from mdm.protocol import ddm
from mdm.protocol.commands.actions import DeclarativeManagement
from mdm.protocol.commands.profiles import RemoveProfile
from mdm.queue import service as queue
from mdm.queue.models import CommandState
from mdm.queue.service import AnsweredCommand, Timing
from mdm.reconcile.models import AppReason, AppState, TabletApp, TabletProfile
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps import licences
from profiles.effective.compile import Desired
from profiles.render.apple import IDENTIFIER
from profiles.render.declarations import properties
from profiles.schedule.modes import Mode

#: So often the same declarations are announced again to a tablet that reports something else; then commands do it.
MAX_REPAIRS = 4
#: How long a tablet may take from an announcement to its report before it is asked again.
PATIENCE = timedelta(minutes=10)
#: A new mode is worth nothing once the next one holds.
TIMELY = timedelta(hours=12)


def is_declared(wanted: Desired, state: DeclarativeState | None) -> bool:
    """Whether this tablet is told by declarations now: it understands them, has proved so by a report, and keeps them."""
    if wanted.declaration_set is None or state is None:
        return False
    return state.problem is None and state.reported_at is not None


def probe(
    work: UnitOfWork,
    channels: Mapping[UUID, DeviceEnrollment],
    desired: Mapping[UUID, Desired],
    states: Mapping[int, DeclarativeState],
) -> None:
    """Ask tablets that should understand declarations to prove it. Until they do, profiles are installed by commands:
    a tablet is never without its rules because it promised something.
    """
    repository = ReconcileRepository(work.session)
    asked = [c.id for t, c in channels.items() if desired[t].declaration_set is not None and c.id not in states]
    for enrollment_id in asked:
        repository.start_declarative(enrollment_id)
    if asked:
        queue.enqueue(work, SYSTEM, DeclarativeManagement(data=ddm.tokens([], work.now)), asked)


def announce(
    work: UnitOfWork,
    channels: Mapping[UUID, DeviceEnrollment],
    desired: Mapping[UUID, Desired],
    states: Mapping[int, DeclarativeState],
) -> None:
    """Announce to each of these tablets what it should hold. Those that were told the same and keep it are left alone."""
    told: dict[tuple[str, Mode], list[int]] = {}
    given_up: list[int] = []
    for tablet_id, channel in channels.items():
        wanted, state = desired[tablet_id], states[channel.id]
        assert wanted.declaration_set is not None
        if _must_tell(work, state, wanted):
            state.set_sha256, state.mode = wanted.declaration_set, wanted.mode.value
            state.announced_at, state.confirmed_at = work.now, None
            told.setdefault((wanted.declaration_set, wanted.mode), []).append(channel.id)
        elif state.problem is not None:
            state.set_sha256, state.mode, state.alone_since = None, None, None
            given_up.append(channel.id)
    items = ReconcileRepository(work.session).declaration_items(sorted({sha256 for sha256, _ in told}))
    for (sha256, mode), enrollment_ids in told.items():
        order = DeclarativeManagement(data=tokens_of(items[sha256], mode, work))
        queue.enqueue(work, SYSTEM, order, enrollment_ids, timing=Timing(deadline=work.now + TIMELY))
    if given_up:
        queue.enqueue(work, SYSTEM, DeclarativeManagement(data=ddm.tokens([], work.now)), given_up)


def tokens_of(items: list[dict[str, object]], mode: Mode, work: UnitOfWork) -> bytes:
    """The tokens that go with an announcement: they save the tablet a question."""
    switch = properties(mode)
    return ddm.tokens([*items, {"Kind": switch.kind.value, **switch.document()}], work.now)


def _must_tell(work: UnitOfWork, state: DeclarativeState, wanted: Desired) -> bool:
    if (state.set_sha256, state.mode) != (wanted.declaration_set, wanted.mode.value):
        state.repairs = 0
        return True
    if state.announced_at is None:
        return True
    if state.declarations is None or state.reported_at is None or state.reported_at <= state.announced_at:
        return work.now - state.announced_at > PATIENCE
    if not drifted(state):
        return False
    return _repair(state, "; ".join(ddm.reason_of(row) for row in ddm.invalid(state.declarations)) or "drift")


def drifted(state: DeclarativeState) -> bool:
    """Whether the tablet reports something else than what it was told."""
    return state.reported_at is not None and state.declarations is not None and state.confirmed_at is None


def _repair(state: DeclarativeState, why: str) -> bool:
    """Tell it again, a few times; then declarations are given up for this tablet, and profiles are sent."""
    state.repairs += 1
    if state.repairs > MAX_REPAIRS:
        state.problem = why[:200]
        return False
    return True


def awaits_proof(work: UnitOfWork, channel: DeviceEnrollment, wanted: Desired, state: DeclarativeState | None) -> bool:
    """Whether apps should wait a moment, because the tablet will soon have proved that they can be declared."""
    if not work.settings.declarative_apps or wanted.declaration_set is None or channel.enrolled_at is None:
        return False
    until = channel.enrolled_at + PATIENCE
    if (state is not None and (state.problem or state.reported_at)) or work.now >= until:
        return False
    work.enqueue_job(Topic.DECIDE, channel.tablet_id, not_before=until)
    return True


_APP_STATES = {
    "managed": (AppState.INSTALLED, AppReason.INSTALLED),
    "failed": (AppState.FAILED, AppReason.DOWNLOAD_FAILED),
    "managed-but-uninstalled": (AppState.WAITING, AppReason.USER_REJECTED),
    "prompting-for-consent": (AppState.WAITING, AppReason.WAITING_CONTACT),
}


def note_apps(
    work: UnitOfWork, tablet_id: UUID, wanted: Desired, known: Mapping[UUID, TabletApp], state: DeclarativeState
) -> None:
    """Where the declared apps stand, as the tablet last reported them (status item `app.managed.list`)."""
    listed = ((state.items or {}).get("app") or {}).get("managed", {}).get("list", [])
    said = {row.get("identifier"): row.get("state") for row in listed if isinstance(row, dict)}
    for app in wanted.apps:
        if not app.is_installed_by_us:
            continue
        word = said.get(app.bundle_identifier)
        now = _APP_STATES.get(str(word)) or (
            (AppState.INSTALLING, AppReason.INSTALLING) if word else (AppState.WAITING, AppReason.WAITING_CONTACT)
        )
        row = known.get(app.app_id)
        if row is None:
            row = TabletApp(tablet_id=tablet_id, app_id=app.app_id, state=now[0], reason=now[1], attempts=0, changed_at=work.now)
            work.session.add(row)
        elif (row.state, row.reason) != now:
            row.state, row.reason, row.changed_at = *now, work.now
        if row.state is AppState.INSTALLED:
            licences.installed(work, app.app_id, tablet_id)
    kept = {app.app_id for app in wanted.apps}
    for app_id, row in known.items():
        if app_id not in kept:
            work.session.delete(row)  # its declaration is gone, and the app with it
            licences.release(work, app_id, tablet_id)


def beside_declarations(
    work: UnitOfWork, channel: DeviceEnrollment, wanted: Desired, row: TabletProfile | None, state: DeclarativeState
) -> str | None:
    """What of the policy goes by command to a tablet that keeps declarations: the address of its profile, or None.

    Until the declared policy is active the whole profile stays. Then it is replaced by what the operator keeps from
    declarations, which has the same identifier, or goes altogether.
    """
    if state.confirmed_at is None and state.alone_since is None:
        return None
    first = state.alone_since is None
    state.alone_since = state.alone_since or work.now
    if wanted.beside_sha256 is not None:
        return wanted.beside_sha256
    if row is not None:
        why = "the same rules are declared now" if first else "nothing is left beside declarations"
        queue.enqueue(work, SYSTEM, RemoveProfile(identifier=IDENTIFIER), [channel.id], reason=why)
        work.session.delete(row)
    return None


def refused(work: UnitOfWork, repository: ReconcileRepository, answered: AnsweredCommand) -> None:
    """A tablet says that it knows no declarations: it is told by profiles, at once."""
    state = repository.declarative([answered.enrollment_id]).get(answered.enrollment_id)
    if state is not None and answered.state in (CommandState.FAILED, CommandState.REJECTED):
        state.problem = (answered.error or "refused")[:200]
        state.set_sha256, state.mode = None, None
        work.enqueue_job(Topic.DECIDE, answered.tablet_id)
