"""Errors of commands that people give."""

from __future__ import annotations

from cartable.errors import Conflict, NotFound
from cartable.i18n import Message


class CannotReceiveCommand(Conflict):
    """The tablet cannot receive this command; `obstacle` says why."""

    code = "cannot_receive_command"
    message = Message("This tablet cannot receive this command ({obstacle}).")


class AppsAreDeclared(Conflict):
    """The apps of the tablet come by declaration: it would refuse a command about them."""

    code = "apps_are_declared"
    message = Message(
        "The apps of this tablet come by declaration, which keeps them installed. One that has failed can be tried again on the tablet's page."
    )


class NobodyReached(Conflict):
    """No tablet of the selection can receive the command."""

    code = "nobody_reached"
    message = Message("None of these tablets can receive this command.")


class BulkCommandNotFound(NotFound):
    """No such bulk command is visible to the caller."""

    code = "bulk_command_not_found"
    message = Message("This command to many tablets was not found.")


class BulkCommandEnded(Conflict):
    """The bulk command was cancelled, or its commands were sent."""

    code = "bulk_command_over"
    message = Message("This command to many tablets was cancelled or has left.")
