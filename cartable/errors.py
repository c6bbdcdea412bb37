"""The one family of refusals: a stable code, an HTTP status, words in two languages, safe details."""

from __future__ import annotations

from typing import ClassVar

from cartable.i18n import Language, Words


class DomainError(Exception):
    """A request that is refused for a reason the caller can act on.

    Subclasses set `code` (stable, snake_case), `status` (HTTP) and `words`. `details` are shown to the
    caller as they are, so they never hold secrets or a child's name.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400
    words: ClassVar[Words] = Words(fr="Demande refusée.", en="Request refused.")

    def __init__(self, **details: object) -> None:
        super().__init__(self.code)
        self.details = details

    def message(self, language: Language) -> str:
        """Return the sentence for a person."""
        return self.words.say(language, **self.details)

    def __str__(self) -> str:
        return f"{self.code} {self.details}" if self.details else self.code


class NotFound(DomainError):
    """The thing does not exist, or lies outside the caller's scope: the two are never told apart."""

    code = "not_found"
    status = 404
    words = Words(fr="Introuvable.", en="Not found.")


class Forbidden(DomainError):
    """The caller is known but lacks the permission."""

    code = "forbidden"
    status = 403
    words = Words(fr="Vous n'avez pas ce droit.", en="You do not have this permission.")


class Conflict(DomainError):
    """The request contradicts the present state."""

    code = "conflict"
    status = 409
    words = Words(fr="L'état actuel ne le permet pas.", en="The present state does not allow it.")


class Invalid(DomainError):
    """A value is not acceptable; `field` names it."""

    code = "invalid"
    status = 422
    words = Words(fr="Une valeur n'est pas acceptable.", en="A value is not acceptable.")
