"""What must hold during a simulation: each exchange is compared with the database at once, and each error in the log counts."""

from __future__ import annotations

import plistlib
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from cartable.audit import AuditEvent
from mdm.care.lost_mode.models import LostCase
from mdm.devices.models import DeviceEnrollment
from mdm.queue.models import CommandResult, CommandState, QueuedCommand
from mdm.queue.rules import parse_command_uuid
from simulator.http_connection import ServerResponse
from tests.simulation.network import Request

#: The events that must be in the audit trail before the command of a person is delivered.
_AUDITED = {
    "EraseDevice": {"tablet.erase"},
    "EnableLostMode": {"tablet.mark_lost"},
    "DisableLostMode": {"tablet.lift_lost"},
}


class InvariantBroken(AssertionError):
    """Something that must always hold does not hold."""


@dataclass
class Watch:
    """Checks every exchange between tablets and server. `is_outage` says whether the database is meant to refuse everything."""

    engine: Engine
    is_outage: Callable[[], bool]
    names: Mapping[str, int]
    """The numbers of the tablets by UDID, for the trace."""
    trace: list[str]
    exchanges: int = 0
    delivered: Counter[int] = field(default_factory=Counter)
    answered: dict[int, str] = field(default_factory=dict)
    """Commands with a final result that the server has accepted."""
    errors: list[str] = field(default_factory=list)

    def check_exchange(self, request: Request, response: ServerResponse) -> None:
        """Check one answered request. Raises `InvariantBroken`."""
        self.exchanges += 1
        path = request.url.split("/", 3)[-1].split("?")[0]
        if response.status >= 500 and not (response.status == 503 and self.is_outage()):
            raise InvariantBroken(f"{request.method} {path} was answered {response.status}\n{self._describe_errors()}")
        if response.status in (401, 410) and path.startswith("mdm"):
            raise InvariantBroken(f"{request.method} {path} was answered {response.status}, which unenrolls a tablet")
        if not request.is_connect:
            self.trace.append(f"    {request.method} {path.split('/')[0]} {response.status}")
            return
        message = plistlib.loads(request.body)
        command = plistlib.loads(response.body) if response.status == 200 and response.body else None
        request_type = command["Command"]["RequestType"] if command else ""
        self.trace.append(f"    {self.names[message['UDID']]}: {message['Status']} {response.status} {request_type}")
        if response.status != 200:
            return
        with Session(self.engine) as session:  # it never commits: a crash at a commit is the server's
            if "CommandUUID" in message:
                self._check_result(session, message)
            if command is not None:
                self._check_delivery(session, command, message["UDID"])

    def check_log(self) -> None:
        """Raise `InvariantBroken` if the server has logged an error since the last check."""
        if self.errors:
            raise InvariantBroken(f"the server logged an error\n{self._describe_errors()}")

    def _describe_errors(self) -> str:
        errors, self.errors = self.errors, []
        return "\n".join(errors)

    def _check_result(self, session: Session, message: dict[str, Any]) -> None:
        command_id = _parse(message["CommandUUID"])
        row = session.get(QueuedCommand, command_id)
        if row is None:
            raise InvariantBroken(f"a result for command {command_id}, which does not exist")
        if message["Status"] == "NotNow":
            return
        if session.get(CommandResult, command_id) is None:
            raise InvariantBroken(f"the result {message['Status']} of command {command_id} was answered 200 and is not stored")
        if row.state in (CommandState.QUEUED, CommandState.SENT, CommandState.NOT_NOW):
            raise InvariantBroken(f"command {command_id} is {row.state.value} after its result")
        self.answered[command_id] = message["Status"]

    def _check_delivery(self, session: Session, command: dict[str, Any], udid: str) -> None:
        command_id = _parse(command["CommandUUID"])
        row = session.get_one(QueuedCommand, command_id)
        enrollment = session.get_one(DeviceEnrollment, row.enrollment_id)
        request_type = command["Command"]["RequestType"]
        self.delivered[command_id] += 1
        if row.state is not CommandState.SENT:
            raise InvariantBroken(f"{request_type} {command_id} was delivered, and is {row.state.value} ({row.state_reason})")
        if command_id in self.answered:
            raise InvariantBroken(f"{request_type} {command_id} was delivered again after its result {self.answered[command_id]}")
        if enrollment.udid != udid or enrollment.generation != row.generation:
            raise InvariantBroken(f"{request_type} {command_id} was delivered to another tablet or another enrollment")
        if request_type in {"DisableLostMode", "ClearPasscode"}:
            self._check_unlock(session, request_type, enrollment)
        self._check_audited(session, request_type, enrollment)

    def _check_unlock(self, session: Session, request_type: str, enrollment: DeviceEnrollment) -> None:
        is_lost = select(LostCase.id).where(
            LostCase.tablet_id == enrollment.tablet_id, LostCase.lifted_at.is_(None), LostCase.lift_requested_at.is_(None)
        )
        if session.scalar(is_lost) is not None:
            raise InvariantBroken(f"{request_type} was delivered to a tablet that is lost")

    def _check_audited(self, session: Session, request_type: str, enrollment: DeviceEnrollment) -> None:
        if request_type not in _AUDITED:
            return
        events = select(AuditEvent.id).where(
            AuditEvent.subject_id == str(enrollment.tablet_id), AuditEvent.action.in_(_AUDITED[request_type])
        )
        if session.scalar(events.limit(1)) is None:
            raise InvariantBroken(f"{request_type} was delivered, and no event of the audit trail orders it")

    @contextmanager
    def watch_log(self) -> Iterator[None]:
        """Collect what the server logs as an error; write nothing anywhere."""
        processors = structlog.get_config()["processors"]
        former = processors[:]
        processors[:] = [self._collect]
        try:
            yield
        finally:
            processors[:] = former

    def _collect(self, _logger: object, level: str, event: MutableMapping[str, Any]) -> Any:
        if level == "error" and event.get("exc_info") and not self.is_outage():
            text = traceback.format_exc() if sys.exc_info()[0] is not None else ""
            self.errors.append(f"{event.get('event')} {dict(event)}\n{text}")
        raise structlog.DropEvent


def _parse(uuid: str) -> int:
    parsed = parse_command_uuid(uuid)
    if parsed is None:
        raise InvariantBroken(f"the CommandUUID {uuid} is not one of this server")
    return parsed[1]
