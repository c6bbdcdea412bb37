"""What APNs' answers mean (protocol.md section 9). Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from mdm.push.ports import Outcome


class Verdict(StrEnum):
    """What to do after an answer."""

    DELIVERED = "delivered"
    TOKEN_DEAD = "token_dead"  # noqa: S105 - a word, not a secret
    RETRY = "retry"
    CERTIFICATE = "certificate"
    GIVE_UP = "give_up"


_DEAD = {
    "BadDeviceToken",
    "DeviceTokenNotForTopic",
    "BadTopic",
    "Unregistered",
    "ExpiredToken",
    "TopicDisallowed",
    "MissingTopic",
}
_CERTIFICATE = {"BadCertificate", "BadCertificateEnvironment", "Forbidden"}
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)


def judge(outcome: Outcome, token_since: datetime) -> Verdict:
    """Read an answer. A token that is newer than the moment APNs calls it dead is only tried again."""
    if outcome.status == 200:
        return Verdict.DELIVERED
    if outcome.reason in _CERTIFICATE or outcome.status == 403:
        return Verdict.CERTIFICATE
    if outcome.reason in _DEAD or outcome.status == 410:
        if outcome.timestamp and datetime.fromtimestamp(outcome.timestamp / 1000, UTC) < token_since:
            return Verdict.RETRY
        return Verdict.TOKEN_DEAD
    if outcome.status in {0, 429} or outcome.status >= 500:
        return Verdict.RETRY
    return Verdict.GIVE_UP


def wait_before_retry(attempts: int, retry_after: float | None) -> timedelta:
    """How long to wait before the next try: what APNs asks for, else longer each time."""
    if retry_after is not None:
        return min(timedelta(seconds=retry_after), LONGEST_RETRY)
    return min(FIRST_RETRY * (1 << min(attempts, 10)), LONGEST_RETRY)
