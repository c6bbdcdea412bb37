"""What must be true when all faults have ended: each tablet is as it should be, nothing waits, and the audit trail holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import select

from cartable.outbox import OutboxRow
from cartable.scheduled_jobs import ScheduledJob
from cartable.unit_of_work import UnitOfWork
from enrollment.safeguards import stop_switch
from mdm.care.lost_mode.models import LostCase
from mdm.devices.models import DeclarationStatus, DeclarativeState, DeviceEnrollment, EnrollmentState
from mdm.queue.models import OPEN_STATES, CommandBody, QueuedCommand
from mdm.reconcile.models import AppState, ProfileState, TabletApp, TabletProfile
from profiles.apps.models import App
from simulator import SimulatedTablet
from simulator.device import SimulatedAppState
from tests.simulation.town import SimulatedTown
from tests.support.audit_trail import find_fault


def release_town(work: UnitOfWork, town: SimulatedTown) -> None:
    """Let two people release the stop switch if it is on."""
    if stop_switch.is_stopped(work, town.id):
        stop_switch.request_release(work, town.admin, town.id, "over")
        stop_switch.approve_release(work, town.colleague, town.id)


def find_problems(work: UnitOfWork, town: SimulatedTown, tablets: Sequence[SimulatedTablet]) -> list[str]:
    """Return what is not in order, one sentence each."""
    problems = [*_find_waiting(work)]
    for tablet_id, tablet in zip(town.tablet_ids, tablets, strict=True):
        if tablet.is_enrolled:
            problems += [f"{tablet.serial}: {problem}" for problem in _find_problems_of_tablet(work, tablet_id, tablet)]
    if (fault := find_fault(work, town.id)) is not None:
        problems.append(f"the audit trail is broken: {fault}")
    return problems


def _find_waiting(work: UnitOfWork) -> Iterator[str]:
    for row in work.session.scalars(select(OutboxRow).order_by(OutboxRow.id)):
        if row.parked_at is not None or row.lease_until is not None or row.not_before <= work.now:
            yield f"the job {row.topic.value} {row.key} is left: {row.last_error}"
    for job in work.session.scalars(select(ScheduledJob).where(ScheduledJob.failures > 0)):
        yield f"the scheduled job {job.name} fails: {job.last_error}"
    statement = (
        select(QueuedCommand, CommandBody.request_type)
        .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
        .where(QueuedCommand.state.in_(OPEN_STATES))
        .order_by(QueuedCommand.id)
    )
    for command, request_type in work.session.execute(statement):
        if command.not_before is None or command.not_before <= work.now:
            yield f"{request_type} {command.id} is {command.state.value} for enrollment {command.enrollment_id}"


def _find_problems_of_tablet(work: UnitOfWork, tablet_id: UUID, tablet: SimulatedTablet) -> Iterator[str]:
    enrollment = work.session.scalar(
        select(DeviceEnrollment).where(DeviceEnrollment.tablet_id == tablet_id, DeviceEnrollment.udid == tablet.udid)
    )
    if enrollment is None or enrollment.state is not EnrollmentState.ENROLLED:
        yield f"is enrolled, and the server says {enrollment and enrollment.state}"
        return
    if tablet.identity.fingerprint not in (enrollment.fingerprint, enrollment.next_fingerprint):
        yield "has another certificate than the server expects"
    case = work.session.scalar(select(LostCase).where(LostCase.tablet_id == tablet_id, LostCase.lifted_at.is_(None)))
    if (tablet.lost_mode is not None) != (case is not None):
        yield f"lost mode is {tablet.lost_mode}, and the case is {case and case.origin}"
    if case is not None and case.confirmed_at is None:
        yield f"lost mode is not confirmed: {case.problem}"
    if case is not None and case.lift_requested_at is not None:
        yield f"lost mode is to be lifted: {case.problem}"
    if case is None:
        yield from _find_unproved_rules(work, tablet_id, enrollment)
        yield from _find_wrong_apps(work, tablet_id, tablet)


def _find_unproved_rules(work: UnitOfWork, tablet_id: UUID, enrollment: DeviceEnrollment) -> Iterator[str]:
    profile = work.session.get(TabletProfile, tablet_id)
    if profile is not None and profile.state is not ProfileState.VERIFIED:
        yield f"the profile is {profile.state}, {profile.reason}: {profile.problem}"
    declared = work.session.get(DeclarativeState, enrollment.id)
    if declared is not None and declared.set_sha256 is not None and declared.status is not DeclarationStatus.CONFIRMED:
        yield f"its declarations are {declared.status}: {declared.problem}"
    if declared is not None and declared.fallback_reason is not None:
        yield f"it has lost its declarations: {declared.fallback_reason}"


def _find_wrong_apps(work: UnitOfWork, tablet_id: UUID, tablet: SimulatedTablet) -> Iterator[str]:
    statement = (
        select(TabletApp, App.bundle_identifier).join(App, App.id == TabletApp.app_id).where(TabletApp.tablet_id == tablet_id)
    )
    wanted: set[str] = set()
    for row, identifier in work.session.execute(statement):
        wanted.add(identifier)
        if row.state is not AppState.INSTALLED:
            yield f"the app {identifier} is {row.state}, {row.reason}: {row.detail}"
        elif tablet.apps.get(identifier) is not SimulatedAppState.MANAGED:
            yield f"the app {identifier} is installed for the server, and {tablet.apps.get(identifier)} on the tablet"
    for identifier in sorted(tablet.apps.keys() - wanted):
        if tablet.device.apps[identifier].managed and tablet.apps[identifier] is SimulatedAppState.MANAGED:
            yield f"the app {identifier} is on the tablet, and nobody gives it"
