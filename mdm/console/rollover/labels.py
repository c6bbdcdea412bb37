"""Labels of the school year pages: states of a rollover, why a stored tablet is not ready."""

from __future__ import annotations

from cartable.i18n import Message
from enrollment.rollover.models import RolloverState
from enrollment.tablets.storage import ReadinessProblem

STATES: dict[RolloverState, Message] = {
    RolloverState.DRAFT: Message("preview", context="rollover"),
    RolloverState.APPLIED: Message("applied", context="rollover"),
    RolloverState.CLOSED: Message("closed", context="rollover"),
}
NOT_READY: dict[ReadinessProblem, Message] = {
    ReadinessProblem.NOT_SEEN: Message("not heard for 7 days"),
    ReadinessProblem.BATTERY: Message("battery below 50 %"),
    ReadinessProblem.SYSTEM: Message("system to be updated"),
    ReadinessProblem.TIMETABLE: Message("timetable unknown in 30 days"),
}
