"""Refusals of a file as a whole. A faulty line is not refused here: it becomes a line of the report."""

from __future__ import annotations

from cartable.errors import Invalid
from cartable.i18n import Message


class UnreadableRoster(Invalid):
    """The file as a whole cannot be read; `why` is a stable word, never a cell of the file."""

    code = "unreadable_roster"
    message = Message("This file cannot be read ({why}).")
