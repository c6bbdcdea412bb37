"""Labels of the calendar's pages: holiday zones, and what became of the rows of a file."""

from __future__ import annotations

from cartable.i18n import Message
from enrollment.places.zones import HolidayZone
from profiles.schedule.ministry_calendar import RowOutcome

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
