"""Values of a child's export as a family reads them: codes in words, days and hours by the town's clock. Pure; labels of fields are elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cartable.i18n import Language, Message
from enrollment.joining.labels import INVITED
from enrollment.people.models import PupilState
from enrollment.rollover.labels import DECISIONS
from enrollment.tablets.labels import AGREEMENTS
from mdm.privacy.audit_labels import AUDIT_ACTIONS, TABLET_ACTIONS
from mdm.privacy.labels import ACCESSES, OUTCOMES, REQUESTS
from profiles.schedule.labels import AFTER_SCHOOL, GUARDIAN_RULES

_YES, _NO = Message("yes"), Message("no")
_ROSTER_STATES: dict[PupilState, Message] = {
    PupilState.ACTIVE: Message("yes"),
    PupilState.ABSENT_FROM_ROSTER: Message("no"),
    PupilState.ERASED: Message("erased"),
}
#: The words of codes, by part and field of the export. A code without words is shown as it is.
_WORDS: dict[tuple[str, str], Mapping[Any, Message]] = {
    ("pupil", "state"): _ROSTER_STATES,
    ("loan", "agreement"): AGREEMENTS,
    ("invitation", "kind"): INVITED,
    ("reservation", "kind"): INVITED,
    ("guardian_rule", "kind"): GUARDIAN_RULES,
    ("pupil_after_school", "after_school"): AFTER_SCHOOL,
    ("requests", "kind"): REQUESTS,
    ("requests", "outcome"): OUTCOMES,
    ("readings", "kind"): ACCESSES,
    ("rollover_line", "decision"): DECISIONS,
    ("rollover_line", "proposed_decision"): DECISIONS,
    ("acts", "action"): {**TABLET_ACTIONS, **AUDIT_ACTIONS},
}
_RECORD_NUMBER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(\+\d{2}:\d{2}|Z)")


def is_record_number(value: object) -> bool:
    """Return whether a value is the number of a record: it tells a family nothing, and the file for programs has it."""
    return isinstance(value, str) and _RECORD_NUMBER.fullmatch(value) is not None


def format_value(part: str, field: str, value: object, zone: ZoneInfo, language: Language) -> str:
    """Return a value of a part of the export in words, instants by the clock of `zone`."""
    if isinstance(value, bool):
        return (_YES if value else _NO).translate(language)
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    words = _WORDS.get((part, field), {}).get(value)
    return words.translate(language) if words is not None else format_time(value, zone)


def format_time(text: str, zone: ZoneInfo) -> str:
    """Return a day or an instant as people write it; any other text as it is."""
    if _INSTANT.fullmatch(text):
        return f"{datetime.fromisoformat(text).astimezone(zone):%d/%m/%Y %H:%M}"
    return f"{date.fromisoformat(text):%d/%m/%Y}" if _DAY.fullmatch(text) else text
