"""The retention table, read from `retention.json` (schools.md section 14, PRIV-07), and the instants it speaks of. Pure."""

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

#: Acts of which security lives: kept longer than the others.
SECURITY_ACTS = frozenset(
    {
        "account.create", "account.withdraw", "account.sign_in_failed", "account.reset", "account.password", "certificate.revoke",
        "attestation.refuse",
        "tablet.erase", "tablet.mark_lost", "tablet.lift", "position.approve", "position.read", "safety.stop", "safety.resume",
        "privacy.erase", "privacy.export", "privacy.breach", "roster.export",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """What is kept for how long. `days` is the period; a town may choose another from `shortest` to `longest`."""

    id: str
    what: Message
    starts: Message
    does: Message
    days: int
    shortest: int
    longest: int
    requirement: str


@cache
def table() -> tuple[Rule, ...]:
    """The rules, in the order in which they are applied: people before what points at them."""
    listed: list[dict[str, Any]] = json.loads((Path(__file__).parent / "retention.json").read_text("utf-8"))
    return tuple(
        Rule(
            id=each["id"],
            what=read_message(each["what"]),
            starts=read_message(each["starts"]),
            does=read_message(each["does"]),
            days=each["days"],
            shortest=each["shortest"],
            longest=each["longest"],
            requirement=each["requirement"],
        )
        for each in listed
    )


def rule(rule_id: str) -> Rule | None:
    """One rule, or None."""
    return next((each for each in table() if each.id == rule_id), None)


def chosen(days: Mapping[str, int]) -> dict[str, int]:
    """The period of every rule for a town with these choices."""
    return {each.id: days.get(each.id, each.days) for each in table()}


def left_before(today: date, days: int) -> date:
    """Whoever left the roster before this day left in a school year that ended more than `days` days ago."""
    ended = today - timedelta(days=days)
    return date(ended.year if (ended.month, ended.day) >= (9, 1) else ended.year - 1, 9, 1)


def months_after(day: date, months: int) -> date:
    """The same day some months later, or the last one of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
