"""Refusals of sign-in and of accounts."""

from __future__ import annotations

from cartable.errors import Conflict, DomainError, Invalid
from cartable.i18n import Message


class NotSignedIn(DomainError):
    """No token, or one that is void."""

    code = "not_signed_in"
    status = 401
    message = Message("Sign in.")


class WrongCredentials(DomainError):
    """Login or password is wrong; which one is not told."""

    code = "wrong_credentials"
    status = 401
    message = Message("Wrong login or password.")


class TooManyAttempts(DomainError):
    """The account is locked for a while."""

    code = "too_many_attempts"
    status = 429
    message = Message("Too many attempts. Try again in a few minutes.")


class MustChangePassword(DomainError):
    """The one-time password only serves to choose another."""

    code = "must_change_password"
    status = 403
    message = Message("Choose your own password first.")


class WeakPassword(Invalid):
    """The password is too short."""

    code = "weak_password"
    message = Message("At least {minimum} characters are needed.")


class LoginTaken(Conflict):
    """Somebody has this login."""

    code = "login_taken"
    message = Message("This login exists already.")


class TooLong(Invalid):
    """A mission lasts a month at most: longer work is a role of its own."""

    code = "mission_too_long"
    message = Message("A mission lasts {maximum} days at most.")


class SamePassword(Invalid):
    """The new password is the old one."""

    code = "same_password"
    message = Message("Choose a password other than the present one.")


class OwnAccount(Conflict):
    """Nobody withdraws his own account: a town would be left without an administrator."""

    code = "own_account"
    message = Message("Another person must withdraw your account.")
