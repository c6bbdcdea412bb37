"""Returns the address at which the tablets of a town reach the server. Never commits."""

from __future__ import annotations

from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.places.hosts import build_town_url
from enrollment.places.models import Town


def get_town_url(work: UnitOfWork, town_id: UUID) -> str:
    """Return the address that the tablets of a town are given: `https://` and its host, or the address of the installation."""
    return build_town_url(work.settings.public_url, work.session.get_one(Town, town_id).host)
