"""Classification of APNs responses, and retry delays (docs/domain/protocol.md#push). Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from mdm.push.ports import PushResponse


class PushOutcome(StrEnum):
    """What follows from a response of APNs."""

    DELIVERED = "delivered"
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - a word, not a secret
    RETRY = "retry"
    CERTIFICATE_REFUSED = "certificate_refused"
    DROP = "drop"


_INVALID_TOKEN_REASONS = {
    "BadDeviceToken",
    "DeviceTokenNotForTopic",
    "BadTopic",
    "Unregistered",
    "ExpiredToken",
    "TopicDisallowed",
    "MissingTopic",
}
_CERTIFICATE_REASONS = {"BadCertificate", "BadCertificateEnvironment", "Forbidden"}
FIRST_RETRY_DELAY = timedelta(seconds=30)
MAX_RETRY_DELAY = timedelta(hours=1)


def classify_response(response: PushResponse, token_updated_at: datetime) -> PushOutcome:
    """Return what follows from a response. A token stored after the moment for which APNs reports it invalid is tried again."""
    if response.status == 200:
        return PushOutcome.DELIVERED
    if response.reason in _CERTIFICATE_REASONS or response.status == 403:
        return PushOutcome.CERTIFICATE_REFUSED
    if response.reason in _INVALID_TOKEN_REASONS or response.status == 410:
        if response.timestamp and datetime.fromtimestamp(response.timestamp / 1000, UTC) < token_updated_at:
            return PushOutcome.RETRY
        return PushOutcome.TOKEN_INVALID
    if response.status in {0, 429} or response.status >= 500:
        return PushOutcome.RETRY
    return PushOutcome.DROP


def compute_retry_delay(attempts: int, retry_after: float | None) -> timedelta:
    """Return the delay before the next attempt: what APNs asks for, else longer with each attempt."""
    if retry_after is not None:
        return min(timedelta(seconds=retry_after), MAX_RETRY_DELAY)
    return min(FIRST_RETRY_DELAY * (1 << min(attempts, 10)), MAX_RETRY_DELAY)
