"""One town around the turn of the year: two schools, an administrator, heads, and a clock that is set to days of the year."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from cartable.clock import ManualClock
from cartable.scope import Actor, Role
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Pupil
from enrollment.places.models import Grade, School, SchoolClass, Town
from enrollment.rollover import applying, drafting
from enrollment.rollover.models import Rollover, RolloverLine
from enrollment.rosters.imports import previewing
from enrollment.rosters.imports import service as imports
from enrollment.rosters.models import RosterImport
from enrollment.tablets.models import Tablet
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support.world import TownFactory, create_actor

#: Midnight in France.
SEPTEMBER = datetime(2027, 8, 31, 22, tzinfo=UTC)


def school_day(month: int, number: int, hour: int = 10) -> datetime:
    """An instant of 2027, by the clock of the town."""
    return datetime(2027, month, number, hour, tzinfo=ZoneInfo("Europe/Paris")).astimezone(UTC)


def set_clock(clock: ManualClock, instant: datetime) -> None:
    clock.advance(instant - clock.now())


@dataclass(slots=True)
class RolloverTown:
    """A town that turns its year. Build it anew on each unit of work with `again`."""

    work: UnitOfWork
    town: Town = field(init=False)
    school: School = field(init=False)
    other: School = field(init=False)
    admin: Actor = field(init=False)
    second: Actor = field(init=False)
    world: TownFactory = field(init=False)

    def __post_init__(self) -> None:
        self.world = TownFactory(self.work)
        self.town = self.world.create_town()
        self.school, self.other = (
            self.world.create_school(self.town, "Jules-Verne"),
            self.world.create_school(self.town, "Nouvelle"),
        )
        self.admin, self.second = (create_actor(Role.TOWN_ADMIN, self.town, name=name) for name in ("one", "two"))

    def bind(self, work: UnitOfWork) -> RolloverTown:
        """The same town in another unit of work."""
        self.work, self.world = work, TownFactory(work)
        return self

    def create_head(self, school: School | None = None) -> Actor:
        return create_actor(Role.HEAD, self.town, school or self.school, name="head")

    def create_pupil(self, school_class: SchoolClass, grade: Grade, **named: str) -> Pupil:
        return self.world.create_pupil(school_class, grade, **named)

    def with_tablet(self, school_class: SchoolClass, grade: Grade) -> tuple[Pupil, Tablet]:
        pupil, tablet = self.create_pupil(school_class, grade), self.world.create_tablet(self.town)
        self.world.lend_tablet(tablet, pupil)
        return pupil, tablet

    def preview_rollover(self) -> Rollover:
        return drafting.preview_rollover(self.work, self.admin, self.town.id, "2026-2027")

    def get_line(self, rollover: Rollover, pupil: Pupil) -> RolloverLine:
        return self.work.session.get_one(RolloverLine, (rollover.id, pupil.id))

    def apply(self, rollover: Rollover, limit: int = 1000) -> int:
        done = 0
        while some := applying.apply_batch(self.work, self.admin, rollover.id, limit):
            done += some
        return done

    def undo(self, rollover: Rollover, limit: int = 1000) -> None:
        while applying.undo_batch(self.work, self.admin, rollover.id, limit):
            pass

    def get_placement(self, pupil_id: UUID) -> tuple[Grade, UUID | None, UUID, str]:
        """Where a pupil is: level, class, school, state."""
        self.work.session.flush()
        pupil = self.work.session.get_one(Pupil, pupil_id)
        return pupil.grade, pupil.class_id, pupil.school_id, pupil.state.value

    def preview_roster(self, *lines: str, school: School | None = None, **options: Any) -> RosterImport:
        content = text_file(ONDE, *lines)
        return previewing.preview_import(self.work, self.admin, self.town.id, content, (school or self.school).uai, **options)

    def import_roster(self, *lines: str, school: School | None = None, **options: Any) -> RosterImport:
        """Import an ONDE file, with a second person where one is needed."""
        made = self.preview_roster(*lines, school=school, **options)
        return imports.confirm_import(self.work, self.second if made.needs_second_person else self.admin, made.id)


def pupil_line(name: str, number: int, grade: str, label: str, onde: str = "", decision: str = "") -> str:
    """A line of an ONDE file; the number makes the INE."""
    return onde_line(name, "Zoé", ine=f"{number:010d}A", grade=grade, label=label, number=onde, decision=decision)
