"""Decides the mode of one tablet at an instant from its inputs, by precedence. Pure: no clock, no database.

`get_mode_at` and `find_next_change` are one computation: between two edges the mode is constant, and `find_next_change` goes
from edge to edge. See docs/domain/modes.md#who-overrides-whom.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from profiles.schedule.modes import Mode
from profiles.schedule.night import Night
from profiles.schedule.place_schedule import DaySegment, Schedule, ScheduleReason
from profiles.schedule.timetable import BandKind

#: How far ahead `find_next_change` searches.
HORIZON = timedelta(days=400)


class AfterSchool(StrEnum):
    """Whether a pupil stays at school in after-school bands. `UNKNOWN`: the family has not answered."""

    UNKNOWN = "unknown"
    ATTENDS = "attends"
    HOME = "home"


class Precedence(IntEnum):
    """Which source of a mode overrides which: the smallest number wins. Numbers are those of the order of precedence."""

    DEVICE = 1
    SESSION = 4
    BAND = 5
    NIGHT = 6
    GUARDIAN = 7
    HOME = 8


class ModeReason(StrEnum):
    """Why a mode is a candidate, when the reason is not one of a schedule (`ScheduleReason`)."""

    DEVICE_STATE = "device_state"
    CLASS_SESSION = "class_session"
    NIGHT_REST = "night_rest"
    GUARDIAN = "guardian"
    NO_TIMETABLE = "no_timetable"


#: Among candidates of equal precedence the strictest mode wins. Strictest first.
MODES_BY_STRICTNESS = (
    Mode.QUARANTINE, Mode.LOST, Mode.STORAGE, Mode.EXAM, Mode.NIGHT_REST, Mode.CLASS_SESSION, Mode.SCHOOL, Mode.AFTER_SCHOOL,
    Mode.TRIP, Mode.HOME, Mode.HOLIDAY,
)  # fmt: skip
#: The mode of a tablet that has no timetable: a tablet must never begin in a permissive mode.
FALLBACK_MODE = Mode.SCHOOL


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time from `starts` (included) to `ends` (excluded), in UTC."""

    starts: datetime
    ends: datetime

    def contains(self, at: datetime) -> bool:
        """Return whether the instant lies in the span."""
        return self.starts <= at < self.ends


@dataclass(frozen=True, slots=True)
class ModeInputs:
    """Everything that the mode of one tablet depends on; equal inputs give equal modes.

    `schedules`: the pupil's own school first, then a second school if there is one; empty when no timetable is known, which
    gives `FALLBACK_MODE`. `device_mode` is the mode that the tablet's own state imposes (lost, in storage). `pauses` are
    guardians' one-off locks and `quiet_schedules` their longer nights; both only restrict.
    """

    schedules: tuple[Schedule, ...]
    device_mode: Mode | None = None
    after_school: AfterSchool = AfterSchool.UNKNOWN
    is_staff: bool = False
    session: Span | None = None
    activity: Span | None = None
    pauses: tuple[Span, ...] = ()
    quiet_schedules: tuple[Schedule, ...] = ()


@dataclass(frozen=True, slots=True)
class ModeCandidate:
    """A mode that one source asks for, with its precedence. `place` names the school or town that it comes from."""

    precedence: Precedence
    mode: Mode
    reason: ScheduleReason | ModeReason
    place: str = ""


@dataclass(frozen=True, slots=True)
class ModeDecision:
    """The candidate that won and the overruled ones, in order of precedence."""

    winner: ModeCandidate
    overruled: tuple[ModeCandidate, ...]

    @property
    def mode(self) -> Mode:
        return self.winner.mode


def get_mode_at(inputs: ModeInputs, at: datetime) -> Mode:
    """Return the mode of a tablet at an instant."""
    return decide_mode(inputs, at).mode


def decide_mode(inputs: ModeInputs, at: datetime) -> ModeDecision:
    """Return the mode of a tablet at an instant, with the reason for it and the candidates that were overruled."""
    candidates = sorted(
        _list_candidates(inputs, at),
        key=lambda candidate: (candidate.precedence, MODES_BY_STRICTNESS.index(candidate.mode)),
    )
    return ModeDecision(candidates[0], tuple(candidates[1:]))


def find_next_change(inputs: ModeInputs, at: datetime) -> datetime | None:
    """Return the first instant after `at` at which the mode changes; None when it does not change within `HORIZON`."""
    mode, edge = get_mode_at(inputs, at), at
    while (next_edge := _find_next_edge(inputs, edge)) is not None and next_edge <= at + HORIZON:
        edge = next_edge
        if get_mode_at(inputs, edge) is not mode:
            return edge
    return None


