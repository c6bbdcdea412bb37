"""Errors of apps, licences and content tokens."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class BadApp(Invalid):
    """An app's identifiers are not acceptable."""

    code = "bad_app"
    message = Message("The app is not acceptable ({field}).")


class BadConfiguration(Invalid):
    """A key of an app's configuration is there twice, or its value is not of its kind or names an unknown variable."""

    code = "bad_configuration"
    message = Message("The value of “{key}” is not acceptable, or the key is there twice.")


class AppNotFound(NotFound):
    """The app does not exist, or the caller may not see it."""

    code = "app_not_found"
    message = Message("This app was not found.")


class AppExists(Conflict):
    """The town's catalogue already has an app with that identifier."""

    code = "app_exists"
    message = Message("The town's catalogue already has this app.")


class AppRefused(Conflict):
    """The data protection officer has refused an app that a version would give."""

    code = "app_refused"
    message = Message("The data protection officer has refused {app}: it cannot be given.")


class DataSheetNotFound(Conflict):
    """An app without a data-protection sheet is to be decided about."""

    code = "data_sheet_missing"
    message = Message("This app has no data-protection sheet yet: write what it does with data first.")


class ConditionsMissing(Invalid):
    """An app is allowed with conditions, and none are given."""

    code = "conditions_missing"
    message = Message("Say under which conditions the app is allowed.")


class BadContentToken(Invalid):
    """A content token cannot be read, or has expired."""

    code = "bad_content_token"
    message = Message("This content token is not acceptable ({why}).")


class LicencesShort(Conflict):
    """A version needs more licences than are free; nothing was published."""

    code = "licences_short"
    message = Message("{needed} licences of {app} are needed, the town owns {owned} ({free} of them free).")


class LicencesFromService(Conflict):
    """Somebody writes a number of licences by hand where Apple's number holds for every school."""

    code = "licences_from_service"
    message = Message("The licences of this town come from Apps and Books: their number is Apple's.")


class ContentTokenNotFound(NotFound):
    """The content token does not exist, or the caller may not see it."""

    code = "content_token_not_found"
    message = Message("This content token was not found.")


class ContentTokenExists(Conflict):
    """The town has this content token already, or one for all its schools."""

    code = "content_token_exists"
    message = Message("The town already has such a content token ({location}).")


class SchoolHasContentToken(Conflict):
    """A school that is named takes its licences from another content token."""

    code = "school_has_content_token"
    message = Message("{school} already takes its licences from another content token.")


class NothingToTakeOver(Conflict):
    """No other server, or another one than the person has seen, has claimed the account."""

    code = "nothing_to_take_over"
    message = Message("The account is not claimed by this server any more: load the page again.")
