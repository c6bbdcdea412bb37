"""More budget for one person on one day: requested, approved by another person, valid after a delay unless somebody cancels it. Never commits."""

from __future__ import annotations

from uuid import UUID

from cartable import audit, locks
from cartable.alarms import AlarmKind, raise_alarm
from cartable.errors import Invalid, NotFound
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.safeguards.errors import BudgetExtensionEnded
from enrollment.safeguards.models import BudgetExtension
from enrollment.safeguards.repository import SafeguardRepository
from enrollment.safeguards.rules import EXTENSION_DELAY, EXTENSION_LENGTH, MAX_EXTENSION
from enrollment.safeguards.stop_switch import check_not_stopped

#: Whoever may do one of the acts that draw on the budget may request more of it.
_REQUESTERS = (Permission.DESTROY, Permission.HANDLE, Permission.LEAD, Permission.AUTHOR)


def request_extension(work: UnitOfWork, actor: Actor, town_id: UUID, tablets: int, reason: str) -> BudgetExtension:
    """Request more budget for the actor, for a day. It raises an alarm.

    Raises `Invalid`, `Forbidden`, `NotTrustedYet`, `ReauthenticationRequired`, `DestructiveCommandsStopped`.
    """
    if not any(actor.has_permission_somewhere(each, town_id) for each in _REQUESTERS):
        actor.require_permission(Permission.HANDLE, town_id)
    actor.require_trust(work.now)
    actor.require_reauthentication()
    if not 1 <= tablets <= MAX_EXTENSION:
        raise Invalid(field="tablets", maximum=MAX_EXTENSION)
    locks.lock_town(work, town_id)
    check_not_stopped(work, town_id, actor)
    extension = BudgetExtension(
        town_id=town_id, tablets=tablets, reason=reason, requested_by=actor.account_id, requested_at=work.now
    )
    work.session.add(extension)
    work.session.flush()
    audit.record_event(
        work, actor, "budget.request_extension", "budget_extension", extension.id, town_id=town_id, tablets=tablets
    )
    raise_alarm(work, town_id, AlarmKind.BUDGET_EXTENSION_REQUESTED, actor=actor, extension=str(extension.id), tablets=tablets)
    return extension


def approve_extension(work: UnitOfWork, actor: Actor, extension_id: UUID) -> BudgetExtension:
    """Approve an extension, which begins after `EXTENSION_DELAY` and lasts a day. It raises an alarm, so that there is time to cancel.

    Raises `NotFound`, `Forbidden`, `SamePerson`, `NotTrustedYet`, `ReauthenticationRequired`, `BudgetExtensionEnded`,
    `DestructiveCommandsStopped`.
    """
    extension = _get_for_update(work, actor, extension_id)
    actor.require_permission(Permission.DESTROY, extension.town_id)
    actor.require_second_person(work.now, extension.requested_by)
    if extension.cancelled_at is not None:
        raise BudgetExtensionEnded
    check_not_stopped(work, extension.town_id, actor)
    if extension.approved_at is None:
        audit.record_event(work, actor, "budget.approve_extension", "budget_extension", extension.id, town_id=extension.town_id)
        extension.approved_by, extension.approved_at = actor.account_id, work.now
        extension.valid_from = work.now + EXTENSION_DELAY
        extension.valid_until = extension.valid_from + EXTENSION_LENGTH
        raise_alarm(
            work, extension.town_id, AlarmKind.BUDGET_EXTENSION_APPROVED, actor=actor, extension=str(extension.id),
            tablets=extension.tablets, valid_from=extension.valid_from.isoformat(),
        )  # fmt: skip
    return extension


def cancel_extension(work: UnitOfWork, actor: Actor, extension_id: UUID) -> BudgetExtension:
    """Cancel an extension, also one that is valid already. Raises `NotFound`, `Forbidden`."""
    extension = _get_for_update(work, actor, extension_id)
    actor.require_permission(Permission.CARE, extension.town_id)
    if extension.cancelled_at is None:
        audit.record_event(work, actor, "budget.cancel_extension", "budget_extension", extension.id, town_id=extension.town_id)
        extension.cancelled_by, extension.cancelled_at = actor.account_id, work.now
    return extension


def list_extensions(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE) -> Page[BudgetExtension]:
    """List the extensions of a town, newest first. Raises `Forbidden`."""
    actor.require_permission(Permission.CARE, town_id)
    return SafeguardRepository(work.session).list_extensions(town_id, page)


def _get_for_update(work: UnitOfWork, actor: Actor, extension_id: UUID) -> BudgetExtension:
    extension = SafeguardRepository(work.session).get_visible_extension(actor, extension_id)
    if extension is None:
        raise NotFound
    locks.lock_town(work, extension.town_id)
    work.session.refresh(extension)
    return extension
