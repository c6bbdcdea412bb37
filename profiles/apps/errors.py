"""Errors of apps, licences and content tokens."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class BadApp(Invalid):
    """An app's identifiers are not acceptable."""

    code = "bad_app"
    message = Message("The app is not acceptable ({field}).")


class AppNotFound(NotFound):
    """The app does not exist, or the caller may not see it."""

    code = "app_not_found"
    message = Message("This app was not found.")


class AppExists(Conflict):
    """The town's catalogue already has an app with that identifier."""

    code = "app_exists"
    message = Message("The town's catalogue already has this app.")


class BadContentToken(Invalid):
    """A content token cannot be read, or has expired."""

    code = "bad_content_token"
    message = Message("This content token is not acceptable ({why}).")


class LicencesShort(Conflict):
    """A version needs more licences than are free; nothing was published."""

    code = "licences_short"
    message = Message("{needed} licences of {app} are needed, the town owns {owned} ({free} of them free).")
