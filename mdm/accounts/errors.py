"""Errors of sign-in and of accounts."""

from __future__ import annotations

from cartable.errors import Conflict, DomainError, Forbidden, Invalid
from cartable.i18n import Message


class NotSignedIn(DomainError):
    """There is no token, or it is invalid."""

    code = "not_signed_in"
    status = 401
    message = Message("Sign in.")


class WrongCredentials(DomainError):
    """The login or the password is wrong; the error does not say which."""

    code = "wrong_credentials"
    status = 401
    message = Message("Wrong login or password.")


class TooManyAttempts(DomainError):
    """Too many attempts have failed; further ones are refused for a while."""

    code = "too_many_attempts"
    status = 429
    message = Message("Too many attempts. Try again in a few minutes.")


class MustChangePassword(DomainError):
    """A one-time password only allows the account to set its own password."""

    code = "must_change_password"
    status = 403
    message = Message("Choose your own password first.")


class ForeignOrigin(Forbidden):
    """The page of another site sent the sign-in."""

    code = "foreign_origin"
    message = Message("Sign in on the page of this server.")


class WeakPassword(Invalid):
    """The password is too short."""

    code = "weak_password"
    message = Message("At least {minimum} characters are needed.")


class LoginTaken(Conflict):
    """Another account has this login."""

    code = "login_taken"
    message = Message("This login exists already.")


class MissionTooLong(Invalid):
    """A mission lasts a month at most; longer work needs a role."""

    code = "mission_too_long"
    message = Message("A mission lasts {maximum} days at most.")


class SamePassword(Invalid):
    """The new password equals the current one."""

    code = "same_password"
    message = Message("Choose a password other than the present one.")


class OwnAccount(Conflict):
    """The actor would revoke roles of the own account, and might leave the town without an administrator."""

    code = "own_account"
    message = Message("Another person must withdraw your account.")
