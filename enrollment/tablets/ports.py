"""What the services of tablets need from the packages above them. A caller passes it in, so that imports go one way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from enrollment.tablets.models import Tablet

#: Returns whether pupils of a town are at school on a day.
IsSchoolDay = Callable[[Town, date], bool]
#: Revokes every certificate of a tablet, for a reason.
RevokeCertificates = Callable[[UnitOfWork, Actor, UUID, str], None]
#: Ends the enrollments of a tablet, so that it is unenrolled at its next contact.
Unenroll = Callable[[UnitOfWork, UUID], None]
#: Lifts lost mode of a tablet that was found, renews its identity and queries it. Returns whether a lost case was open.
RecoverDevice = Callable[[UnitOfWork, Actor, Tablet], bool]


class ReadinessSource(Protocol):
    """What is known above of tablets that are to be handed out again."""

    def load_last_contacts(self, work: UnitOfWork, tablet_ids: Collection[UUID]) -> Mapping[UUID, datetime]:
        """Return the last contact of each of these tablets that has had one."""

    def find_with_calendar(self, work: UnitOfWork, tablet_ids: Collection[UUID], until: date) -> AbstractSet[UUID]:
        """Return those of these tablets whose school calendar is published up to a day."""
