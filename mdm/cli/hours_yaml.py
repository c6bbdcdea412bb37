"""The hours in a policy file: timetables, single days and evaluations as YAML, and back. What is wrong is refused with its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from enrollment.places.models import Grade
from mdm.cli.policy_yaml import get_line, load_document, read_map, read_member, read_part, read_rows, read_text, to_plain
from profiles.effective.hours_files import DayEntry, ExamEntry, TimetableEntry, TownHours
from profiles.policy.errors import BadPolicyFile
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.timetable import DAYS

_TIMETABLE_KEYS = frozenset({"school", "calendar", "night", "week"})
_DAY_KEYS = frozenset({"first", "last", "kind", "school", "class", "at", "window", "weekday", "label"})
_EXAM_KEYS = frozenset({"day", "starts", "ends", "grade", "school"})
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def build_hours(hours: TownHours, schools: Mapping[str, str]) -> CommentedMap:
    """Return the parts of the file that hold the hours; `schools`: names by UAI, for comments."""
    built = CommentedMap({"hours": CommentedSeq(_build_timetable(each, schools) for each in hours.timetables)})
    built["exceptions"] = CommentedSeq(_build_day(each, schools) for each in hours.days or ())
    built["exams"] = CommentedSeq(_build_exam(each, schools) for each in hours.exams or ())
    return built


def _build_timetable(entry: TimetableEntry, schools: Mapping[str, str]) -> CommentedMap:
    row = _begin(entry.school, schools)
    row["calendar"] = entry.calendar
    if entry.night is not None:
        row["night"] = list(entry.night)
    row["week"] = {day: [_without_empty(band) for band in entry.week[day]] for day in DAYS if day in entry.week}
    return row


def _build_day(entry: DayEntry, schools: Mapping[str, str]) -> CommentedMap:
    row = _begin(entry.school, schools)
    values = {
        "class": entry.school_class, "first": entry.first.isoformat(), "last": entry.last.isoformat(), "kind": entry.kind.value,
        "at": entry.at, "window": list(entry.window) if entry.window else None, "weekday": entry.weekday, "label": entry.label,
    }  # fmt: skip
    row.update(_without_empty(values))
    return row


def _build_exam(entry: ExamEntry, schools: Mapping[str, str]) -> CommentedMap:
    row = _begin(entry.school, schools)
    row.update(_without_empty({"day": entry.day.isoformat(), "starts": entry.starts, "ends": entry.ends, "grade": entry.grade}))
    return row


def _begin(code: str, schools: Mapping[str, str]) -> CommentedMap:
    """Return a row that names its school, with the name of the school beside it."""
    row = CommentedMap({"school": code} if code else {})
    name = "".join(character for character in schools.get(code, "") if character.isprintable()).strip()
    if code and name:
        row.yaml_add_eol_comment(name, "school")
    return row


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "")}


def read_hours(data: bytes) -> TownHours:
    """Return the hours of a file; None for the parts that it does not have. Raises `BadPolicyFile` with the line."""
    top = load_document(data)
    return TownHours(
        tuple(_read_timetable(row) for row in read_rows(top, "hours")),
        tuple(_read_day(row) for row in read_rows(top, "exceptions")) if "exceptions" in top else None,
        tuple(_read_exam(row) for row in read_rows(top, "exams")) if "exams" in top else None,
    )


def _read_timetable(row: CommentedMap) -> TimetableEntry:
    read_map(row, get_line(row), _TIMETABLE_KEYS)
    week = read_part(row, "week")
    for day in week:
        read_rows(week, day)
    return TimetableEntry(
        read_text(row, "school", ""), read_text(row, "calendar"), _read_pair(row, "night"), dict(to_plain(week)), get_line(row)
    )


def _read_day(row: CommentedMap) -> DayEntry:
    read_map(row, get_line(row), _DAY_KEYS)
    weekday = read_text(row, "weekday") if row.get("weekday") is not None else None
    _require_known(row, "weekday", weekday, DAYS)
    return DayEntry(
        _read_date(row, "first"), _read_date(row, "last"), read_member(row, "kind", OverrideKind), read_text(row, "school", ""),
        read_text(row, "class", ""), read_text(row, "at") if row.get("at") is not None else None, _read_pair(row, "window"), weekday,
        read_text(row, "label", ""), get_line(row),
    )  # fmt: skip


def _read_exam(row: CommentedMap) -> ExamEntry:
    read_map(row, get_line(row), _EXAM_KEYS)
    grade = read_text(row, "grade", "")
    _require_known(row, "grade", grade or None, tuple(Grade))
    return ExamEntry(
        _read_date(row, "day"),
        read_text(row, "starts"),
        read_text(row, "ends"),
        grade,
        read_text(row, "school", ""),
        get_line(row),
    )


def _require_known(row: CommentedMap, key: str, value: str | None, known: Iterable[str]) -> None:
    if value is not None and value not in set(known):
        raise BadPolicyFile(line=get_line(row), why=f"{key} is none of {', '.join(known)}")


def _read_date(row: CommentedMap, key: str) -> date:
    """Return a day; YAML itself reads one that is not in quotation marks."""
    value = row.get(key)
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        value = None
    if type(value) is date:
        return value
    raise BadPolicyFile(line=get_line(row), why=f"{key} is not a day: YYYY-MM-DD")


def _read_pair(row: CommentedMap, key: str) -> tuple[str, str] | None:
    value = row.get(key)
    if value is None:
        return None
    if not isinstance(value, CommentedSeq) or len(value) != 2 or not all(isinstance(each, str) for each in value):
        raise BadPolicyFile(line=get_line(row), why=f'{key} is not a pair of times: ["20:00", "07:00"]')
    return str(value[0]), str(value[1])
