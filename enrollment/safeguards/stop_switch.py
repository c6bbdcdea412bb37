"""The stop switch of a town: one person stops everything irreversible, two people release it. Never commits.

What has been ordered and not delivered is held, and goes on after the release; see docs/domain/safeguards.md#the-stop-switch.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from cartable import audit, locks
from cartable.alarms import AlarmKind, raise_alarm, raise_alarm_of_refusal
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.safeguards.errors import DestructiveCommandsStopped, NoReleaseRequested
from enrollment.safeguards.models import StopSwitch
from enrollment.safeguards.repository import SafeguardRepository
from enrollment.safeguards.rules import ALARM_INTERVAL


def is_stopped(work: UnitOfWork, town_id: UUID) -> bool:
    """Return whether the town's stop switch is on."""
    return bool(list_stopped_towns(work, {town_id}))


def list_stopped_towns(work: UnitOfWork, town_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the towns whose stop switch is on."""
    return {switch.town_id for switch in SafeguardRepository(work.session).list_stopped(town_ids)} if town_ids else set()


def list_stopped_town_names(work: UnitOfWork, town_ids: Collection[UUID]) -> list[str]:
    """Return the names of those of the towns whose stop switch is on, for people who may see these towns."""
    return list(SafeguardRepository(work.session).list_stopped_names(town_ids)) if town_ids else []


def check_not_stopped(work: UnitOfWork, town_id: UUID, actor: Actor = SYSTEM) -> None:
    """Raise `DestructiveCommandsStopped` if the town's stop switch is on; the attempt of a person raises an alarm."""
    if is_stopped(work, town_id):
        if actor.account_id is not None:
            raise_alarm_of_refusal(
                work,
                town_id,
                AlarmKind.ATTEMPT_WHILE_STOPPED,
                actor=actor,
                repeat_after=ALARM_INTERVAL,
                account=str(actor.account_id),
            )
        raise DestructiveCommandsStopped


def stop(work: UnitOfWork, actor: Actor, town_id: UUID, reason: str) -> StopSwitch:
    """Set the stop switch and return it. Extensions of the budget and a release that was requested are void. Raises `Forbidden`.

    Whoever cares for the tablets of the town may do it, without a password: stopping is always safe.
    """
    actor.require_permission(Permission.CARE, town_id)
    locks.lock_town(work, town_id)
    repository = SafeguardRepository(work.session)
    switch = repository.get_stop_switch(town_id)
    if switch is None:
        switch = StopSwitch(town_id=town_id)
        work.session.add(switch)
    else:
        work.session.refresh(switch)
    cancelled_count = repository.cancel_extensions(town_id, actor.account_id, work.now)
    audit.record_event(
        work, actor, "safety.stop", "town", town_id, town_id=town_id, reason=reason, cancelled_extensions=cancelled_count
    )
    if switch.stopped_at is None:
        switch.stopped_at, switch.stopped_by, switch.reason = work.now, actor.account_id, reason
        raise_alarm(work, town_id, AlarmKind.STOPPED, actor=actor)
    switch.release_requested_at = switch.release_requested_by = switch.release_reason = None
    work.session.flush()
    return switch


def request_release(work: UnitOfWork, actor: Actor, town_id: UUID, reason: str) -> StopSwitch:
    """Request that the stop switch is released, which another person must approve, and return it.

    Raises `NoReleaseRequested` when it is off, `Forbidden`, `NotTrustedYet`, `ReauthenticationRequired`.
    """
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_trust(work.now)
    actor.require_reauthentication()
    switch = _get_for_update(work, town_id)
    if switch.release_requested_at is None:
        audit.record_event(work, actor, "safety.request_release", "town", town_id, town_id=town_id, reason=reason)
        switch.release_requested_at, switch.release_requested_by, switch.release_reason = work.now, actor.account_id, reason
        raise_alarm(work, town_id, AlarmKind.RELEASE_REQUESTED, actor=actor)
    return switch


def approve_release(work: UnitOfWork, actor: Actor, town_id: UUID) -> StopSwitch:
    """Release the stop switch as another person has requested, and return it. It raises an alarm.

    Raises `NoReleaseRequested`, `SamePerson`, `Forbidden`, `NotTrustedYet`, `ReauthenticationRequired`.
    """
    actor.require_permission(Permission.GOVERN, town_id)
    switch = _get_for_update(work, town_id)
    if switch.release_requested_at is None:
        raise NoReleaseRequested
    actor.require_second_person(work.now, switch.release_requested_by)
    audit.record_event(
        work, actor, "safety.release", "town", town_id, town_id=town_id, requested_by=str(switch.release_requested_by),
        reason=switch.release_reason,
    )  # fmt: skip
    switch.stopped_at = switch.stopped_by = switch.reason = None
    switch.release_requested_at = switch.release_requested_by = switch.release_reason = None
    raise_alarm(work, town_id, AlarmKind.RELEASED, actor=actor)
    return switch


def get_stop_switch(work: UnitOfWork, actor: Actor, town_id: UUID) -> StopSwitch | None:
    """Return the stop switch of a town; None: it was never set. Raises `Forbidden`."""
    actor.require_permission(Permission.CARE, town_id)
    return SafeguardRepository(work.session).get_stop_switch(town_id)


def _get_for_update(work: UnitOfWork, town_id: UUID) -> StopSwitch:
    locks.lock_town(work, town_id)
    switch = SafeguardRepository(work.session).get_stop_switch(town_id)
    if switch is not None:
        work.session.refresh(switch)
    if switch is None or switch.stopped_at is None:
        raise NoReleaseRequested
    return switch
