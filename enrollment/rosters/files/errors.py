"""The error for a file that cannot be read at all. A faulty line is no error: it becomes a line of the import's report."""

from __future__ import annotations

from cartable.errors import Invalid
from cartable.i18n import Message


class UnreadableRoster(Invalid):
    """The file cannot be read. `why` is a stable code and never contains a cell of the file."""

    code = "unreadable_roster"
    message = Message("This file cannot be read ({why}).")
