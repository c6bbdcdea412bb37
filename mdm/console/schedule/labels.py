"""Labels of the pages of schedules: days, kinds of bands and exceptions, reasons of modes, holiday zones, rows of a file."""

from __future__ import annotations

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from enrollment.places.zones import HolidayZone
from mdm.console.labels import LABEL_AND_VALUE
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.errors import InvalidSchedule
from profiles.schedule.ministry_calendar import RowOutcome
from profiles.schedule.mode_decision import ModeCandidate, ModeReason
from profiles.schedule.place_schedule import ScheduleReason
from profiles.schedule.session_rules import SessionPreset
from profiles.schedule.timetable import DAYS

ZONES: dict[HolidayZone, Message] = {
    HolidayZone.A: Message("Zone A"),
    HolidayZone.B: Message("Zone B"),
    HolidayZone.C: Message("Zone C"),
    HolidayZone.CORSE: Message("Corsica"),
    HolidayZone.GUADELOUPE: Message("Guadeloupe"),
    HolidayZone.GUYANE: Message("French Guiana"),
    HolidayZone.MARTINIQUE: Message("Martinique"),
    HolidayZone.MAYOTTE: Message("Mayotte"),
    HolidayZone.NOUVELLE_CALEDONIE: Message("New Caledonia"),
    HolidayZone.POLYNESIE: Message("French Polynesia"),
    HolidayZone.REUNION: Message("Réunion"),
    HolidayZone.SAINT_PIERRE_ET_MIQUELON: Message("Saint Pierre and Miquelon"),
    HolidayZone.WALLIS_ET_FUTUNA: Message("Wallis and Futuna"),
}
#: What the tablets of a class may do in a session.
PRESETS: dict[SessionPreset, Message] = {
    SessionPreset.FREE: Message("The usual apps of the class"),
    SessionPreset.FOCUS_APPS: Message("Only some apps"),
    SessionPreset.FOCUS_SITES: Message("Only some web sites"),
    SessionPreset.SCREENS_DOWN: Message("Screens down"),
}
OUTCOMES: dict[RowOutcome, Message] = {
    RowOutcome.PERIOD: Message("holidays"),
    RowOutcome.MARKER: Message("first or last day of school"),
    RowOutcome.TEACHERS: Message("for teachers, passed over"),
    RowOutcome.DUPLICATE: Message("repeated for another academy"),
    RowOutcome.NOT_A_DATE: Message("date not understood"),
    RowOutcome.NO_ZONE: Message("zone not understood"),
    RowOutcome.PERIOD_TOO_LONG: Message("too long for holidays"),
    RowOutcome.ENDS_BEFORE_IT_BEGINS: Message("ends before it begins"),
}
WEEKDAYS: dict[str, Message] = dict(
    zip(
        DAYS,
        (
            Message("Monday"),
            Message("Tuesday"),
            Message("Wednesday"),
            Message("Thursday"),
            Message("Friday"),
            Message("Saturday"),
            Message("Sunday"),
        ),
        strict=True,
    )
)
EXCEPTIONS: dict[OverrideKind, Message] = {
    OverrideKind.NO_SCHOOL: Message("no school", context="day exception"),
    OverrideKind.SCHOOL_DAY: Message("school on a day without", context="day exception"),
    OverrideKind.EARLY_END: Message("school ends early", context="day exception"),
    OverrideKind.LATE_START: Message("school begins late", context="day exception"),
    OverrideKind.CLOSED: Message("the school is closed", context="day exception"),
    OverrideKind.TRIP: Message("trip", context="day exception"),
}
MODE_REASONS: dict[ScheduleReason | ModeReason, Message] = {
    ScheduleReason.WEEK: Message("the hours of the week"),
    ScheduleReason.GAP: Message("between two hours of the week"),
    ScheduleReason.OVERRIDE: Message("an exception for this day"),
    ScheduleReason.PUBLIC_HOLIDAY: Message("a public holiday"),
    ScheduleReason.SCHOOL_HOLIDAY: Message("school holidays"),
    ScheduleReason.TRIP: Message("a trip"),
    ScheduleReason.EXAM: Message("an evaluation"),
    ModeReason.DEVICE_STATE: Message("the state of the tablet"),
    ModeReason.CLASS_SESSION: Message("a class session"),
    ModeReason.NIGHT_REST: Message("night rest"),
    ModeReason.GUARDIAN: Message("a rule of the family"),
    ModeReason.NO_TIMETABLE: Message("there are no hours yet"),
}
#: Why hours are not acceptable, by the stable code of `InvalidSchedule`.
REFUSALS: dict[str, Message] = {
    "not_a_time": Message("hours are written as 08:30-11:30"),
    "overlap": Message("two hours overlap"),
    "crosses_midnight": Message("the end is not after the beginning"),
    "too_many": Message("there are too many hours in one day"),
    "missing": Message("one of the two times is missing"),
    "empty": Message("the night has no length"),
    "too_long": Message("it is too long"),
    "ends_before_it_begins": Message("it ends before it begins"),
    "not_for_this_kind": Message("this kind of exception has none"),
}


def explain_refusal(refusal: DomainError, language: Language) -> str:
    """Return the sentence for refused hours: the day, and what is wrong with it."""
    why = REFUSALS.get(str(refusal.details.get("why", "")))
    if not isinstance(refusal, InvalidSchedule) or why is None:
        return refusal.translate(language)
    day = str(refusal.details.get("field", "")).partition(".")[0]
    sentence = why.translate(language)
    return (
        LABEL_AND_VALUE.translate(language, label=WEEKDAYS[day], value=sentence)
        if day in WEEKDAYS
        else sentence[:1].upper() + sentence[1:]
    )


def candidate_label(candidate: ModeCandidate, language: Language) -> str:
    """Return why a mode is a candidate, with the school or town that it comes from."""
    reason = MODE_REASONS[candidate.reason].translate(language)
    return f"{reason}, {candidate.place}" if candidate.place else reason
