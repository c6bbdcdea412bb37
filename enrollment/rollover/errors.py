"""Errors of the rollover and of the return campaign."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class RolloverNotFound(NotFound):
    """The rollover does not exist or is not visible to the actor."""

    code = "rollover_not_found"
    message = Message("This rollover was not found.")


class RolloverClosed(Conflict):
    """The rollover is closed and can no longer change."""

    code = "rollover_closed"
    message = Message("This rollover is closed.")


class RolloverTooEarly(Conflict):
    """The rollover was applied before 1 September, the day on which grades change."""

    code = "rollover_too_early"
    message = Message("Grades change on 1 September, not before.")


class RolloverNotApplied(Conflict):
    """The rollover must be applied completely first."""

    code = "rollover_not_applied"
    message = Message("This rollover has not been applied as a whole.")


class RolloverAlreadyApplied(Conflict):
    """The line is applied; it must be undone before it changes."""

    code = "rollover_already_applied"
    message = Message("The passage of these pupils is in force: undo it first.")


class DecisionNotSelectable(Invalid):
    """The decision is set by rosters and cannot be chosen by a person."""

    code = "decision_not_selectable"
    message = Message("This decision cannot be ticked.")


class ReturnCampaignOpen(Conflict):
    """The return campaign is already open or closed."""

    code = "return_campaign_open"
    message = Message("The return campaign is open already, or over.")


class ReturnCampaignNotOpen(Conflict):
    """The rollover has no open return campaign."""

    code = "return_campaign_not_open"
    message = Message("No return campaign is open.")


class RolloverOutOfSeason(Conflict):
    """The rollover would be drafted years ahead, or so late that it would be in force at once."""

    code = "rollover_out_of_season"
    message = Message("The rollover out of {year} cannot be drafted today.")


class ReturnDaysMissing(Conflict):
    """The return campaign has no return day near enough."""

    code = "return_days_missing"
    message = Message(
        "First set the return days of the schools; a campaign opens {days} days before the first of them at the earliest."
    )
