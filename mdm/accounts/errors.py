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


class SecondFactorRequired(DomainError):
    """The password was right; the second factor is still to be given."""

    code = "second_factor_required"
    status = 401
    message = Message("Give the code of your app too, or use your passkey, or a recovery code.")


class WrongSecondFactor(DomainError):
    """The code or the passkey is wrong, or the code was used before."""

    code = "wrong_second_factor"
    status = 401
    message = Message(
        "This code is wrong, or was used already. Wait for the next one; if none is accepted, set the clock of your telephone to automatic."
    )


class PasskeyRefused(DomainError):
    """The answer of a passkey does not fit the challenge, the address of the server, or the key."""

    code = "passkey_refused"
    status = 401
    message = Message("The passkey was not accepted. Load the page again and try once more, or use a code.")


class SecondFactorEnrollmentRequired(Forbidden):
    """The account may erase or govern and has no second factor: until it has one, it can do nothing else."""

    code = "second_factor_enrollment_required"
    message = Message("With your rights you need a second factor. Set one up first: it takes a minute.")


class LastSecondFactor(Conflict):
    """The account must have a second factor, and this is the only one."""

    code = "last_second_factor"
    message = Message("With your rights you need a second factor. Add another one before you remove this one.")


class NoSecondFactor(Conflict):
    """The account has no second factor."""

    code = "no_second_factor"
    message = Message("Set up a second factor first.")


class TokenTooStrong(Forbidden):
    """A service token would erase, govern or operate, which asks for a person; or have a permission that its role lacks."""

    code = "token_too_strong"
    message = Message(
        "A token has only permissions of its role, and none to erase, to govern or to operate: these ask for a person."
    )


class TokenTooLong(Invalid):
    """A service token ends in the future, within the longest time."""

    code = "token_too_long"
    message = Message("A token ends after {maximum} days at most.")


class SubstitutionTooLong(Invalid):
    """A head invites a substitute for some months at most."""

    code = "substitution_too_long"
    message = Message("A substitute is invited for {maximum} days at most. For longer, ask an administrator for a role.")


class UnknownLogin(Invalid):
    """No account with a role in the town, now or before, has this login."""

    code = "unknown_login"
    message = Message("No account of this town has this login.")
