"""One tablet's plan, and its mode at an instant: who overrides whom (schools.md section 6). Pure: no clock, no database.

`mode_at` and `next_change` are one computation: the mode is constant between the edges that `next_change` walks over.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import TypeVar

from profiles.schedule.modes import Mode
from profiles.schedule.night import Night
from profiles.schedule.place_schedule import Because, Rhythm, Stretch
from profiles.schedule.timetable import BandKind

K = TypeVar("K", bound=Hashable)
#: So far ahead a change is looked for; a tablet without one is looked at again by then.
HORIZON = timedelta(days=400)


class AfterSchool(StrEnum):
    """Where a pupil is in after-school bands, as far as it is known (schools.md section 4.6)."""

    UNKNOWN = "unknown"
    ATTENDS = "attends"
    HOME = "home"


class Level(IntEnum):
    """Who overrides whom; the smaller wins."""

    DEVICE = 1
    SESSION = 4
    BAND = 5
    NIGHT = 6
    GUARDIAN = 7
    HOME = 8


class Reason(StrEnum):
    """What put a claim forward, besides what `Because` says of bands and days."""

    DEVICE_STATE = "device_state"
    CLASS_SESSION = "class_session"
    NIGHT_REST = "night_rest"
    GUARDIAN = "guardian"
    NO_TIMETABLE = "no_timetable"


#: Inside one level the most restrictive wins; this is their order, strictest first.
STRICTNESS = (
    Mode.QUARANTINE, Mode.LOST, Mode.STORAGE, Mode.EXAM, Mode.NIGHT_REST, Mode.CLASS_SESSION, Mode.SCHOOL, Mode.AFTER_SCHOOL,
    Mode.TRIP, Mode.HOME, Mode.HOLIDAY,
)  # fmt: skip
#: What holds where nothing is known: a tablet must not wake into a permissive mode.
STRICT = Mode.SCHOOL


@dataclass(frozen=True, slots=True)
class Span:
    """From `starts` to before `ends`, in UTC."""

    starts: datetime
    ends: datetime

    def holds(self, at: datetime) -> bool:
        """Whether an instant lies in it."""
        return self.starts <= at < self.ends


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one tablet's mode depends on; equal plans have equal modes.

    `rhythms`: the pupil's school first, a second school after it; none: nobody knows, the strict mode. `device` is a mode
    that the tablet's own state imposes. `pauses` are guardians' one-off locks, `quiet` their longer nights, both only tighten.
    """

    rhythms: tuple[Rhythm, ...]
    device: Mode | None = None
    after_school: AfterSchool = AfterSchool.UNKNOWN
    staff: bool = False
    session: Span | None = None
    activity: Span | None = None
    pauses: tuple[Span, ...] = ()
    quiet: tuple[Rhythm, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """One voice in the decision."""

    level: Level
    mode: Mode
    reason: Because | Reason
    place: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The mode, who decided it, and who lost."""

    winner: Claim
    losers: tuple[Claim, ...]

    @property
    def mode(self) -> Mode:
        return self.winner.mode


def mode_at(plan: Plan, at: datetime) -> Mode:
    """The mode of a tablet at an instant."""
    return verdict_at(plan, at).mode


def verdict_at(plan: Plan, at: datetime) -> Verdict:
    """The mode with its reasons."""
    claims = sorted(_claims(plan, at), key=lambda claim: (claim.level, STRICTNESS.index(claim.mode)))
    return Verdict(claims[0], tuple(claims[1:]))


def next_change(plan: Plan, at: datetime) -> datetime | None:
    """The first instant after `at` where `mode_at` differs; None when there is none within `HORIZON`."""
    mode, edge = mode_at(plan, at), at
    while (following := _next_edge(plan, edge)) is not None and following <= at + HORIZON:
        edge = following
        if mode_at(plan, edge) is not mode:
            return edge
    return None


def modes_at(plans: Mapping[K, Plan], at: datetime) -> dict[K, Mode]:
    """The modes of many groups of tablets. Schools share the work of a day: cost follows what differs."""
    return {key: mode_at(plan, at) for key, plan in plans.items()}


def _claims(plan: Plan, at: datetime) -> Iterator[Claim]:
    if plan.device is not None:
        yield Claim(Level.DEVICE, plan.device, Reason.DEVICE_STATE)
    if plan.session is not None and plan.session.holds(at):
        yield Claim(Level.SESSION, Mode.CLASS_SESSION, Reason.CLASS_SESSION)
    if not plan.rhythms:
        yield Claim(Level.HOME, STRICT, Reason.NO_TIMETABLE)
        return
    stretches = [(rhythm, rhythm.stretch_at(at)) for rhythm in plan.rhythms]
    open_bands = [(rhythm, stretch) for rhythm, stretch in stretches if _open(plan, stretch, at)]
    for rhythm, stretch in open_bands:  # the school whose band is open now; if both are, the stricter
        assert stretch.band is not None
        yield Claim(Level.BAND, stretch.band, stretch.band_because, rhythm.place)
    home, stretch = stretches[0]
    if stretch.night and not plan.staff:
        yield Claim(Level.NIGHT, Mode.NIGHT_REST, Reason.NIGHT_REST, home.place)
    yield from _guardians(plan, at, [stretch.band for _, stretch in open_bands])
    yield Claim(Level.HOME, stretch.base, stretch.base_because, home.place)


def _open(plan: Plan, stretch: Stretch, at: datetime) -> bool:
    """Whether a band concerns this tablet: a child known to be at home after class is at home."""
    if stretch.band is Mode.AFTER_SCHOOL and plan.after_school is AfterSchool.HOME:
        return plan.activity is not None and plan.activity.holds(at)
    return stretch.band is not None


def _guardians(plan: Plan, at: datetime, bands: list[Mode | None]) -> Iterator[Claim]:
    """Guardians tighten outside school. In after-school bands they do so only where nobody knows where the child is; then
    the stricter of both holds, so the claim rises to the band's own level.
    """
    if plan.staff or guardians_suspended(plan, at, bands):
        return
    locked = any(holds_pause(plan, pause, at) for pause in plan.pauses) or any(q.stretch_at(at).night for q in plan.quiet)
    if locked:
        yield Claim(Level.BAND if bands else Level.GUARDIAN, Mode.NIGHT_REST, Reason.GUARDIAN)


def guardians_suspended(plan: Plan, at: datetime, bands: list[Mode | None] | None = None) -> bool:
    """Whether guardians' rules rest at an instant (schools.md section 6)."""
    if bands is None:
        bands = [s.band for s in (rhythm.stretch_at(at) for rhythm in plan.rhythms) if _open(plan, s, at)]
    if any(band in (Mode.SCHOOL, Mode.EXAM) for band in bands) or (plan.session is not None and plan.session.holds(at)):
        return True
    in_activity = plan.activity is not None and plan.activity.holds(at)
    return Mode.AFTER_SCHOOL in bands and (plan.after_school is AfterSchool.ATTENDS or in_activity)


def holds_pause(plan: Plan, pause: Span, at: datetime) -> bool:
    """Whether a one-off lock still holds: it dies when a school band starts and does not come back."""
    if not pause.holds(at):
        return False
    for rhythm in plan.rhythms:
        band = rhythm.next_band(pause.starts, BandKind.SCHOOL)
        if band is not None and band[0] <= at:
            return False
    return True


def _next_edge(plan: Plan, at: datetime) -> datetime | None:
    """The next instant at which anything that `_claims` looks at may change."""
    edges = [rhythm.stretch_at(at).ends for rhythm in (*plan.rhythms, *plan.quiet)]
    spans = [span for span in (plan.session, plan.activity, *plan.pauses) if span is not None]
    edges += [edge for span in spans for edge in (span.starts, span.ends)]
    return min((edge for edge in edges if edge > at), default=None)


def quiet_rhythm(rhythm: Rhythm, starts: int, ends: int) -> Rhythm:
    """A guardian's longer night as a rhythm of its own, on the clock of the pupil's school."""
    return replace(rhythm, night=Night(starts, ends), overrides=(), exams=(), _days={})
