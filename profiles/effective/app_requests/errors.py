"""Errors of requests for apps."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class AppRequestNotFound(NotFound):
    """The request does not exist, or the caller may not see it."""

    code = "app_request_not_found"
    message = Message("This request was not found.")


class BadAppRequest(Invalid):
    """A field of a request is empty, or names a day that is over."""

    code = "bad_app_request"
    message = Message("The request is not complete ({field}).")


class AppRequestDecided(Conflict):
    """Somebody has decided about the request already."""

    code = "app_request_decided"
    message = Message("This request is decided already.")


class AppNotReviewed(Conflict):
    """The data protection officer has not allowed the app yet."""

    code = "app_not_reviewed"
    message = Message("The data protection officer has not allowed {app} yet: write its sheet, and let it be decided first.")
