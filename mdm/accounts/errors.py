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


class RoleBeyondOwnRights(Forbidden):
    """The actor would give a role with rights that the actor does not hold there."""

    code = "role_beyond_own_rights"
    message = Message("You can give only a role whose rights you hold yourself, in the same town or school.")


class AccountBeyondOwnRights(Forbidden):
    """The account has rights, maybe in another town, that the actor does not hold: whoever opens its door would gain them."""

    code = "account_beyond_own_rights"
    message = Message("This account has rights that you do not hold. Only somebody who holds them all may do this.")


class LinkUnknown(DomainError):
    """No link has this token."""

    code = "link_unknown"
    status = 404
    message = Message("This link is not known here. Copy it again, from its first letter to its last, or ask for a new one.")


class LinkUsed(DomainError):
    """The link has been used."""

    code = "link_used"
    status = 410
    message = Message(
        "This link was used already: it works once. Sign in with the password that was chosen, or ask for a new link."
    )


class LinkReplaced(DomainError):
    """A newer link of the same account has replaced it."""

    code = "link_replaced"
    status = 410
    message = Message("A newer link has replaced this one. Open the newest that you received.")


class LinkExpired(DomainError):
    """The link is past its end."""

    code = "link_expired"
    status = 410
    message = Message("This link was valid until {until} (UTC). Ask the person who sent it to you for a new one.")


class AccountDisabled(Forbidden):
    """The account of a link is switched off. Said only to who holds a link, never at sign-in."""

    code = "account_disabled"
    message = Message(
        "This account is switched off. Ask an administrator of your town to switch it on, then open the link again."
    )
