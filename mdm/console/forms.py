"""What pages with forms share: optional fields, and acting in a savepoint so that a refusal is shown beside what was typed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Form

from cartable.errors import DomainError, Invalid, ReauthenticationRequired
from cartable.unit_of_work import UnitOfWork

CsrfField = Annotated[str, Form(max_length=200)]


def attempt(work: UnitOfWork, act: Callable[[], object]) -> DomainError | None:
    """Run an action in a savepoint. Returns the error that rolled it back, or None.

    Raises `ReauthenticationRequired`, for which the frame asks the password and sends the form again.
    """
    try:
        with work.session.begin_nested():
            act()
    except ReauthenticationRequired:
        raise
    except DomainError as refusal:
        return refusal
    return None


def parse_day(text: str, field: str) -> date | None:
    """Return the day of a date field, None for an empty one. Raises `Invalid`."""
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError as error:
        raise Invalid(field=field) from error


def parse_optional_id(text: str, field: str) -> UUID | None:
    """Return the id of a field, None for an empty one. Raises `Invalid`."""
    try:
        return UUID(text) if text.strip() else None
    except ValueError as error:
        raise Invalid(field=field) from error


def parse_id(text: str) -> UUID | None:
    """Return the id that a field or an address names; None when it names none."""
    try:
        return UUID(text)
    except ValueError:
        return None
