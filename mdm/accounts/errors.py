"""Refusals of sign-in and of accounts."""

from __future__ import annotations

from cartable.errors import Conflict, DomainError, Invalid
from cartable.i18n import Words


class NotSignedIn(DomainError):
    """No token, or one that is void."""

    code = "not_signed_in"
    status = 401
    words = Words(fr="Connectez-vous.", en="Sign in.")


class WrongCredentials(DomainError):
    """Login or password is wrong; which one is not told."""

    code = "wrong_credentials"
    status = 401
    words = Words(fr="Identifiant ou mot de passe incorrect.", en="Wrong login or password.")


class TooManyAttempts(DomainError):
    """The account is locked for a while."""

    code = "too_many_attempts"
    status = 429
    words = Words(fr="Trop d'essais. Réessayez dans quelques minutes.", en="Too many attempts. Try again in a few minutes.")


class MustChangePassword(DomainError):
    """The one-time password only serves to choose another."""

    code = "must_change_password"
    status = 403
    words = Words(fr="Choisissez d'abord votre mot de passe.", en="Choose your own password first.")


class WeakPassword(Invalid):
    """The password is too short."""

    code = "weak_password"
    words = Words(fr="Il faut au moins {minimum} caractères.", en="At least {minimum} characters are needed.")


class LoginTaken(Conflict):
    """Somebody has this login."""

    code = "login_taken"
    words = Words(fr="Cet identifiant existe déjà.", en="This login exists already.")


class TooLong(Invalid):
    """A mission lasts a month at most: longer work is a role of its own."""

    code = "mission_too_long"
    words = Words(fr="Une mission dure {maximum} jours au plus.", en="A mission lasts {maximum} days at most.")


class SamePassword(Invalid):
    """The new password is the old one."""

    code = "same_password"
    words = Words(fr="Choisissez un autre mot de passe que l'actuel.", en="Choose a password other than the present one.")


class OwnAccount(Conflict):
    """Nobody withdraws his own account: a town would be left without an administrator."""

    code = "own_account"
    words = Words(fr="Une autre personne doit retirer votre compte.", en="Another person must withdraw your account.")
