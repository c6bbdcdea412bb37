"""How long what is renewed by people is still good, and when they are warned. Knows nothing of what expires."""

from __future__ import annotations

from datetime import datetime

#: Days ahead at which people are warned (school-services.md section E).
WARN_DAYS = (60, 30, 14, 7)


def get_warning_days(now: datetime, not_after: datetime) -> int | None:
    """The smallest of 60, 30, 14, 7 days that has been reached; None while there is time."""
    days = (not_after - now).days
    return next((limit for limit in sorted(WARN_DAYS) if days < limit), None)
