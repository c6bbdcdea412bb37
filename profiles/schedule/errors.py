"""Refusals of the rhythm: times and days that cannot be."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Words


class BadRhythm(Invalid):
    """A timetable, a night or an exception is not acceptable; `why` is a stable word."""

    code = "bad_rhythm"
    words = Words(fr="L'horaire ne convient pas ({field} : {why}).", en="The timetable is not acceptable ({field}: {why}).")


class UnknownCalendar(Invalid):
    """Neither a zone nor a calendar of the town."""

    code = "unknown_calendar"
    words = Words(fr="Le calendrier « {name} » est inconnu.", en="The calendar '{name}' is unknown.")


class NoOpenBand(Conflict):
    """A session or an activity has no band in which it could take place."""

    code = "no_open_band"
    words = Words(
        fr="Il n'y a pas de temps scolaire ou périscolaire ouvert maintenant.",
        en="There is no school or after-school time open now.",
    )


class BadLength(Invalid):
    """A session or an activity is shorter or longer than allowed."""

    code = "bad_length"
    words = Words(fr="Cette durée n'est pas permise.", en="This length is not allowed.")


class SessionNotFound(NotFound):
    """No such session, activity, exception or rule in the caller's reach."""

    code = "rhythm_not_found"
    words = Words(fr="Cet horaire est introuvable.", en="This entry was not found.")
