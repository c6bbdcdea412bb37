"""The cards of a class, for its teacher before a lesson: tablets that need somebody, and the sessions of today."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from cartable.i18n import Language, Message
from enrollment.places.models import SchoolClass
from mdm.care.today.class_day import ClassDay
from mdm.care.today.class_repository import TabletOfClass
from mdm.console.cards import build_card
from mdm.console.labels import SILENT
from mdm.console.numbers import format_share
from mdm.console.schedule.labels import PRESETS
from mdm.console.times import format_day
from profiles.schedule.models import ClassSession

_NOT_CHARGED = Message("{count} tablet is not charged", plural="{count} tablets are not charged")
_CHARGE = Message("Put them on their chargers before the lesson.")
_REPORTED = Message("{count} tablet is reported lost", plural="{count} tablets are reported lost")
_REPORT_WAITS = Message("The helpdesk decides; nothing locks before.")
_SESSIONS = Message("{count} class session today", plural="{count} class sessions today")
_WAKE = Message("Switched off, or without a network: wake them near the Wi-Fi of the school.")


def list_class_cards(day: ClassDay, school_class: SchoolClass, zone: ZoneInfo, language: Language) -> list[dict[str, Any]]:
    """Return the cards that have something to say."""
    page = f"/class?class_id={school_class.id}"

    def build(
        key: str, title: Message, lines: Sequence[tuple[str, str]], address: str, advice: Message | None = None
    ) -> dict[str, Any]:
        return build_card(key, title, len(lines), address, language, advice, lines)

    silent = [(f"{_name(each)} · {format_day(each.last_contact_at)}", "") for each in day.silent]
    not_charged = [(f"{_name(each)} · {format_share(each.battery_level, language)}", "") for each in day.not_charged]
    cards = [
        build("class_lost", _REPORTED, [(_name(each), "") for each in day.reported_lost], "/losses", _REPORT_WAITS),
        build("class_silent", SILENT, silent, f"{page}#pupils", _WAKE),
        build("class_not_charged", _NOT_CHARGED, not_charged, f"{page}#pupils", _CHARGE),
        build("class_sessions", _SESSIONS, [(_describe(each, zone, language), "") for each in day.sessions], f"{page}#session"),
    ]
    return [card for card in cards if card["lines"]]


def _name(tablet: TabletOfClass) -> str:
    """Return who has a tablet, as the class knows them, and its tag."""
    if tablet.pupil is None:
        return tablet.tag
    return f"{tablet.pupil.first_name} {(tablet.pupil.usage_name or tablet.pupil.last_name)[:1]}. · {tablet.tag}"


def _describe(row: ClassSession, zone: ZoneInfo, language: Language) -> str:
    hours = f"{row.starts.astimezone(zone):%H:%M}-{row.ends.astimezone(zone):%H:%M}"
    return f"{hours} · {PRESETS[row.preset].translate(language)}"
