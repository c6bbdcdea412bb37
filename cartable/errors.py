"""The base class of domain errors: a stable code, an HTTP status, a message for people, details that are safe to show."""

from __future__ import annotations

from typing import ClassVar

from cartable.i18n import Language, Message


class DomainError(Exception):
    """A request that is refused for a reason the caller can act on.

    Subclasses set `code` (stable, snake_case), `status` (HTTP) and `message`. `details` are shown to the
    caller as they are, so they never hold secrets or a child's name.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400
    message: ClassVar[Message] = Message("Request refused.")

    def __init__(self, **details: object) -> None:
        super().__init__(self.code)
        self.details = details

    def translate(self, language: Language) -> str:
        """Return the sentence for a person."""
        return self.message.translate(language, **self.details)

    def __reduce__(self) -> tuple[object, ...]:
        """Return how a copy in another process is made; `pickle` would call the class with the code alone."""
        return Exception.__new__, (type(self), *self.args), self.__dict__

    def __str__(self) -> str:
        return f"{self.code} {self.details}" if self.details else self.code


class NotFound(DomainError):
    """The thing does not exist, or lies outside the caller's scope: the two are never told apart."""

    code = "not_found"
    status = 404
    message = Message("Not found.")


class Forbidden(DomainError):
    """The caller is known but lacks the permission."""

    code = "forbidden"
    status = 403
    message = Message("You do not have this permission.")


class Conflict(DomainError):
    """The request contradicts the present state."""

    code = "conflict"
    status = 409
    message = Message("The present state does not allow it.")


class Invalid(DomainError):
    """A value is not acceptable; `field` names it."""

    code = "invalid"
    status = 422
    message = Message("A value is not acceptable.")


class ReauthenticationRequired(Forbidden):
    """The act needs the password once more: a stolen session is not enough for it."""

    code = "reauthentication_required"
    message = Message("Give your password once more.")


class SamePerson(Forbidden):
    """The person who made a request may not approve it."""

    code = "same_person"
    message = Message("Another person must approve.")


class NotTrustedYet(Forbidden):
    """The account, its role or its password is too new for an act of two people."""

    code = "not_trusted_yet"
    message = Message(
        "This account, its role or its password is new: it counts for acts of two people from {trusted_from} (UTC) on, or once another "
        "administrator confirms it."
    )
