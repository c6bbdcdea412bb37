"""Applies the retention table: preview, run, a town's own periods, and the report that proves each run. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.privacy import reports
from mdm.privacy.errors import OutOfBounds
from mdm.privacy.models import PrivacyReport, ReportKind, RetentionChoice
from mdm.privacy.purges import PURGES, Turn
from mdm.privacy.repository import PrivacyRepository
from mdm.privacy.rules import Rule, chosen, rule, table

#: How long after a run the next one of the same town is due.
EVERY = timedelta(hours=20)


@dataclass(frozen=True, slots=True)
class Period:
    """One rule as it holds in a town. `reason` tells why a town has chosen another period."""

    rule: Rule
    days: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do now: `found` is due, `held` waits for something else."""

    rule_id: str
    days: int
    found: int
    held: int


def periods(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[Period]:
    """The retention table of a town. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    choices = PrivacyRepository(work.session).choices(town_id)
    days = _days(work, town_id)
    return [Period(each, days[each.id], choices[each.id].reason if each.id in choices else None) for each in table()]


def choose(work: UnitOfWork, actor: Actor, town_id: UUID, rule_id: str, days: int, reason: str) -> RetentionChoice:
    """Choose a period for a town. Raises `NotFound`, `OutOfBounds`, `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    found = rule(rule_id)
    if found is None:
        raise NotFound(field="rule")
    if not found.shortest <= days <= found.longest:
        raise OutOfBounds(shortest=found.shortest, longest=found.longest, field="days")
    locks.lock_town(work, town_id)
    row = PrivacyRepository(work.session).choices(town_id).get(rule_id) or RetentionChoice(town_id=town_id, rule=rule_id)
    audit.record_event(work, actor, "privacy.period", "town", town_id, town_id=town_id, rule=rule_id, days=days)
    row.days, row.reason, row.set_by, row.set_at = days, reason, actor.account_id, work.now
    work.session.add(row)
    work.session.flush()
    return row


def preview(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[Preview]:
    """What a run would do now. Touches nothing. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    days = _days(work, town_id)
    told = []
    for rule_id, purge in PURGES.items():
        due = purge.due(Turn(work, town_id, days[rule_id]))
        told.append(Preview(rule_id, days[rule_id], due.found, due.held))
    return told


def run(work: UnitOfWork, actor: Actor, town_id: UUID) -> PrivacyReport:
    """Apply the table to a town now. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    return _run(work, actor, town_id)


def run_next(work: UnitOfWork) -> PrivacyReport | None:
    """Apply the table to the one town, or to what belongs to none, that has waited longest. None when none is due."""
    repository = PrivacyRepository(work.session)
    last = repository.last_runs()
    places: Sequence[UUID | None] = [None, *repository.towns()]
    due = [place for place in places if place not in last or last[place] <= work.now - EVERY]
    if not due:
        return None
    return _run(work, SYSTEM, min(due, key=lambda place: (place in last, last.get(place, work.now), str(place))))


def _run(work: UnitOfWork, actor: Actor, town_id: UUID | None) -> PrivacyReport:
    """Every rule in its turn: what was due, removed, held, and what is due afterwards, which proves it."""
    locks.lock_town(work, town_id)
    days = _days(work, town_id) if town_id is not None else chosen({})
    lines: list[dict[str, Any]] = []
    for rule_id, purge in PURGES.items():
        if town_id is None and not purge.everywhere:
            continue
        turn = Turn(work, town_id, days[rule_id])
        due = purge.due(turn)
        removed = purge.apply(turn) if due.found > due.held else 0
        work.session.flush()
        work.session.expire_all()
        after = purge.due(turn) if removed else due
        lines.append(
            {
                "rule": rule_id,
                "days": turn.days,
                "before": turn.before.isoformat(),
                "found": due.found,
                "removed": removed,
                "held": after.held,
                "left": after.found - after.held,
            }
        )
    chain = audit.verify_chain(work, town_id)
    return reports.write(work, actor, town_id, ReportKind.RETENTION, None, {"rules": lines, "audit_holds": chain is None})


def _days(work: UnitOfWork, town_id: UUID) -> dict[str, int]:
    return chosen({rule_id: row.days for rule_id, row in PrivacyRepository(work.session).choices(town_id).items()})
