"""The pure rule of the budget: what each act costs, which limits there are, and which one an act would exceed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from enrollment.safeguards.models import IrreversibleAct

#: Costs are counted in quarters of a tablet: what people can put right with some work costs one quarter.
QUARTERS = 4
COSTS: dict[IrreversibleAct, int] = {
    IrreversibleAct.ERASE: QUARTERS,
    IrreversibleAct.RETIRE: QUARTERS,
    IrreversibleAct.DISPOSE: QUARTERS,
    IrreversibleAct.ACTIVATION_LOCK: QUARTERS,
    IrreversibleAct.ERASE_PUPIL: QUARTERS,
    IrreversibleAct.LOCK_OUT: QUARTERS,
    IrreversibleAct.REVOKE: QUARTERS,
    IrreversibleAct.LIFT: 1,
    IrreversibleAct.RETURN_UNSEEN: 1,
    IrreversibleAct.LEAVER: 1,
}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: From the approval of an extension to its beginning: time to cancel it.
EXTENSION_DELAY = timedelta(minutes=30)
#: An alarm about the same thing in a town comes once in this time: whoever attacks tries a hundred times in a minute.
ALARM_INTERVAL = timedelta(minutes=10)
EXTENSION_LENGTH = timedelta(hours=24)
#: A town of twelve schools has four thousand tablets.
MAX_EXTENSION = 5000


class BudgetLimit(StrEnum):
    """The three limits of a budget."""

    PERSON_PER_HOUR = "person_per_hour"
    PERSON_PER_DAY = "person_per_day"
    TOWN_PER_DAY = "town_per_day"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many tablets one person may spend in an hour and in a day, and all people of a town in a day."""

    person_per_hour: int = 5
    person_per_day: int = 20
    town_per_day: int = 50


@dataclass(frozen=True, slots=True)
class Spending:
    """What has been spent, in quarters, and by how many tablets extensions raise the limits."""

    person_in_hour: int = 0
    person_in_day: int = 0
    town_in_day: int = 0
    person_extension: int = 0
    town_extension: int = 0


def find_exceeded_limit(limits: Limits, spending: Spending, cost: int) -> BudgetLimit | None:
    """Return the first limit that another `cost` quarters would exceed, None when it fits."""
    person, town = spending.person_extension, spending.town_extension
    if spending.person_in_hour + cost > (limits.person_per_hour + person) * QUARTERS:
        return BudgetLimit.PERSON_PER_HOUR
    if spending.person_in_day + cost > (limits.person_per_day + person) * QUARTERS:
        return BudgetLimit.PERSON_PER_DAY
    if spending.town_in_day + cost > (limits.town_per_day + town) * QUARTERS:
        return BudgetLimit.TOWN_PER_DAY
    return None


def count_remaining_tablets(limits: Limits, spending: Spending) -> int:
    """Return how many tablets the person could still erase at this moment."""
    rest = min(
        (limits.person_per_hour + spending.person_extension) * QUARTERS - spending.person_in_hour,
        (limits.person_per_day + spending.person_extension) * QUARTERS - spending.person_in_day,
        (limits.town_per_day + spending.town_extension) * QUARTERS - spending.town_in_day,
    )
    return max(0, rest // QUARTERS)
