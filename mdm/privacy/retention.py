"""Applies the retention table: preview, run, the periods that a town sets, and the report that proves each run. Never commits.

See docs/domain/privacy.md#retention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from cartable import audit, locks
from cartable.alarms import AlarmKind, raise_alarm
from cartable.audit_anchors import AnchorFile
from cartable.audit_verification import verify_end
from cartable.errors import NotFound
from cartable.scope import SYSTEM, Actor, Permission
from cartable.timeline.clock_guard import require_trusted_clock
from cartable.unit_of_work import UnitOfWork
from mdm.privacy import reports
from mdm.privacy.audit_repository import CheckpointRepository
from mdm.privacy.errors import RetentionOutOfBounds
from mdm.privacy.models import PrivacyReport, ReportKind, RetentionOverride
from mdm.privacy.purge import DueCount, Purge, PurgeContext
from mdm.privacy.purges import PURGES
from mdm.privacy.retention_repository import RetentionRepository
from mdm.privacy.rules import SMALL_NUMBER, RetentionRule, find_rule, is_unusually_much, load_rules, resolve_days

#: Time between two alarms about the same town's withheld deletions.
REMIND_AFTER = timedelta(days=7)
#: Time between two runs for the same town.
RUN_INTERVAL = timedelta(hours=20)


@dataclass(frozen=True, slots=True)
class EffectivePeriod:
    """A rule with the period that applies in a town, and the reason if the town has set it."""

    rule: RetentionRule
    days: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class RetentionPreview:
    """What a run would do now for one rule: `due` rows, of which `deferred` ones must wait."""

    rule_id: str
    days: int
    due: int
    deferred: int


def list_periods(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[EffectivePeriod]:
    """List the rules with the periods of a town. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    overrides = RetentionRepository(work.session).load_overrides(town_id)
    days = _load_days(work, town_id)
    return [
        EffectivePeriod(rule, days[rule.id], overrides[rule.id].reason if rule.id in overrides else None) for rule in load_rules()
    ]


def set_period(work: UnitOfWork, actor: Actor, town_id: UUID, rule_id: str, days: int, reason: str) -> RetentionOverride:
    """Set the period of a rule for a town. Raises `NotFound`, `RetentionOutOfBounds`, `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    rule = find_rule(rule_id)
    if rule is None:
        raise NotFound(field="rule")
    if not rule.shortest <= days <= rule.longest:
        raise RetentionOutOfBounds(shortest=rule.shortest, longest=rule.longest, field="days")
    locks.lock_town(work, town_id)
    row = RetentionRepository(work.session).load_overrides(town_id).get(rule_id) or RetentionOverride(
        town_id=town_id, rule=rule_id
    )
    audit.record_event(work, actor, "privacy.set_period", "town", town_id, town_id=town_id, rule=rule_id, days=days)
    row.days, row.reason, row.set_by, row.set_at = days, reason, actor.account_id, work.now
    work.session.add(row)
    work.session.flush()
    return row


def preview_retention(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[RetentionPreview]:
    """List what a run would do now, rule by rule, without changing anything. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    days = _load_days(work, town_id)
    previews = []
    for rule_id, purge in PURGES.items():
        due = purge.count_due(PurgeContext(work, town_id, days[rule_id]))
        previews.append(RetentionPreview(rule_id, days[rule_id], due.total, due.deferred))
    return previews


def apply_retention(work: UnitOfWork, actor: Actor, town_id: UUID) -> PrivacyReport:
    """Apply the retention table to a town now. Returns the report. Raises `ClockNotTrusted`, `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    require_trusted_clock(work)
    return _apply(work, actor, town_id)


def apply_next_due(work: UnitOfWork) -> PrivacyReport | None:
    """Apply the table to the town, or to the rows of no town, that has waited longest. Returns None when none is due."""
    repository = RetentionRepository(work.session)
    last_runs = repository.load_last_runs()
    town_ids: Sequence[UUID | None] = [None, *repository.list_town_ids()]
    due = [town_id for town_id in town_ids if town_id not in last_runs or last_runs[town_id] <= work.now - RUN_INTERVAL]
    if not due:
        return None
    return _apply(
        work, SYSTEM, min(due, key=lambda town_id: (town_id in last_runs, last_runs.get(town_id, work.now), str(town_id)))
    )


def _apply(work: UnitOfWork, actor: Actor, town_id: UUID | None) -> PrivacyReport:
    """Apply every rule in order. The report states what was due, removed and deferred, and what remains due afterwards.

    What would be unusually much is withheld from the server: a person looks at the preview and runs it.
    """
    locks.lock_town(work, town_id)
    days = _load_days(work, town_id) if town_id is not None else resolve_days({})
    rule_results: list[dict[str, Any]] = []
    withheld_rules: list[str] = []
    for rule_id, purge in PURGES.items():
        if town_id is None and not purge.includes_global:
            continue
        context = PurgeContext(work, town_id, days[rule_id])
        due = purge.count_due(context)
        is_withheld = actor.account_id is None and _is_unusually_much(purge, context, due)
        withheld_rules += [rule_id] if is_withheld else []
        removed = purge.apply(context) if due.total > due.deferred and not is_withheld else 0
        work.session.flush()
        work.session.expire_all()
        after = purge.count_due(context) if removed else due
        rule_results.append(
            {
                "rule": rule_id,
                "days": context.days,
                "cutoff": context.cutoff.isoformat(),
                "due": due.total,
                "removed": removed,
                "deferred": after.deferred,
                "remaining": after.total - after.deferred,
            }
            | ({"withheld": True} if is_withheld else {})
        )
    if withheld_rules:
        raise_alarm(work, town_id, AlarmKind.DELETION_WITHHELD, repeat_after=REMIND_AFTER, rules=withheld_rules)
    content = {"rules": rule_results, "audit_chain_intact": _is_trail_intact(work, town_id)}
    return reports.write_report(work, actor, town_id, ReportKind.RETENTION, None, content)


def _is_trail_intact(work: UnitOfWork, town_id: UUID | None) -> bool:
    """Return whether neither the ends of the chains nor the passes of the scheduled verification showed a fault."""
    chains = audit.list_chain_keys(town_id)
    anchor_file = AnchorFile(work.settings, work.keyring)
    checkpoints = CheckpointRepository(work.session).load_checkpoints(chains)
    return all(
        checkpoints[chain].fault_kind is None and verify_end(work, chain, anchor_file.load_anchors(chain)) is None
        for chain in chains
    )


def _is_unusually_much(purge: Purge, context: PurgeContext, due: DueCount) -> bool:
    count = due.total - due.deferred
    return purge.count_all is not None and count > SMALL_NUMBER and is_unusually_much(count, purge.count_all(context))


def _load_days(work: UnitOfWork, town_id: UUID) -> dict[str, int]:
    return resolve_days({rule_id: row.days for rule_id, row in RetentionRepository(work.session).load_overrides(town_id).items()})
