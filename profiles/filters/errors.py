"""Errors of the web filter: hosts and archives of lists."""

from __future__ import annotations

from cartable.errors import Invalid
from cartable.i18n import Message


class BadHost(Invalid):
    """A text is no host name."""

    code = "bad_host"
    message = Message("'{host}' is not a host name.")


class BadList(Invalid):
    """An archive of lists is not one, or too large."""

    code = "bad_list"
    message = Message("This archive of lists is not acceptable ({why}).")