def _list_candidates(inputs: ModeInputs, at: datetime) -> Iterator[ModeCandidate]:
    if inputs.device_mode is not None:
        yield ModeCandidate(Precedence.DEVICE, inputs.device_mode, ModeReason.DEVICE_STATE)
    if inputs.session is not None and inputs.session.contains(at):
        yield ModeCandidate(Precedence.SESSION, Mode.CLASS_SESSION, ModeReason.CLASS_SESSION)
    if not inputs.schedules:
        yield ModeCandidate(Precedence.HOME, FALLBACK_MODE, ModeReason.NO_TIMETABLE)
        return
    segments = [(schedule, schedule.get_segment_at(at)) for schedule in inputs.schedules]
    open_bands = [(schedule, segment) for schedule, segment in segments if _is_band_open(inputs, segment, at)]
    for schedule, segment in open_bands:  # with two schools both bands may be open: the stricter mode wins
        assert segment.band_mode is not None
        yield ModeCandidate(Precedence.BAND, segment.band_mode, segment.band_reason, schedule.place)
    own_schedule, own_segment = segments[0]
    if own_segment.is_night and not inputs.is_staff:
        yield ModeCandidate(Precedence.NIGHT, Mode.NIGHT_REST, ModeReason.NIGHT_REST, own_schedule.place)
    yield from _guardian_candidates(inputs, at, [segment.band_mode for _, segment in open_bands])
    yield ModeCandidate(Precedence.HOME, own_segment.base_mode, own_segment.base_reason, own_schedule.place)


def _is_band_open(inputs: ModeInputs, segment: DaySegment, at: datetime) -> bool:
    """Return whether a band applies to this tablet. An after-school band does not apply to a pupil who goes home after class."""
    if segment.band_mode is Mode.AFTER_SCHOOL and inputs.after_school is AfterSchool.HOME:
        return inputs.activity is not None and inputs.activity.contains(at)
    return segment.band_mode is not None


def _guardian_candidates(inputs: ModeInputs, at: datetime, bands: list[Mode | None]) -> Iterator[ModeCandidate]:
    """Yield the mode that guardians' locks and longer nights ask for, outside school.

    In after-school bands they count only when it is not known where the pupil is. Then the candidate has the precedence of
    the band, so that the stricter of the two wins.
    """
    if inputs.is_staff or are_guardian_rules_suspended(inputs, at, bands):
        return
    paused = any(is_pause_active(inputs, pause, at) for pause in inputs.pauses)
    if paused or any(schedule.get_segment_at(at).is_night for schedule in inputs.quiet_schedules):
        yield ModeCandidate(Precedence.BAND if bands else Precedence.GUARDIAN, Mode.NIGHT_REST, ModeReason.GUARDIAN)


def are_guardian_rules_suspended(inputs: ModeInputs, at: datetime, bands: list[Mode | None] | None = None) -> bool:
    """Return whether guardians' rules are suspended at an instant: in school, in a class session, in an after-school activity.

    `bands` are the modes of the open bands; they are computed when the caller does not pass them.
    """
    if bands is None:
        segments = [schedule.get_segment_at(at) for schedule in inputs.schedules]
        bands = [segment.band_mode for segment in segments if _is_band_open(inputs, segment, at)]
    if any(band in (Mode.SCHOOL, Mode.EXAM) for band in bands) or (inputs.session is not None and inputs.session.contains(at)):
        return True
    in_activity = inputs.activity is not None and inputs.activity.contains(at)
    return Mode.AFTER_SCHOOL in bands and (inputs.after_school is AfterSchool.ATTENDS or in_activity)


def is_pause_active(inputs: ModeInputs, pause: Span, at: datetime) -> bool:
    """Return whether a guardian's one-off lock is active. The start of a school band ends it for good."""
    if not pause.contains(at):
        return False
    for schedule in inputs.schedules:
        band = schedule.find_next_band(pause.starts, BandKind.SCHOOL)
        if band is not None and band[0] <= at:
            return False
    return True


def _find_next_edge(inputs: ModeInputs, at: datetime) -> datetime | None:
    """Return the next instant at which something that `_list_candidates` reads may change."""
    edges = [schedule.get_segment_at(at).ends for schedule in (*inputs.schedules, *inputs.quiet_schedules)]
    spans = [span for span in (inputs.session, inputs.activity, *inputs.pauses) if span is not None]
    edges += [edge for span in spans for edge in (span.starts, span.ends)]
    return min((edge for edge in edges if edge > at), default=None)


def build_quiet_schedule(schedule: Schedule, starts: int, ends: int) -> Schedule:
    """Return a schedule whose only content is a guardian's longer night, in the time zone of the pupil's school."""
    return replace(schedule, night=Night(starts, ends), overrides=(), exams=(), _days={})
