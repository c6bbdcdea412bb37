"""When people are warned that something they must renew will expire. Knows nothing about what expires.

See docs/domain/apple-services.md#expiry-warnings.
"""

from __future__ import annotations

from datetime import datetime

#: Days before expiry at which people are warned.
WARN_DAYS = (60, 30, 14, 7)


def get_warning_days(now: datetime, not_after: datetime) -> int | None:
    """Return the smallest of `WARN_DAYS` that has been reached; None when the expiry is further away."""
    days = (not_after - now).days
    return next((limit for limit in sorted(WARN_DAYS) if days < limit), None)
