"""One batch of requests in one transaction: set-based for the connect loop, one savepoint per check-in message.

The number of statements does not grow with the number of connect requests. Opens and commits nothing.
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
from mdm.channel import handlers, identity
from mdm.channel.bodies import RenderedCommandCache
from mdm.channel.errors import DeviceRequestRejected, RejectionReason
from mdm.channel.messages import SERVER_ERROR, UNRECOGNIZED_DEVICE, ChannelRequest, ChannelResponse, build_rejection
from mdm.channel.repository import ChannelRepository, EnrollmentSnapshot
from mdm.devices.models import EnrollmentState
from mdm.protocol.checkin import CheckinMessage
from mdm.protocol.commands.registry import COMMANDS
from mdm.protocol.connect import ConnectMessage, CommandStatus
from mdm.queue.batch_statements import DeliveryCandidate, BatchStatements, ReportedState
from mdm.queue.models import CommandState, Lane
from mdm.queue.repository import QueueRepository
from mdm.queue.rules import STATE_BY_STATUS, parse_command_uuid, get_delivery_refusal

log = structlog.get_logger()
#: Rounds of looking for a command that may go out; each round ends at least one that may not.
MAX_ROUNDS = 8
_FINAL_STATES = (CommandState.ACKNOWLEDGED, CommandState.FAILED, CommandState.REJECTED)


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """One request of the connect loop by a tablet that may speak, and the command that waited for it at first sight."""

    index: int
    request: ChannelRequest
    message: ConnectMessage
    enrollment: EnrollmentSnapshot
    candidate: DeliveryCandidate | None

    @property
    def is_idle(self) -> bool:
        return self.message.status is CommandStatus.IDLE


class ConnectBatch:
    """Answers one batch within one unit of work."""

    def __init__(self, work: UnitOfWork, bodies: RenderedCommandCache) -> None:
        self.work = work
        self.now: datetime = work.now
        self.bodies = bodies
        self.channel = ChannelRepository(work.session)
        self.queue = BatchStatements(work.session)

    def process(self, requests: Sequence[ChannelRequest]) -> list[ChannelResponse]:
        """Return one reply per request, in their order."""
        replies: list[ChannelResponse] = [SERVER_ERROR] * len(requests)
        asking = {r.message.ids.channel_key: r.fingerprint for r in requests if isinstance(r.message, ConnectMessage)}
        seen = self.channel.load_next_commands(list(asking.items()), self.now) if asking else {}
        turns: list[ConnectRequest] = []
        for index, request in enumerate(requests):
            if isinstance(request.message, ConnectMessage):
                speaker, candidate = seen.get(request.message.ids.channel_key, (None, None))
                verdict = self._admit(request, speaker)
                if isinstance(verdict, ChannelResponse):
                    replies[index] = verdict
                else:
                    turns.append(ConnectRequest(index, request, request.message, verdict, candidate))
        if turns:
            self._connect(turns, replies)
        for index, request in enumerate(requests):
            if isinstance(request.message, CheckinMessage):
                replies[index] = self._check_in(request)
        return replies

    def _admit(self, request: ChannelRequest, speaker: EnrollmentSnapshot | None) -> EnrollmentSnapshot | ChannelResponse:
        """Whether this certificate may speak for this enrolment in the connect loop."""
        ids = request.message.ids
        if speaker is None:
            return self._refuse(ids.device_key, DeviceRequestRejected(RejectionReason.UNKNOWN_TABLET))
        if not speaker.is_pinned_to(request.fingerprint) and not identity.take_over(
            self.work, speaker.enrollment_id, request.fingerprint
        ):
            return self._refuse(ids.device_key, DeviceRequestRejected(RejectionReason.WRONG_CERTIFICATE))
        if speaker.state is EnrollmentState.RETIRED:
            return UNRECOGNIZED_DEVICE
        if speaker.state is EnrollmentState.CHECKED_OUT:
            return self._refuse(ids.device_key, DeviceRequestRejected(RejectionReason.NOT_ENROLLED))
        return speaker

    def _connect(self, turns: list[ConnectRequest], replies: list[ChannelResponse]) -> None:
        answers = [turn for turn in turns if not turn.is_idle]
        if answers:
            self._settle(answers)
        chosen = self._chosen(turns, {turn.enrollment.enrollment_id for turn in answers})
        if chosen:
            self.queue.mark_sent(sorted({candidate.command_id for candidate in chosen.values()}), self.now)
            self.bodies.render_missing(self.work.session, [candidate.body_id for candidate in chosen.values()])
        for turn in turns:
            found = chosen.get((turn.is_idle, turn.enrollment.enrollment_id))
            body = self.bodies.get_plist(found.body_id, found.nonce, found.command_id) if found else b""
            replies[turn.index] = ChannelResponse(200, body)

    def _chosen(self, turns: list[ConnectRequest], answered: set[int]) -> dict[tuple[bool, int], DeliveryCandidate]:
        """What goes out, by (begins a conversation, enrolment)."""
        waiting: dict[bool, dict[int, EnrollmentSnapshot]] = {True: {}, False: {}}
        glanced: dict[int, DeliveryCandidate] = {}
        for turn in turns:
            number = turn.enrollment.enrollment_id
            if turn.enrollment.state is not EnrollmentState.ENROLLED:
                continue
            if number in answered:  # what we saw at first has changed by the answer
                waiting[turn.is_idle][number] = turn.enrollment
            elif turn.candidate is not None:
                waiting[True][number], glanced[number] = turn.enrollment, turn.candidate
        return {
            (beginning, number): candidate
            for beginning, speakers in waiting.items()
            if speakers
            for number, candidate in self._choose(speakers, glanced if beginning else {}, beginning=beginning).items()
        }

    def _settle(self, turns: list[ConnectRequest]) -> None:
        """Write what the answers of this batch change. An answer we never asked for changes nothing."""
        said: dict[int, tuple[ReportedState, ConnectRequest]] = {}
        for turn in turns:
            parsed = parse_command_uuid(turn.message.command_uuid) if turn.message.command_uuid else None
            state = STATE_BY_STATUS.get(turn.message.status)
            if parsed is not None and state is not None:
                nonce, number = parsed
                said[number] = ReportedState(number, nonce, turn.enrollment.enrollment_id, state, turn.message.innermost_error), turn
        settled = self.queue.apply_reported_states([one for one, _ in said.values()], self.now) if said else {}
        answers = [_kept(number, said[number][1], self.now) for number, state in settled.items() if state in _FINAL_STATES]
        for number in said.keys() - settled.keys():
            log.info("channel.answer_unasked", enrollment=said[number][0].enrollment_id)
        if answers:
            self.queue.save_results(answers)
            self.work.enqueue_job(Topic.COMMAND_RESULT, *(answer["command_id"] for answer in answers))

    def _choose(self, waiting: dict[int, EnrollmentSnapshot], glanced: dict[int, DeliveryCandidate], *, beginning: bool) -> dict[int, DeliveryCandidate]:
        """The command each enrolment gets now. One that may not go out is ended, and the next is looked at."""
        chosen: dict[int, DeliveryCandidate] = {}
        candidates = list(glanced.values())
        undecided = waiting.keys() - glanced.keys()
        for _ in range(MAX_ROUNDS):
            candidates += self.queue.select_next_commands(sorted(undecided), self.now, starts_conversation=beginning)
            ended: list[tuple[int, CommandState, str]] = []
            undecided = set()
            stopped = self._stopped(candidates, waiting)
            for candidate in candidates:
                speaker = waiting[candidate.enrollment_id]
                verdict = _verdict(candidate, speaker, stopped=speaker.town_id in stopped)
                if verdict is None:
                    chosen[candidate.enrollment_id] = candidate
                elif verdict != _WAIT:
                    ended.append((candidate.command_id, *verdict))
                    undecided.add(candidate.enrollment_id)
            if not ended:
                break
            self.queue.end_commands(ended, self.now)
            candidates = []
        return chosen

    def _stopped(self, candidates: list[DeliveryCandidate], waiting: dict[int, EnrollmentSnapshot]) -> set[UUID]:
        towns = {waiting[c.enrollment_id].town_id for c in candidates if COMMANDS[c.request_type].destructive}
        return QueueRepository(self.work.session).list_stopped_towns(towns) if towns else set()

    def _check_in(self, request: ChannelRequest) -> ChannelResponse:
        """One check-in message, in a savepoint: whatever happens to it, the rest of the batch stands."""
        assert isinstance(request.message, CheckinMessage)
        try:
            with self.work.session.begin_nested():
                return handlers.handle(self.work, request.message, request.fingerprint)
        except DeviceRequestRejected as refusal:
            return self._refuse(request.message.ids.device_key, refusal)
        except Exception:
            log.exception("channel.checkin_failed", message=request.message.MESSAGE_TYPE, udid=request.message.ids.device_key)
            return SERVER_ERROR

    def _refuse(self, udid: str, refusal: DeviceRequestRejected) -> ChannelResponse:
        log.warning("channel.refused", udid=udid, reason=refusal.reason.value, detail=refusal.detail)
        self.channel.add_note(udid, refusal.reason.value, {"detail": refusal.detail} if refusal.detail else {}, self.now)
        return build_rejection(refusal.status)


_WAIT = (CommandState.SENT, "")


def _verdict(candidate: DeliveryCandidate, speaker: EnrollmentSnapshot, *, stopped: bool) -> tuple[CommandState, str] | None:
    """None: deliver. `_WAIT`: nothing goes out. Otherwise the state the command ends in, and why."""
    order = COMMANDS[candidate.request_type]
    if candidate.state is CommandState.SENT:
        if candidate.lane == Lane.FINAL:
            return _WAIT  # an erase is settled by the next Authenticate, or by its deadline
        if not order.retried_after_silence:
            return CommandState.FAILED, "unknown outcome: the answer never came"
    why = get_delivery_refusal(
        order, evidence_hold=speaker.evidence_hold, stopped=stopped, supervised=speaker.supervised, os_version=speaker.os_version
    )
    return None if why is None else (CommandState.CANCELLED if order.destructive else CommandState.REJECTED, why)


def _kept(command_id: int, turn: ConnectRequest, now: datetime) -> dict[str, Any]:
    answer = turn.message
    has_result = answer.status is CommandStatus.ACKNOWLEDGED and any(k not in _COMMON for k in answer.body)
    chain = [
        {key: value for key, value in link.items() if isinstance(value, str | int | float | bool)} for link in answer.error_chain
    ]
    return {
        "command_id": command_id,
        "status": answer.status.value,
        "received_at": now,
        "error_chain": chain or None,
        "body": zlib.compress(turn.request.raw, 1) if has_result else None,
    }


_COMMON = {"UDID", "EnrollmentID", "UserID", "UserShortName", "UserLongName", "EnrollmentUserID", "NotOnConsole"}
