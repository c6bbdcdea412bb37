"""Errors of the safeguards."""

from __future__ import annotations

from cartable.errors import Conflict
from cartable.i18n import Message


class DestructiveCommandsStopped(Conflict):
    """The town's stop switch is on."""

    code = "destructive_stopped"
    message = Message("Destructive commands are stopped in this town.")


class BudgetUsedUp(Conflict):
    """More would be done in a short time than one person, or a town, may do without a second person."""

    code = "budget_used_up"
    status = 429
    message = Message("So much cannot be taken back at once ({limit}). A second person can extend the budget.")


class BudgetExtensionEnded(Conflict):
    """The extension was cancelled, or its time is over."""

    code = "budget_extension_over"
    message = Message("This extension was cancelled or is over.")


class NoReleaseRequested(Conflict):
    """Nobody has requested the release of the stop switch, or it is off."""

    code = "no_release_requested"
    message = Message("Nobody has requested the release.")
