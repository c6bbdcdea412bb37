"""Days and instants as pages show them: in the time zone of the page's town or school."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import date, datetime
from zoneinfo import ZoneInfo

from enrollment.places.zones import PARIS

#: The clock of the page that this request builds. Instants are UTC everywhere else.
_page_time_zone: ContextVar[ZoneInfo | None] = ContextVar("page_time_zone", default=None)
_PARIS = ZoneInfo(PARIS)


def show_times_in(zone: ZoneInfo) -> None:
    """Set the time zone in which the page of this request shows instants: that of its town or school."""
    _page_time_zone.set(zone)


def format_day(at: date | datetime | None) -> str:
    """Return a day as people write it, of an instant the local day; a dash when there is none."""
    if isinstance(at, datetime):
        at = at.astimezone(_page_time_zone.get() or _PARIS).date()
    return at.strftime("%d/%m/%Y") if at else "–"


def format_instant(at: datetime | None, zone: ZoneInfo | None = None) -> str:
    """Return an instant in a time zone, without one in that of the page; a dash when there is none."""
    return at.astimezone(zone or _page_time_zone.get() or _PARIS).strftime("%d/%m/%Y %H:%M:%S") if at else "–"
