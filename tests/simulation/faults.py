"""The faults of server and push service that steps switch on: crashes at a commit, a read-only database, refusing APNs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine

from mdm.push.ports import PushNotification, PushResponse
from tests.support.outages import make_read_only


class ProcessCrash(BaseException):
    """The server process has ended at once, as after kill -9. No handler of the server may go on after it."""


class CrashMoment(StrEnum):
    """On which side of a commit the process ends."""

    BEFORE_COMMIT = "before commit"
    AFTER_COMMIT = "after commit"


class Crashes:
    """Ends the process at a commit that is chosen beforehand."""

    def __init__(self, engine: Engine) -> None:
        self._moment: CrashMoment | None = None
        self._commits_left = 0
        self._dialect = engine.dialect
        self._commit = engine.dialect.do_commit
        self._abandoned: list[Any] = []
        engine.dialect.do_commit = self._commit_or_crash  # type: ignore[method-assign,assignment]

    def arm(self, moment: CrashMoment, commits: int) -> None:
        """Crash at the commit after the next `commits`."""
        self._moment, self._commits_left = moment, commits

    def disarm(self) -> None:
        """Do not crash after all."""
        self._moment = None

    def close_connections(self) -> None:
        """Close the connections that a crash has left, as the system does when a process ends."""
        for connection in self._abandoned:
            connection.close()
        self._abandoned.clear()

    def remove(self) -> None:
        """Give the engine its own commit back."""
        self.close_connections()
        self._dialect.do_commit = self._commit  # type: ignore[method-assign]

    def _commit_or_crash(self, connection: Any) -> None:
        moment = self._moment
        if moment is None or self._commits_left > 0:
            self._commits_left -= 1
            self._commit(connection)
            return
        self._moment = None
        if moment is CrashMoment.AFTER_COMMIT:
            self._commit(connection)
        self._abandoned.append(connection.driver_connection)
        raise ProcessCrash(moment)


class Outage:
    """Makes the database read-only for a while."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open: ExitStack | None = None

    @property
    def is_on(self) -> bool:
        return self._open is not None

    def begin(self) -> None:
        if self._open is None:
            self._open = ExitStack()
            self._open.enter_context(make_read_only(self._engine))

    def end(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class PushCondition(StrEnum):
    """How APNs answers."""

    NORMAL = "normal"
    TOO_MANY_REQUESTS = "429"
    SERVER_ERROR = "500"
    UNREACHABLE = "unreachable"
    CERTIFICATE_REFUSED = "certificate refused"
    PUSHES_LOST = "accepted and lost"


_RESPONSES: dict[PushCondition, tuple[int, str | None]] = {
    PushCondition.TOO_MANY_REQUESTS: (429, "TooManyRequests"),
    PushCondition.SERVER_ERROR: (500, "InternalServerError"),
    PushCondition.UNREACHABLE: (0, "ConnectError"),
    PushCondition.CERTIFICATE_REFUSED: (403, "BadCertificate"),
}


@dataclass
class SimulatedPushService:
    """APNs as a push transport: accepts pushes for tokens that are in use, answers 410 for the others, or fails as told.

    `receivers` returns what receives the magic of a push for each token in use. An accepted push arrives when `deliver` is called.
    """

    now: Callable[[], datetime]
    receivers: Callable[[], dict[bytes, Callable[[str], None]]]
    condition: PushCondition = PushCondition.NORMAL
    responses: list[int] = field(default_factory=list)
    _accepted: list[tuple[bytes, str]] = field(default_factory=list)

    def send(self, notifications: Sequence[PushNotification], per_second: int, *, urgent: bool = False) -> list[PushResponse]:
        responses = [self._answer(notification) for notification in notifications]
        self.responses += [response.status for response in responses]
        return responses

    def close(self) -> None:
        """There is no connection."""

    def deliver(self) -> None:
        """Let the accepted pushes arrive: of several for one tablet only the last, as APNs does."""
        accepted, self._accepted = dict(self._accepted), []
        receivers = self.receivers()
        for token, magic in accepted.items():
            if token in receivers:
                receivers[token](magic)

    def _answer(self, notification: PushNotification) -> PushResponse:
        if self.condition in _RESPONSES:
            status, reason = _RESPONSES[self.condition]
            return PushResponse(notification.enrollment_id, status, reason)
        if notification.token not in self.receivers():
            timestamp = int((self.now() + timedelta(seconds=1)).timestamp() * 1000)
            return PushResponse(notification.enrollment_id, 410, "Unregistered", timestamp)
        if self.condition is PushCondition.NORMAL:
            self._accepted.append((notification.token, notification.magic))
        return PushResponse(notification.enrollment_id, 200)
