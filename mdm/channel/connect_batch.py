"""Processing of one batch of requests in one transaction: connect and declarative requests in sets, other messages in savepoints.

The number of statements does not grow with the number of connect and declarative requests. The caller opens and commits the transaction.
See docs/domain/protocol.md#connect.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from cartable.outbox import Topic
from cartable.timeline.restores import is_restored
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.refusals import record_refusal
from enrollment.safeguards.stop_switch import is_stopped, list_stopped_towns
from mdm.channel import handlers, identity, readoption
from mdm.channel.bodies import RenderedCommandCache
from mdm.channel.declarative import answer_declarative_requests
from mdm.channel.errors import DeviceRequestRejected, RejectionReason
from mdm.channel.limits import MAX_RESULT_BYTES
from mdm.channel.messages import (
    EMPTY_RESPONSE,
    SERVER_ERROR,
    UNRECOGNIZED_DEVICE,
    ChannelRequest,
    ChannelResponse,
    build_rejection,
)
from mdm.channel.repository import ChannelRepository, EnrollmentSnapshot, LoadedConnects
from mdm.channel.unreadable import is_readable, resolve_request
from mdm.devices.manifest_cache import ManifestCache
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.protocol.checkin import CheckinMessage
from mdm.protocol.commands.registry import COMMANDS
from mdm.protocol.connect import CommandStatus, ConnectMessage
from mdm.queue.batch_statements import BatchStatements, DeliveryCandidate, ReportedState, ResultRow
from mdm.queue.models import CommandState, Lane
from mdm.queue.repository import QueueRepository
from mdm.queue.rules import (
    MAX_DELIVERIES,
    STATE_BY_STATUS,
    UNREADABLE_ANSWER,
    UNREADABLE_STATUS,
    get_delivery_refusal,
    parse_command_uuid,
)

log = structlog.get_logger()
#: Rounds of selecting a deliverable command. Each round ends at least one command that must not be delivered.
MAX_ROUNDS = 8
#: Characters of a text in an error chain, and bytes of an unreadable answer, that are kept.
MAX_ERROR_TEXT = 1000
MAX_UNREADABLE_BYTES = 2**20


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

    def __init__(self, work: UnitOfWork, command_cache: RenderedCommandCache, manifests: ManifestCache) -> None:
        self.work = work
        self.now: datetime = work.now
        self.command_cache = command_cache
        self.manifests = manifests
        self.channel = ChannelRepository(work.session)
        self.queue = BatchStatements(work.session)

    def process(self, requests: Sequence[ChannelRequest], known: LoadedConnects | None = None) -> list[ChannelResponse]:
        """Return one response per request, in their order. `known` is what was loaded for connect requests before."""
        responses: list[ChannelResponse] = [SERVER_ERROR] * len(requests)
        requests = [request if is_readable(request) else resolve_request(self.work, request) for request in requests]
        # Declarations before commands: the worker locks them in this order when it announces.
        answered = answer_declarative_requests(self.work, self.manifests, requests)
        for index, response in answered.items():
            responses[index] = response
        connecting = {r.message.ids.channel_key: r.fingerprint for r in requests if isinstance(r.message, ConnectMessage)}
        loaded = {key: each for key, each in (known or {}).items() if key in connecting}
        if missing := [(key, fingerprint) for key, fingerprint in connecting.items() if key not in loaded]:
            loaded |= self.channel.load_next_commands(missing, self.now)
        connects: list[ConnectRequest] = []
        for index, request in enumerate(requests):
            if isinstance(request.message, ConnectMessage):
                enrollment, candidate = loaded.get(request.message.ids.channel_key, (None, None))
                authorized = self._authorize(request, enrollment)
                if isinstance(authorized, ChannelResponse):
                    responses[index] = authorized
                else:
                    if not request.message.is_readable:
                        self._note_unreadable(request)
                    connects.append(ConnectRequest(index, request, request.message, authorized, candidate))
        if connects:
            self._process_connects(connects, responses)
        for index, request in enumerate(requests):
            if isinstance(request.message, CheckinMessage) and index not in answered:
                responses[index] = self._process_checkin(request)
        return responses

    def _authorize(self, request: ChannelRequest, enrollment: EnrollmentSnapshot | None) -> EnrollmentSnapshot | ChannelResponse:
        """Return the enrollment if it may use the connect loop with this certificate, else the response that rejects it."""
        if enrollment is None:
            is_user = request.message.ids.is_user_channel
            reason = RejectionReason.UNKNOWN_USER if is_user else RejectionReason.UNKNOWN_TABLET
            return self._readopt(request, None) or self._reject(request, DeviceRequestRejected(reason))
        if not enrollment.is_pinned_to(request.fingerprint) and not identity.pin_renewed_certificate(
            self.work, enrollment.enrollment_id, request.fingerprint
        ):
            return self._readopt(request, enrollment) or self._reject(
                request, DeviceRequestRejected(RejectionReason.WRONG_CERTIFICATE)
            )
        if enrollment.state is EnrollmentState.RETIRED:
            # While the town is stopped, even a tablet that was disposed of is not told to unenroll: an empty answer changes nothing.
            return EMPTY_RESPONSE if is_stopped(self.work, enrollment.town_id) else UNRECOGNIZED_DEVICE
        if enrollment.state is EnrollmentState.CHECKED_OUT:
            return self._reject(request, DeviceRequestRejected(RejectionReason.NOT_ENROLLED))
        return enrollment

    def _readopt(self, request: ChannelRequest, enrollment: EnrollmentSnapshot | None) -> ChannelResponse | None:
        """Return the response to a tablet that a restored database does not know as it is; None for any other. It never fails.

        The commands of an enrollment that goes on wake the tablet again, so it gets none now.
        """
        try:
            with self.work.session.begin_nested():
                if enrollment is None:
                    return readoption.answer_unknown_tablet(self.work, request)
                row = self.work.session.get_one(DeviceEnrollment, enrollment.enrollment_id)
                return EMPTY_RESPONSE if readoption.readopt_enrollment(self.work, row, request.certificate) else None
        except Exception:
            log.exception("channel.readoption_failed", udid=request.message.ids.device_key)
            return None

    def _process_connects(self, connects: list[ConnectRequest], responses: list[ChannelResponse]) -> None:
        with_result = [connect for connect in connects if not connect.is_idle]
        if with_result:
            self._apply_results(with_result)
        chosen = self._send_commands(connects, {connect.enrollment.enrollment_id for connect in with_result})
        if chosen:
            self.command_cache.render_missing(self.work.session, [candidate.body_id for candidate in chosen.values()])
        for connect in connects:
            command = chosen.get((connect.is_idle, connect.enrollment.enrollment_id))
            body = self.command_cache.get_plist(command.body_id, command.nonce, command.command_id) if command else b""
            responses[connect.index] = ChannelResponse(200, body)

    def _send_commands(
        self, connects: list[ConnectRequest], ids_with_result: set[int]
    ) -> dict[tuple[bool, int], DeliveryCandidate]:
        """Choose the commands to deliver and set them to sent. Returns them by (starts a conversation, enrollment id).

        Where another session has cancelled a command since it was chosen, the next one is chosen instead.
        """
        sent: dict[tuple[bool, int], DeliveryCandidate] = {}
        for _ in range(MAX_ROUNDS):
            chosen = self._choose_commands(connects, ids_with_result)
            if not chosen:
                break
            sent_ids = self.queue.mark_sent(sorted({candidate.command_id for candidate in chosen.values()}), self.now)
            sent |= {key: candidate for key, candidate in chosen.items() if candidate.command_id in sent_ids}
            lost_ids = {enrollment_id for (_, enrollment_id), c in chosen.items() if c.command_id not in sent_ids}
            connects = [connect for connect in connects if connect.enrollment.enrollment_id in lost_ids]
            ids_with_result = lost_ids  # what was loaded for them is out of date
            if not lost_ids:
                break
        return sent

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
        """Store the reported results and update their commands.

        A late result, of a command that had ended without one, is stored too, and leaves the state of the command.
        """
        reported: dict[int, tuple[ReportedState, ConnectRequest]] = {}
        for connect in connects:
            message = connect.message
            parsed_uuid = parse_command_uuid(message.command_uuid) if message.command_uuid else None
            state = STATE_BY_STATUS.get(message.status)
            if parsed_uuid is not None and state is not None:
                nonce, command_id = parsed_uuid
                reason = message.innermost_error
                if not message.is_readable:
                    state = state if state is CommandState.NOT_NOW else CommandState.FAILED
                    reason = UNREADABLE_ANSWER
                new_state = ReportedState(command_id, nonce, connect.enrollment.enrollment_id, state, reason)
                reported[command_id] = new_state, connect
        if not reported:
            return
        results = {command_id: _build_result_row(command_id, connect, self.now) for command_id, (_, connect) in reported.items()}
        applied = self.queue.apply_results([new_state for new_state, _ in reported.values()], list(results.values()), self.now)
        to_handle = [command_id for command_id, each in applied.items() if each.is_final and each.is_handled]
        if unmatched := reported.keys() - applied.keys():
            late = self._list_late_results([reported[command_id][0] for command_id in sorted(unmatched)])
            self.queue.save_results([results[command_id] for command_id in late])
            to_handle += late
        if to_handle:
            self.work.enqueue_job(Topic.COMMAND_RESULT, *to_handle)

    def _list_late_results(self, unmatched: list[ReportedState]) -> list[int]:
        """Return the commands of results that come late; duplicates and results for unknown commands are only logged."""
        late_ids = self.queue.list_unanswered([state for state in unmatched if state.state is not CommandState.NOT_NOW])
        for state in unmatched:
            outcome = "late" if state.command_id in late_ids else "ignored"
            log.info("channel.result_unexpected", enrollment=state.enrollment_id, outcome=outcome)
        return late_ids

    def _choose_deliverable(
        self, waiting: dict[int, EnrollmentSnapshot], loaded: dict[int, DeliveryCandidate], *, starts_conversation: bool
    ) -> dict[int, DeliveryCandidate]:
        """Return the command to deliver to each enrollment.

        Commands that must not be delivered are ended, those that the stop switch holds are postponed, and the next one is tried.
        """
        chosen: dict[int, DeliveryCandidate] = {}
        candidates = list(loaded.values())
        undecided = waiting.keys() - loaded.keys()
        for _ in range(MAX_ROUNDS):
            candidates += self.queue.select_next_commands(sorted(undecided), self.now, starts_conversation=starts_conversation)
            ended: list[tuple[int, CommandState, str]] = []
            held_ids: list[int] = []
            undecided = set()
            stopped_towns = self._load_stopped_towns(candidates, waiting)
            for candidate in candidates:
                enrollment = waiting[candidate.enrollment_id]
                refusal = _check_delivery(candidate, enrollment)
                if refusal is None and enrollment.town_id in stopped_towns and COMMANDS[candidate.request_type].destructive:
                    held_ids.append(candidate.command_id)
                    undecided.add(candidate.enrollment_id)
                elif refusal is None:
                    chosen[candidate.enrollment_id] = candidate
                elif refusal != _DELIVER_NOTHING:
                    ended.append((candidate.command_id, *refusal))
                    undecided.add(candidate.enrollment_id)
            if not undecided:
                break
            if held_ids:
                QueueRepository(self.work.session).postpone_commands(held_ids, self.now + HOLD_TIME)
            self.queue.end_commands(ended, self.now)
            if failed_ids := [command_id for command_id, state, _ in ended if state is CommandState.FAILED]:
                self.work.enqueue_job(Topic.COMMAND_RESULT, *failed_ids)
            candidates = []
        return chosen

    def _load_stopped_towns(self, candidates: list[DeliveryCandidate], waiting: dict[int, EnrollmentSnapshot]) -> set[UUID]:
        town_ids = {waiting[c.enrollment_id].town_id for c in candidates if COMMANDS[c.request_type].destructive}
        if not town_ids or is_restored(self.work):  # a restored database does not know what people have stopped since
            return town_ids
        return list_stopped_towns(self.work, town_ids)

    def _process_checkin(self, request: ChannelRequest) -> ChannelResponse:
        """Return the response to one check-in message. It runs in a savepoint, so that its failure leaves the rest of the batch."""
        assert isinstance(request.message, CheckinMessage)
        try:
            with self.work.session.begin_nested():
                return handlers.handle_checkin(self.work, request.message, request.fingerprint, request.certificate)
        except DeviceRequestRejected as rejection:
            if rejection.reason is RejectionReason.UNKNOWN_TABLET:
                readoption.record_unknown_tablet(self.work, request)
            return self._reject(request, rejection)
        except Exception:
            log.exception("channel.checkin_failed", message=request.message.MESSAGE_TYPE, udid=request.message.ids.device_key)
            return SERVER_ERROR

    def _note_unreadable(self, request: ChannelRequest) -> None:
        """Note for support staff that a tablet sends what cannot be read; the bytes are kept with the command's result."""
        udid, size = request.message.ids.device_key, len(request.raw)
        log.warning("channel.answer_unreadable", udid=udid, size=size)
        self.channel.add_note(udid, request.fingerprint, UNREADABLE_ANSWER, {"bytes": size}, self.now)

    def _reject(self, request: ChannelRequest, rejection: DeviceRequestRejected) -> ChannelResponse:
        udid = request.message.ids.device_key
        log.warning("channel.request_rejected", udid=udid, reason=rejection.reason.value, detail=rejection.detail)
        details = {"detail": rejection.detail} if rejection.detail else {}
        self.channel.add_note(udid, request.fingerprint, rejection.reason.value, details, self.now)
        refusal = rejection.invitation_refusal
        if refusal is not None:
            record_refusal(self.work, refusal.invitation_id, refusal.reason, refusal.device)
        return build_rejection(rejection.status)


