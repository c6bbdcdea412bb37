"""The error that every command to a tablet may raise. Those of lost mode and of erasing are in their packages."""

from __future__ import annotations

from cartable.errors import Conflict
from cartable.i18n import Message


class TabletNotEnrolled(Conflict):
    """The tablet has no enrollment: no command can be sent to it."""

    code = "tablet_not_enrolled"
    message = Message("This tablet is not enrolled.")


class NothingToRetry(Conflict):
    """The app has not failed on this tablet: it is there, or the tablet is at it."""

    code = "nothing_to_retry"
    message = Message("There is nothing to try again: the app is there, or the tablet is at it.")
