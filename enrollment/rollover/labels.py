"""Labels of what becomes of a pupil at the end of the year."""

from __future__ import annotations

from cartable.i18n import Message
from enrollment.rollover.models import RolloverDecision

DECISIONS: dict[RolloverDecision, Message] = {
    RolloverDecision.PROMOTED: Message("moves up", context="pupil"),
    RolloverDecision.RETAINED: Message("retained", context="pupil"),
    RolloverDecision.SKIPPING: Message("skips", context="pupil"),
    RolloverDecision.LEAVER: Message("leaves", context="pupil"),
    RolloverDecision.ABSENT: Message("in no roster", context="pupil"),
    RolloverDecision.ARRIVED: Message("arrives", context="pupil"),
}
