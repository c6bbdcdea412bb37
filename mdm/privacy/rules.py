"""The retention table, read from `retention.json` (PRIV-07), and the dates that its rules use. Pure."""

from __future__ import annotations

import json
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cartable.i18n import Message, read_message

#: Audited acts that security depends on: kept longer than the others.
SECURITY_ACTS = frozenset(
    {
        "account.create", "account.revoke_roles", "account.sign_in_failed", "account.reset_password", "account.change_password", "account.invite",
        "account.set_password", "account.assign_role", "account.revoke_role", "account.disable", "account.enable", "account.add_totp",
        "account.add_passkey", "account.remove_totp", "account.remove_passkey", "account.reset_second_factors", "account.use_recovery_code",
        "account.wrong_second_factor", "certificate.revoke",
        "attestation.refuse",
        "tablet.erase", "tablet.mark_lost", "tablet.lift_lost", "position.approve", "position.read", "safety.stop", "safety.release",
        "budget.approve_extension", "account.confirm",
        "privacy.erase", "privacy.export", "privacy.report_breach", "roster.export",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """A rule: what is kept for how long. `days` is the default period; a town may set another one from `shortest` to `longest`."""

    id: str
    what: Message
    starts: Message
    does: Message
    days: int
    shortest: int
    longest: int
    requirement: str


@cache
def load_rules() -> tuple[RetentionRule, ...]:
    """Return the rules in the order in which they are applied: people before the rows that reference them."""
    document: list[dict[str, Any]] = json.loads((Path(__file__).parent / "retention.json").read_text("utf-8"))
    return tuple(
        RetentionRule(
            id=entry["id"],
            what=read_message(entry["what"]),
            starts=read_message(entry["starts"]),
            does=read_message(entry["does"]),
            days=entry["days"],
            shortest=entry["shortest"],
            longest=entry["longest"],
            requirement=entry["requirement"],
        )
        for entry in document
    )


#: The server by itself deletes at most this share of the rows of a rule in one run, and always this many: more is done by a person.
LARGEST_SHARE = 0.5
SMALL_NUMBER = 50


def is_unusually_much(due: int, total: int) -> bool:
    """Return whether `due` of `total` rows are too many to be deleted without a person: a clock or a roster may be wrong."""
    return due > SMALL_NUMBER and due > LARGEST_SHARE * total


def find_rule(rule_id: str) -> RetentionRule | None:
    """Return the rule with this id, or None."""
    return next((rule for rule in load_rules() if rule.id == rule_id), None)


def resolve_days(overrides: Mapping[str, int]) -> dict[str, int]:
    """Return the period of every rule, by its id, for a town with these overrides."""
    return {rule.id: overrides.get(rule.id, rule.days) for rule in load_rules()}


def compute_departure_cutoff(today: date, days: int) -> date:
    """Return the day before which pupils left in a school year that ended more than `days` days ago."""
    last_end = today - timedelta(days=days)
    return date(last_end.year if (last_end.month, last_end.day) >= (9, 1) else last_end.year - 1, 9, 1)


def add_months(day: date, months: int) -> date:
    """Return the same day `months` later, or the last day of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
