"""A town's hours as data of a policy file: timetables, single days and evaluations; what a file would change, and applying it.

A timetable that the file does not name stays. The lists of single days and of evaluations, where the file has them, are whole: what
they leave out of the days to come is withdrawn. The file's syntax is not its concern. Never commits. See docs/domain/policy.md#files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from cartable.errors import Invalid, NotFound
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.people import service as people
from enrollment.places import service as places
from enrollment.places.models import Grade
from profiles.policy.errors import BadPolicyFile
from profiles.policy.kinds import PlaceKind
from profiles.policy.places import count_tablets
from profiles.schedule import authoring
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.models import CalendarOverride, ExamDay, Timetable
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.timetable import DAYS, TimetableFormatError, format_clock, parse_week, serialize_week

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TimetableEntry:
    """The timetable of a town, or of the school with this UAI."""

    school: str
    calendar: str
    night: tuple[str, str] | None
    week: dict[str, Any]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class DayEntry:
    """An exception for single days of a town, a school or one of its classes; times are texts `HH:MM`."""

    first: date
    last: date
    kind: OverrideKind
    school: str = ""
    school_class: str = ""
    at: str | None = None
    window: tuple[str, str] | None = None
    weekday: str | None = None
    label: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ExamEntry:
    """An evaluation: a day and its hours, for one grade or all, of a town or of one school."""

    day: date
    starts: str
    ends: str
    grade: str = ""
    school: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TownHours:
    """The hours in a file. None: the file does not speak of them."""

    timetables: tuple[TimetableEntry, ...] = ()
    days: tuple[DayEntry, ...] | None = None
    exams: tuple[ExamEntry, ...] | None = None


@dataclass(frozen=True, slots=True)
class HoursChange:
    """One change that a file makes: what it concerns in a few words, and on how many tablets."""

    verb: str
    what: str
    tablets: int


def export_hours(work: UnitOfWork, actor: Actor, town_id: UUID) -> TownHours:
    """Return the hours of a town: its timetables, and the single days and evaluations that are not over."""
    return _StoredHours(work, actor, town_id).current


def plan_hours(work: UnitOfWork, actor: Actor, town_id: UUID, hours: TownHours) -> list[HoursChange]:
    """Return what a file would change. It saves on the way: the caller takes the transaction back. Raises `BadPolicyFile`."""
    return _StoredHours(work, actor, town_id).apply(hours)


def apply_hours(work: UnitOfWork, actor: Actor, town_id: UUID, hours: TownHours) -> list[HoursChange]:
    """Save what differs and return it; applied again it changes nothing. Raises `BadPolicyFile` with the line."""
    return _StoredHours(work, actor, town_id).apply(hours)


class _StoredHours:
    """The hours of one town as they are stored, with the names by which files speak of schools and classes."""

    def __init__(self, work: UnitOfWork, actor: Actor, town_id: UUID) -> None:
        self._work, self._actor, self._town_id = work, actor, town_id
        repository = ScheduleRepository(work.session)
        self._codes = {school.id: school.uai for school in repository.get_schools([town_id]).values()}
        self._school_ids = {code: school_id for school_id, code in self._codes.items()}
        rows = people.list_classes_by_school(work, actor, town_id).values()
        self._classes = {(row.school_id, row.label): row.id for classes in rows for row in classes}
        self._class_names = {class_id: name for name, class_id in self._classes.items()}
        today = places.get_town_date(work, town_id)
        timetables = repository.get_timetables([town_id]).values()
        self._days = {self._read_day(row): row for row in repository.list_overrides([town_id]) if row.last >= today}
        self._exams = {self._read_exam(row): row for row in repository.list_exams([town_id]) if row.day >= today}
        self.current = TownHours(
            tuple(sorted(map(self._read_timetable, timetables), key=lambda each: each.school)),
            tuple(sorted(self._days, key=lambda each: (each.first, each.school, each.school_class, each.kind, each.label))),
            tuple(sorted(self._exams, key=lambda each: (each.day, each.starts, each.school, each.grade))),
        )

    def apply(self, hours: TownHours) -> list[HoursChange]:
        """Save what differs, and return it."""
        known = {each.school: each for each in self.current.timetables}
        changes = [self._save_timetable(each) for each in hours.timetables if _normalize(each) != known.get(each.school)]
        if hours.days is not None:
            changes += [self._withdraw_day(each) for each in self._days if each not in set(hours.days)]
            changes += [self._create_day(each) for each in _list_new(hours.days, self._days)]
        if hours.exams is not None:
            changes += [self._delete_exam(each) for each in self._exams if each not in set(hours.exams)]
            changes += [self._create_exam(each) for each in _list_new(hours.exams, self._exams)]
        return changes

    def _read_timetable(self, row: Timetable) -> TimetableEntry:
        night = None
        if row.night_from is not None and row.night_to is not None:
            night = (format_clock(row.night_from), format_clock(row.night_to))
        return TimetableEntry(self._codes[row.school_id] if row.school_id else "", row.calendar, night, row.week)

    def _read_day(self, row: CalendarOverride) -> DayEntry:
        window = None
        if row.window_from is not None and row.window_to is not None:
            window = (format_clock(row.window_from), format_clock(row.window_to))
        school_id, label = self._class_names.get(row.class_id, (row.school_id, "")) if row.class_id else (row.school_id, "")
        return DayEntry(
            row.first, row.last, row.kind, self._codes[school_id] if school_id else "", label,
            format_clock(row.at) if row.at is not None else None, window,
            DAYS[row.template_weekday] if row.template_weekday is not None else None, row.label,
        )  # fmt: skip

    def _read_exam(self, row: ExamDay) -> ExamEntry:
        school = self._codes[row.school_id] if row.school_id else ""
        return ExamEntry(row.day, format_clock(row.starts), format_clock(row.ends), row.grade.value if row.grade else "", school)

    def _save_timetable(self, entry: TimetableEntry) -> HoursChange:
        school_id = self._find_school(entry.school, entry.line)
        _call(
            entry.line,
            lambda: authoring.save_timetable(
                self._work, self._actor, self._town_id, school_id, week=entry.week, calendar=entry.calendar, night=entry.night
            ),
        )
        return self._describe("save", "hours", entry.school, school_id)

    def _create_day(self, entry: DayEntry) -> HoursChange:
        school_id = self._find_school(entry.school, entry.line)
        class_id = self._find_class(school_id, entry)
        weekday = DAYS.index(entry.weekday) if entry.weekday is not None else None
        _call(
            entry.line,
            lambda: authoring.create_override(
                self._work, self._actor, self._town_id, school_id=school_id, class_id=class_id, first=entry.first, last=entry.last,
                kind=entry.kind, at=entry.at, window=entry.window, template_weekday=weekday, label=entry.label,
            ),
        )  # fmt: skip
        return self._describe("add", f"{entry.kind.value} {entry.first} – {entry.last}", entry.school, school_id, class_id)

    def _withdraw_day(self, entry: DayEntry) -> HoursChange:
        row = self._days[entry]
        authoring.withdraw_override(self._work, self._actor, row.id)
        what = f"{entry.kind.value} {entry.first} – {entry.last}"
        return self._describe("withdraw", what, entry.school, row.school_id, row.class_id)

    def _create_exam(self, entry: ExamEntry) -> HoursChange:
        school_id = self._find_school(entry.school, entry.line)
        _call(
            entry.line,
            lambda: authoring.create_exam(
                self._work, self._actor, self._town_id, school_id=school_id, grade=Grade(entry.grade) if entry.grade else None,
                day=entry.day, starts=entry.starts, ends=entry.ends,
            ),
        )  # fmt: skip
        return self._describe("add", f"evaluation {entry.day}", entry.school, school_id)

    def _delete_exam(self, entry: ExamEntry) -> HoursChange:
        row = self._exams[entry]
        authoring.delete_exam(self._work, self._actor, row.id)
        return self._describe("withdraw", f"evaluation {entry.day}", entry.school, row.school_id)

    def _find_school(self, code: str, line: int) -> UUID | None:
        if code and code not in self._school_ids:
            raise BadPolicyFile(line=line, why=f"the town has no school {code}")
        return self._school_ids[code] if code else None

    def _find_class(self, school_id: UUID | None, entry: DayEntry) -> UUID | None:
        if not entry.school_class:
            return None
        if school_id is None or (school_id, entry.school_class) not in self._classes:
            raise BadPolicyFile(line=entry.line, why=f"the school has no class {entry.school_class}")
        return self._classes[school_id, entry.school_class]

    def _describe(self, verb: str, what: str, code: str, school_id: UUID | None, class_id: UUID | None = None) -> HoursChange:
        """Return a change with the number of tablets of its place: all whose hours it may touch."""
        kind, target = PlaceKind.TOWN, ""
        if class_id is not None:
            kind, target = PlaceKind.CLASS, str(class_id)
        elif school_id is not None:
            kind, target = PlaceKind.SCHOOL, str(school_id)
        tablets = count_tablets(self._work, self._town_id, kind, target)
        return HoursChange(verb, f"{what} ({code})" if code else what, tablets)


def _list_new(entries: Sequence[Any], known: Iterable[Any]) -> list[Any]:
    """Return what is not stored yet, each once."""
    return list(dict.fromkeys(each for each in entries if each not in set(known)))


def _normalize(entry: TimetableEntry) -> TimetableEntry:
    """Return a timetable as it would be stored; as it is where it cannot be."""
    try:
        week = serialize_week(parse_week(entry.week))
    except TimetableFormatError:
        week = entry.week
    return TimetableEntry(entry.school, entry.calendar, entry.night, week)


def _call(line: int, act: Callable[[], Result]) -> Result:
    """Return what an act returns; a value that it does not accept is an error of the entry's line."""
    try:
        return act()
    except (Invalid, NotFound) as error:
        raise BadPolicyFile(line=line, why=", ".join(str(value) for value in error.details.values()) or error.code) from error
