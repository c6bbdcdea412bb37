"""Creates towns, schools, classes, pupils and tablets on loan for tests, with one call each."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import TypeVar
from uuid import UUID

from cartable.ids import new_id
from cartable.scope import Actor, Role, RoleAssignment
from cartable.unit_of_work import UnitOfWork
from enrollment.people.class_order import compute_class_order
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Grade, School, SchoolClass, Town
from enrollment.tablets.models import Loan, Tablet, TabletState
from mdm.devices.models import DeviceEnrollment, EnrollmentState, LastSeen

T = TypeVar("T")
_numbers = count(1)
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def make_school_code(number: int) -> str:
    """Return a valid school code (UAI) with its check letter."""
    digits = f"{929000 + number:07d}"
    return digits + _LETTERS[int(digits) % 23]


def create_actor(role: Role, town: Town, school: School | None = None, *, name: str = "somebody") -> Actor:
    """Return a person who has a role in a town, or in one of its schools only. No account is stored."""
    return Actor(new_id(), name, (RoleAssignment(role, town.id, school.id if school else None),))


class TownFactory:
    """Creates rows in one unit of work. Names, tags and serial numbers are invented and distinct."""

    def __init__(self, work: UnitOfWork) -> None:
        self.work = work
        self.session = work.session

    def create_town(self, name: str = "Belleville-sur-Craie") -> Town:
        number = next(_numbers)
        return self._add(
            Town(name=name, slug=f"town-{number}", zone="C", time_zone="Europe/Paris", tag_prefix=f"T{number % 1000:03d}",
                 support_phone="+33 1 00 00 00 00")
        )  # fmt: skip

    def create_school(self, town: Town, name: str = "École Jules-Verne") -> School:
        return self._add(School(town_id=town.id, uai=make_school_code(next(_numbers)), name=name))

    def create_class(self, school: School, label: str = "CE2 A") -> SchoolClass:
        return self._add(
            SchoolClass(
                town_id=school.town_id,
                school_id=school.id,
                school_year="2026-2027",
                label=label,
                label_key=label,
                label_order=compute_class_order(label),
            )
        )

    def create_pupil(
        self, school_class: SchoolClass, grade: Grade = Grade.CE2, *, last: str = "MARTIN", first: str = "Zoé"
    ) -> Pupil:
        number = next(_numbers)
        return self._add(
            Pupil(town_id=school_class.town_id, school_id=school_class.school_id, class_id=school_class.id, grade=grade,
                  last_name=last, first_name=first, name_hash=f"{number:064d}", state=PupilState.ACTIVE)
        )  # fmt: skip

    def create_tablet(self, town: Town, *, school_id: UUID | None = None, serial: str | None = None) -> Tablet:
        number = next(_numbers)
        return self._add(
            Tablet(town_id=town.id, school_id=school_id, serial=serial or f"SERIAL{number:06d}", tag=f"{town.tag_prefix}-{number:05d}",
                   state=TabletState.IN_USE, os_version="26.1", product_name="iPad13,18", supervised=True, created_at=self.work.now)
        )  # fmt: skip

    def lend_tablet(self, tablet: Tablet, pupil: Pupil) -> Loan:
        tablet.school_id = pupil.school_id
        return self._add(Loan(town_id=tablet.town_id, tablet_id=tablet.id, pupil_id=pupil.id, opened_at=self.work.now))

    def enroll_tablet(self, tablet: Tablet, *, udid: str | None = None, last_seen_at: datetime | None = None) -> DeviceEnrollment:
        """Add the enrolled device channel of a tablet, pinned to a certificate whose fingerprint is its UDID."""
        udid = udid or tablet.serial
        enrollment = self._add(
            DeviceEnrollment(town_id=tablet.town_id, tablet_id=tablet.id, channel_key=udid, udid=udid, fingerprint=udid, topic="t",
                             state=EnrollmentState.ENROLLED, authenticated_at=self.work.now)
        )  # fmt: skip
        if last_seen_at is not None:
            self._add(LastSeen(enrollment_id=enrollment.id, town_id=enrollment.town_id, last_seen_at=last_seen_at))
        return enrollment

    def _add(self, row: T) -> T:
        self.session.add(row)
        self.session.flush()
        return row
