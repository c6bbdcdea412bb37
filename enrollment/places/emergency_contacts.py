"""Whom a child of a town can call: the phone numbers that the emergency card shows. Reads only; knows nobody's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School, Town
from enrollment.places.repository import PlaceRepository


@dataclass(frozen=True, slots=True)
class EmergencyContacts:
    """A town, None where the address is of none, and its open schools that have a phone number, by name."""

    town: Town | None = None
    schools: Sequence[School] = ()


def load_emergency_contacts(work: UnitOfWork, town_id: UUID) -> EmergencyContacts:
    """Return the phone numbers of a town, for whoever holds a tablet: no permission is asked, and nothing but these is returned."""
    repository = PlaceRepository(work.session)
    town = repository.find_town(town_id)
    return EmergencyContacts(town, repository.list_schools_with_phone(town_id)) if town is not None else EmergencyContacts()
