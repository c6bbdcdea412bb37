"""Refusals of the passage from one school year to the next."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class RolloverNotFound(NotFound):
    """No such passage in the caller's reach."""

    code = "rollover_not_found"
    message = Message("This rollover was not found.")


class RolloverClosed(Conflict):
    """The passage is closed: nothing of it changes any more."""

    code = "rollover_closed"
    message = Message("This rollover is closed.")


class RolloverTooEarly(Conflict):
    """Levels change on 1 September, not before."""

    code = "rollover_too_early"
    message = Message("Levels change on 1 September, not before.")


class RolloverNotApplied(Conflict):
    """The act needs a passage that was applied, whole."""

    code = "rollover_not_applied"
    message = Message("This rollover has not been applied as a whole.")


class RolloverAlreadyApplied(Conflict):
    """What is in force is undone first."""

    code = "rollover_applied"
    message = Message("The passage of these pupils is in force: undo it first.")


class DecisionNotSelectable(Invalid):
    """Some lots are facts of rosters and cannot be chosen by hand."""

    code = "decision_not_to_be_said"
    message = Message("This decision cannot be ticked.")


class ReturnCampaignOpen(Conflict):
    """The return campaign is open already, or over."""

    code = "return_campaign_open"
    message = Message("The return campaign is open already, or over.")


class ReturnCampaignNotOpen(Conflict):
    """There is no open return campaign."""

    code = "return_campaign_not_open"
    message = Message("No return campaign is open.")
