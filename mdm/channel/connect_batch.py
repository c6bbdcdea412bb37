"""Processing of one batch of requests in one transaction: connect requests in sets, each check-in message in a savepoint.

The number of statements does not grow with the number of connect requests. The caller opens and commits the transaction.
See docs/domain/protocol.md#connect.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from cartable.outbox import Topic
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.refusals import record_refusal
from mdm.channel import handlers, identity
from mdm.channel.bodies import RenderedCommandCache
from mdm.channel.errors import DeviceRequestRejected, RejectionReason
from mdm.channel.messages import SERVER_ERROR, UNRECOGNIZED_DEVICE, ChannelRequest, ChannelResponse, build_rejection
from mdm.channel.repository import ChannelRepository, EnrollmentSnapshot
from mdm.devices.models import EnrollmentState
from mdm.protocol.checkin import CheckinMessage
from mdm.protocol.commands.registry import COMMANDS
from mdm.protocol.connect import CommandStatus, ConnectMessage
from mdm.queue.batch_statements import BatchStatements, DeliveryCandidate, ReportedState
from mdm.queue.models import CommandState, Lane
from mdm.queue.repository import QueueRepository
from mdm.queue.rules import STATE_BY_STATUS, get_delivery_refusal, parse_command_uuid

log = structlog.get_logger()
#: Rounds of selecting a deliverable command. Each round ends at least one command that must not be delivered.
MAX_ROUNDS = 8
_FINAL_STATES = (CommandState.ACKNOWLEDGED, CommandState.FAILED, CommandState.REJECTED)


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """One accepted request of the connect loop. `candidate`: the first open command when the batch was loaded."""

    index: int
    request: ChannelRequest
    message: ConnectMessage
    enrollment: EnrollmentSnapshot
    candidate: DeliveryCandidate | None

    @property
    def is_idle(self) -> bool:
        return self.message.status is CommandStatus.IDLE


class ConnectBatch:
    """Processes one batch within one unit of work."""

    def __init__(self, work: UnitOfWork, command_cache: RenderedCommandCache) -> None:
        self.work = work
        self.now: datetime = work.now
        self.command_cache = command_cache
        self.channel = ChannelRepository(work.session)
        self.queue = BatchStatements(work.session)

    def process(self, requests: Sequence[ChannelRequest]) -> list[ChannelResponse]:
        """Return one response per request, in their order."""
        responses: list[ChannelResponse] = [SERVER_ERROR] * len(requests)
        connecting = {r.message.ids.channel_key: r.fingerprint for r in requests if isinstance(r.message, ConnectMessage)}
        loaded = self.channel.load_next_commands(list(connecting.items()), self.now) if connecting else {}
        connects: list[ConnectRequest] = []
        for index, request in enumerate(requests):
            if isinstance(request.message, ConnectMessage):
                enrollment, candidate = loaded.get(request.message.ids.channel_key, (None, None))
                authorized = self._authorize(request, enrollment)
                if isinstance(authorized, ChannelResponse):
                    responses[index] = authorized
                else:
                    connects.append(ConnectRequest(index, request, request.message, authorized, candidate))
        if connects:
            self._process_connects(connects, responses)
        for index, request in enumerate(requests):
            if isinstance(request.message, CheckinMessage):
                responses[index] = self._process_checkin(request)
        return responses

    def _authorize(self, request: ChannelRequest, enrollment: EnrollmentSnapshot | None) -> EnrollmentSnapshot | ChannelResponse:
        """Return the enrollment if it may use the connect loop with this certificate, else the response that rejects it."""
        udid = request.message.ids.device_key
        if enrollment is None:
            return self._reject(udid, DeviceRequestRejected(RejectionReason.UNKNOWN_TABLET))
        if not enrollment.is_pinned_to(request.fingerprint) and not identity.pin_renewed_certificate(
            self.work, enrollment.enrollment_id, request.fingerprint
        ):
            return self._reject(udid, DeviceRequestRejected(RejectionReason.WRONG_CERTIFICATE))
        if enrollment.state is EnrollmentState.RETIRED:
            return UNRECOGNIZED_DEVICE
        if enrollment.state is EnrollmentState.CHECKED_OUT:
            return self._reject(udid, DeviceRequestRejected(RejectionReason.NOT_ENROLLED))
        return enrollment

    def _process_connects(self, connects: list[ConnectRequest], responses: list[ChannelResponse]) -> None:
        with_result = [connect for connect in connects if not connect.is_idle]
        if with_result:
            self._apply_results(with_result)
        chosen = self._choose_commands(connects, {connect.enrollment.enrollment_id for connect in with_result})
        if chosen:
            self.queue.mark_sent(sorted({candidate.command_id for candidate in chosen.values()}), self.now)
            self.command_cache.render_missing(self.work.session, [candidate.body_id for candidate in chosen.values()])
        for connect in connects:
            command = chosen.get((connect.is_idle, connect.enrollment.enrollment_id))
            body = self.command_cache.get_plist(command.body_id, command.nonce, command.command_id) if command else b""
            responses[connect.index] = ChannelResponse(200, body)

    def _choose_commands(
        self, connects: list[ConnectRequest], ids_with_result: set[int]
    ) -> dict[tuple[bool, int], DeliveryCandidate]:
        """Return the command to deliver, by (whether the request starts a conversation, enrollment id)."""
        waiting: dict[bool, dict[int, EnrollmentSnapshot]] = {True: {}, False: {}}
        loaded: dict[int, DeliveryCandidate] = {}
        for connect in connects:
            enrollment_id = connect.enrollment.enrollment_id
            if connect.enrollment.state is not EnrollmentState.ENROLLED:
                continue
            if enrollment_id in ids_with_result:  # the result may have changed which command is next
                waiting[connect.is_idle][enrollment_id] = connect.enrollment
            elif connect.candidate is not None:
                waiting[True][enrollment_id], loaded[enrollment_id] = connect.enrollment, connect.candidate
        return {
            (starts, enrollment_id): candidate
            for starts, enrollments in waiting.items()
            if enrollments
            for enrollment_id, candidate in self._choose_deliverable(
                enrollments, loaded if starts else {}, starts_conversation=starts
            ).items()
        }

    def _apply_results(self, connects: list[ConnectRequest]) -> None:
        """Store the reported results and update their commands. A result that matches no open command changes nothing."""
        reported: dict[int, tuple[ReportedState, ConnectRequest]] = {}
        for connect in connects:
            message = connect.message
            parsed_uuid = parse_command_uuid(message.command_uuid) if message.command_uuid else None
            state = STATE_BY_STATUS.get(message.status)
            if parsed_uuid is not None and state is not None:
                nonce, command_id = parsed_uuid
                new_state = ReportedState(command_id, nonce, connect.enrollment.enrollment_id, state, message.innermost_error)
                reported[command_id] = new_state, connect
        new_states = [new_state for new_state, _ in reported.values()]
        applied = self.queue.apply_reported_states(new_states, self.now) if new_states else {}
        results = [
            _build_result_row(command_id, reported[command_id][1], self.now)
            for command_id, state in applied.items()
            if state in _FINAL_STATES
        ]
        for command_id in reported.keys() - applied.keys():
            log.info("channel.result_ignored", enrollment=reported[command_id][0].enrollment_id)
        if results:
            self.queue.save_results(results)
            self.work.enqueue_job(Topic.COMMAND_RESULT, *(result["command_id"] for result in results))

    def _choose_deliverable(
        self, waiting: dict[int, EnrollmentSnapshot], loaded: dict[int, DeliveryCandidate], *, starts_conversation: bool
    ) -> dict[int, DeliveryCandidate]:
        """Return the command to deliver to each enrollment. Commands that must not be delivered are ended, and the next is tried."""
        chosen: dict[int, DeliveryCandidate] = {}
        candidates = list(loaded.values())
        undecided = waiting.keys() - loaded.keys()
        for _ in range(MAX_ROUNDS):
            candidates += self.queue.select_next_commands(sorted(undecided), self.now, starts_conversation=starts_conversation)
            ended: list[tuple[int, CommandState, str]] = []
            undecided = set()
            stopped_towns = self._load_stopped_towns(candidates, waiting)
            for candidate in candidates:
                enrollment = waiting[candidate.enrollment_id]
                refusal = _check_delivery(candidate, enrollment, stopped=enrollment.town_id in stopped_towns)
                if refusal is None:
                    chosen[candidate.enrollment_id] = candidate
                elif refusal != _DELIVER_NOTHING:
                    ended.append((candidate.command_id, *refusal))
                    undecided.add(candidate.enrollment_id)
            if not ended:
                break
            self.queue.end_commands(ended, self.now)
            candidates = []
        return chosen

    def _load_stopped_towns(self, candidates: list[DeliveryCandidate], waiting: dict[int, EnrollmentSnapshot]) -> set[UUID]:
        town_ids = {waiting[c.enrollment_id].town_id for c in candidates if COMMANDS[c.request_type].destructive}
        return QueueRepository(self.work.session).list_stopped_towns(town_ids) if town_ids else set()

    def _process_checkin(self, request: ChannelRequest) -> ChannelResponse:
        """Return the response to one check-in message. It runs in a savepoint, so that its failure leaves the rest of the batch."""
        assert isinstance(request.message, CheckinMessage)
        try:
            with self.work.session.begin_nested():
                return handlers.handle_checkin(self.work, request.message, request.fingerprint)
        except DeviceRequestRejected as rejection:
            return self._reject(request.message.ids.device_key, rejection)
        except Exception:
            log.exception("channel.checkin_failed", message=request.message.MESSAGE_TYPE, udid=request.message.ids.device_key)
            return SERVER_ERROR

    def _reject(self, udid: str, rejection: DeviceRequestRejected) -> ChannelResponse:
        log.warning("channel.request_rejected", udid=udid, reason=rejection.reason.value, detail=rejection.detail)
        details = {"detail": rejection.detail} if rejection.detail else {}
        self.channel.add_note(udid, rejection.reason.value, details, self.now)
        refusal = rejection.invitation_refusal
        if refusal is not None:
            record_refusal(self.work, refusal.invitation_id, refusal.reason, refusal.device)
        return build_rejection(rejection.status)


_DELIVER_NOTHING = (CommandState.SENT, "")


def _check_delivery(
    candidate: DeliveryCandidate, enrollment: EnrollmentSnapshot, *, stopped: bool
) -> tuple[CommandState, str] | None:
    """Return None to deliver the command, `_DELIVER_NOTHING` to wait, else the state in which it ends and the reason."""
    command_type = COMMANDS[candidate.request_type]
    if candidate.state is CommandState.SENT:
        if candidate.lane == Lane.FINAL:
            return _DELIVER_NOTHING  # the next Authenticate, or the deadline, ends a sent erase
        if not command_type.retried_after_silence:
            return CommandState.FAILED, "unknown outcome: no result arrived"
    reason = get_delivery_refusal(
        command_type,
        evidence_hold=enrollment.evidence_hold,
        stopped=stopped,
        supervised=enrollment.supervised,
        os_version=enrollment.os_version,
    )
    if reason is None:
        return None
    return (CommandState.CANCELLED if command_type.destructive else CommandState.REJECTED), reason


def _build_result_row(command_id: int, connect: ConnectRequest, now: datetime) -> dict[str, Any]:
    message = connect.message
    has_response = message.status is CommandStatus.ACKNOWLEDGED and any(key not in _COMMON_KEYS for key in message.body)
    chain = [
        {key: value for key, value in link.items() if isinstance(value, str | int | float | bool)} for link in message.error_chain
    ]
    return {
        "command_id": command_id,
        "status": message.status.value,
        "received_at": now,
        "error_chain": chain or None,
        "body": zlib.compress(connect.request.raw, 1) if has_response else None,
    }


_COMMON_KEYS = {"UDID", "EnrollmentID", "UserID", "UserShortName", "UserLongName", "EnrollmentUserID", "NotOnConsole"}