#: A command that the stop switch holds is looked at again after this time: so long after a release it goes on at the latest.
HOLD_TIME = timedelta(minutes=10)
_DELIVER_NOTHING = (CommandState.SENT, "")


def _check_delivery(candidate: DeliveryCandidate, enrollment: EnrollmentSnapshot) -> tuple[CommandState, str] | None:
    """Return None to deliver the command, `_DELIVER_NOTHING` to wait, else the state in which it ends and the reason."""
    command_type = COMMANDS[candidate.request_type]
    if candidate.state is CommandState.SENT:
        if candidate.lane == Lane.FINAL:
            return _DELIVER_NOTHING  # the next Authenticate, or the deadline, ends a sent erase
        if not command_type.retried_after_silence:
            return CommandState.FAILED, "unknown outcome: no result arrived"
        if candidate.delivery_count >= MAX_DELIVERIES:
            return CommandState.FAILED, f"no answer after {MAX_DELIVERIES} deliveries"
    reason = get_delivery_refusal(
        command_type,
        evidence_hold=enrollment.evidence_hold,
        supervised=enrollment.supervised,
        os_version=enrollment.os_version,
    )
    if reason is None:
        return None
    return (CommandState.CANCELLED if command_type.destructive else CommandState.REJECTED), reason


def _build_result_row(command_id: int, connect: ConnectRequest, now: datetime) -> ResultRow:
    message = connect.message
    keeps_body = not message.is_readable or any(key not in _COMMON_KEYS for key in message.body)
    keeps_body = keeps_body and (len(connect.request.raw) <= MAX_RESULT_BYTES or not message.is_readable)
    return {
        "command_id": command_id,
        "status": message.status.value if message.is_readable else UNREADABLE_STATUS,
        "received_at": now,
        "error_chain": [_shorten_link(link) for link in message.error_chain] or None,
        "body": zlib.compress(_cut_raw(connect), 1) if keeps_body else None,
    }


def _shorten_link(link: dict[str, Any]) -> dict[str, Any]:
    values = {key: value[:MAX_ERROR_TEXT] if isinstance(value, str) else value for key, value in link.items()}
    return {key: value for key, value in values.items() if isinstance(value, str | int | float | bool)}


def _cut_raw(connect: ConnectRequest) -> bytes:
    """Return the bytes as received; of an unreadable message not more than people look at."""
    raw = connect.request.raw
    return raw if connect.message.is_readable else raw[:MAX_UNREADABLE_BYTES]


_COMMON_KEYS = {"UDID", "EnrollmentID", "UserID", "UserShortName", "UserLongName", "EnrollmentUserID", "NotOnConsole"}
