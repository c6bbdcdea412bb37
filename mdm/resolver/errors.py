"""Errors of the resolver."""

from __future__ import annotations

from cartable.errors import Conflict
from cartable.i18n import Message


class TooFewTablets(Conflict):
    """The town has so few tablets in use that a count would say something of a child."""

    code = "too_few_tablets"
    message = Message("Counting needs at least {count} tablets in use.")
