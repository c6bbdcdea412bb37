"""Which data of a town is past its term although the retention table was applied, as the last run reported it. Never commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.privacy.models import ReportKind
from mdm.privacy.repository import PrivacyRepository
from mdm.privacy.rules import RetentionRule, load_rules

#: The server applies the table each day: after two days without a run something is wrong.
LONGEST_PAUSE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class OverdueRetention:
    """What is past its term in a town. `remaining`: the rules of which rows were left by the last run, with their number.

    `withheld`: rows that the server does not delete by itself, because they are unusually many. `is_late`: there was no run for too long.
    """

    last_run_at: datetime
    is_late: bool
    remaining: tuple[tuple[RetentionRule, int], ...]
    withheld: int

    @property
    def count(self) -> int:
        """Return how many rows are past their term."""
        return sum(number for _, number in self.remaining)


def load_overdue_retention(work: UnitOfWork, actor: Actor, town_id: UUID) -> OverdueRetention | None:
    """Return what is past its term in a town, in one statement. None without the permission, when nothing is, and before the first run."""
    if not actor.has_permission(Permission.PRIVACY, town_id):
        return None
    report = PrivacyRepository(work.session).find_last_report(town_id, ReportKind.RETENTION)
    if report is None:
        return None
    rules = {rule.id: rule for rule in load_rules()}
    results = [each for each in report.content.get("rules", ()) if each["remaining"] > 0 and each["rule"] in rules]
    overdue = OverdueRetention(
        last_run_at=report.created_at,
        is_late=report.created_at < work.now - LONGEST_PAUSE,
        remaining=tuple((rules[each["rule"]], each["remaining"]) for each in results),
        withheld=sum(each["remaining"] for each in results if each.get("withheld")),
    )
    return overdue if overdue.is_late or overdue.remaining else None
