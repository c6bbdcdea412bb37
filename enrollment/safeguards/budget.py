"""One budget per town and person for everything that a tablet or a child cannot take back. Never commits.

Beyond it a second person extends it, after a delay in which anybody who cares for tablets can cancel. See
docs/domain/safeguards.md#the-budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cartable import audit, locks
from cartable.alarms import AlarmKind, raise_alarm, raise_alarm_of_refusal
from cartable.errors import Invalid
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.safeguards.errors import BudgetUsedUp
from enrollment.safeguards.models import BudgetEntry, BudgetLimits, IrreversibleAct
from enrollment.safeguards.repository import SafeguardRepository
from enrollment.safeguards.rules import (
    ALARM_INTERVAL,
    COSTS,
    BudgetLimit,
    Limits,
    Spending,
    find_exceeded_limit,
)
from enrollment.safeguards.stop_switch import check_not_stopped


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The limits of a town, and what the asking person and the town have spent of them."""

    limits: Limits
    spending: Spending


def spend_budget(work: UnitOfWork, actor: Actor, town_id: UUID, act: IrreversibleAct, count: int = 1) -> None:
    """Draw an act on `count` tablets or children on the budget, before it is done.

    Raises `DestructiveCommandsStopped`, `BudgetUsedUp`; both attempts raise an alarm although nothing else of them is stored. The act that
    leaves no room for another one like it raises an alarm too. The server itself and the operator at the command line are not limited.
    """
    if count == 0:
        return
    locks.lock_town(work, town_id)
    check_not_stopped(work, town_id, actor)
    if actor.account_id is None:
        return
    locks.lock_account(work, actor.account_id)
    repository, cost = SafeguardRepository(work.session), COSTS[act] * count
    limits, spending = repository.get_limits(town_id), repository.load_spending(town_id, actor.account_id, work.now)
    exceeded = find_exceeded_limit(limits, spending, cost)
    if exceeded is not None:
        raise _build_refusal(work, actor, town_id, act, count, exceeded)
    work.session.add(BudgetEntry(town_id=town_id, account_id=actor.account_id, act=act, cost=cost, at=work.now))
    work.session.flush()
    used_up = find_exceeded_limit(limits, spending, cost + COSTS[act])
    if used_up is not None:
        raise_alarm(
            work, town_id, AlarmKind.BUDGET_USED_UP, actor=actor, repeat_after=ALARM_INTERVAL, account=str(actor.account_id),
            limit=used_up.value, act=act.value,
        )  # fmt: skip


def _build_refusal(
    work: UnitOfWork, actor: Actor, town_id: UUID, act: IrreversibleAct, count: int, exceeded: BudgetLimit
) -> BudgetUsedUp:
    """Return the error of an act beyond the budget, and see to its alarm: the transaction of the act is rolled back."""
    raise_alarm_of_refusal(
        work, town_id, AlarmKind.BUDGET_EXCEEDED, actor=actor, repeat_after=ALARM_INTERVAL, account=str(actor.account_id),
        limit=exceeded.value, act=act.value, count=count,
    )  # fmt: skip
    return BudgetUsedUp(limit=exceeded.value, act=act.value, count=count)


def get_budget(work: UnitOfWork, actor: Actor, town_id: UUID) -> BudgetState:
    """Return the limits of a town and what the actor and the town have spent. Raises `Forbidden`."""
    if not actor.has_permission_somewhere(Permission.CARE, town_id):
        actor.require_permission(Permission.CARE, town_id)
    repository = SafeguardRepository(work.session)
    return BudgetState(repository.get_limits(town_id), repository.load_spending(town_id, actor.account_id, work.now))


def set_limits(work: UnitOfWork, town_id: UUID, limits: Limits) -> None:
    """Set the limits of a town. Only the operator's command line calls this: a stolen session must not raise its own limit.

    Raises `Invalid`.
    """
    if not 1 <= limits.person_per_hour <= limits.person_per_day <= limits.town_per_day:
        raise Invalid(field="limits")
    audit.record_event(
        work, SYSTEM, "budget.set_limits", "town", town_id, town_id=town_id, person_per_hour=limits.person_per_hour,
        person_per_day=limits.person_per_day, town_per_day=limits.town_per_day,
    )  # fmt: skip
    row = work.session.get(BudgetLimits, town_id) or BudgetLimits(town_id=town_id)
    row.person_per_hour, row.person_per_day, row.town_per_day = (
        limits.person_per_hour,
        limits.person_per_day,
        limits.town_per_day,
    )
    work.session.add(row)
    work.session.flush()
