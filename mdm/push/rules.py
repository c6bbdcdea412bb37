"""Pure rules of pushes: what follows from a response of APNs, when the sender stops, and when it tries again.

See docs/domain/protocol.md#push. Errors that are ours say nothing about a token: they stop the sender, and no token is given up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from mdm.push.ports import CERTIFICATE_REFUSED_BY_TLS, SERVER_NOT_TRUSTED, PushResponse


class PushOutcome(StrEnum):
    """What follows from a response of APNs."""

    DELIVERED = "delivered"
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - a word, not a secret
    RETRY = "retry"
    UNREACHABLE = "unreachable"
    SENDER_REFUSED = "sender_refused"  # our certificate, our topic, our environment: no token is to blame
    DROP = "drop"


class StopReason(StrEnum):
    """Why the sender has stopped."""

    CERTIFICATE_EXPIRED = "certificate_expired"
    SENDER_REFUSED = "sender_refused"
    TOKENS_REFUSED = "tokens_refused"
    UNREACHABLE = "unreachable"


_SENDER_REASONS = {
    "BadCertificate", "BadCertificateEnvironment", "BadTopic", "TopicDisallowed", "MissingTopic", "Forbidden", "InvalidPushType",
    CERTIFICATE_REFUSED_BY_TLS, SERVER_NOT_TRUSTED,
}  # fmt: skip
FIRST_RETRY_DELAY = timedelta(seconds=30)
MAX_RETRY_DELAY = timedelta(hours=1)
#: A tablet gets at most one push in this time, however many commands wait; urgent ones go at once.
MIN_PUSH_INTERVAL = timedelta(seconds=3)
#: The refused tokens of this time are counted together.
WINDOW = timedelta(minutes=10)
#: How long a mass of refused tokens is taken as true after a person has let the sender go on.
TRUST_AFTER_RESUME = timedelta(hours=1)
#: So many refused tokens, and this share of all pushes in the window, are a mass: then something else is wrong than the tokens.
MASS_MINIMUM, MASS_SHARE = 5, 0.5
#: First and longest wait before a stopped sender tests itself.
_TEST_WAITS = {
    StopReason.UNREACHABLE: (timedelta(seconds=5), timedelta(minutes=2)),
    StopReason.SENDER_REFUSED: (timedelta(seconds=30), timedelta(minutes=15)),
    StopReason.TOKENS_REFUSED: (timedelta(seconds=30), timedelta(minutes=15)),
    StopReason.CERTIFICATE_EXPIRED: (timedelta(minutes=1), timedelta(minutes=15)),
}
#: A test that is due later was stored by a clock that was ahead.
LONGEST_TEST_WAIT = max(longest for _, longest in _TEST_WAITS.values())


@dataclass(frozen=True, slots=True)
class PushWindow:
    """Pushes of the present window: how many were sent, and how many tokens were refused."""

    sent: int = 0
    refused: int = 0

    def add(self, outcomes: Mapping[PushOutcome, int]) -> PushWindow:
        """Return the window with one more batch."""
        return PushWindow(self.sent + sum(outcomes.values()), self.refused + outcomes.get(PushOutcome.TOKEN_INVALID, 0))

    def is_mass_refusal(self) -> bool:
        """Return whether too many tokens were refused for each of them to be invalid."""
        return self.refused >= MASS_MINIMUM and self.refused >= MASS_SHARE * self.sent


def classify_response(response: PushResponse, token_updated_at: datetime) -> PushOutcome:  # noqa: PLR0911 - one line per kind of error
    """Return what follows from a response. A token stored after the moment for which APNs reports it invalid is tried again."""
    if response.status == 200:
        return PushOutcome.DELIVERED
    if response.reason in _SENDER_REASONS or response.status == 403:
        return PushOutcome.SENDER_REFUSED
    if response.status == 410 or response.reason == "BadDeviceToken":
        if response.timestamp and datetime.fromtimestamp(response.timestamp / 1000, UTC) < token_updated_at:
            return PushOutcome.RETRY
        return PushOutcome.TOKEN_INVALID
    if response.status == 0 or response.status >= 500:
        return PushOutcome.UNREACHABLE
    if response.status == 429 or response.reason == "DeviceTokenNotForTopic":
        return PushOutcome.RETRY
    return PushOutcome.DROP


def decide_stop(outcomes: Counter[PushOutcome], window: PushWindow, *, trusts_refusals: bool) -> StopReason | None:
    """Return why the sender must stop after a batch; None when it goes on.

    A batch in which a push was delivered proves that certificate, topic and network are right. `trusts_refusals`: a test or a
    person has shown lately that tokens are refused for good reason.
    """
    if not outcomes[PushOutcome.DELIVERED]:
        if outcomes[PushOutcome.SENDER_REFUSED]:
            return StopReason.SENDER_REFUSED
        if outcomes[PushOutcome.UNREACHABLE]:
            return StopReason.UNREACHABLE
    if window.is_mass_refusal() and not trusts_refusals:
        return StopReason.TOKENS_REFUSED
    return None


def compute_test_wait(reason: StopReason, failed_tests: int) -> timedelta:
    """Return how long a stopped sender waits before it tests itself: longer after each failed test."""
    first, longest = _TEST_WAITS[reason]
    return min(first * (1 << min(failed_tests, 10)), longest)


def is_test_due(test_at: datetime | None, now: datetime) -> bool:
    """Return whether a stopped sender tests itself now: the time has come, or is later than any that is ever set.

    The second happens where the clock was ahead for a moment and nothing has noticed it.
    """
    return test_at is None or test_at <= now or test_at > now + LONGEST_TEST_WAIT


def get_next_push_time(pushed_at: datetime | None, now: datetime) -> datetime | None:
    """Return when a tablet that has just been pushed may be pushed again; None where it may be now.

    A push in the future was stored by a clock that was ahead: it makes nobody wait.
    """
    if pushed_at is None or not pushed_at <= now < pushed_at + MIN_PUSH_INTERVAL:
        return None
    return pushed_at + MIN_PUSH_INTERVAL


def is_window_over(started_at: datetime | None, now: datetime) -> bool:
    """Return whether refused tokens are to be counted anew; also where the window begins in the future, by a clock that was ahead."""
    return started_at is None or abs(now - started_at) > WINDOW


def are_refusals_trusted(until: datetime | None, now: datetime) -> bool:
    """Return whether a mass of refused tokens is taken as true now. Nobody ever sets an end later than `TRUST_AFTER_RESUME`."""
    return until is not None and now < until <= now + TRUST_AFTER_RESUME


def compute_retry_delay(attempts: int, retry_after: float | None) -> timedelta:
    """Return the delay before the next attempt: what APNs asks for, else longer with each attempt."""
    if retry_after is not None:
        return min(timedelta(seconds=retry_after), MAX_RETRY_DELAY)
    return min(FIRST_RETRY_DELAY * (1 << min(attempts, 10)), MAX_RETRY_DELAY)
