"""The modes of a tablet, as an enum. `mode_decision` decides which of them applies when. See docs/domain/modes.md#modes."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """What a tablet is for at an instant. Values are stored and sent to tablets: they never change."""

    SCHOOL = "school"
    CLASS_SESSION = "class_session"
    AFTER_SCHOOL = "after_school"
    HOME = "home"
    NIGHT_REST = "night_rest"
    HOLIDAY = "holiday"
    TRIP = "trip"
    EXAM = "exam"
    LOST = "lost"
    QUARANTINE = "quarantine"
    STORAGE = "storage"
