"""One batch of requests in one transaction: set-based for the connect loop, one savepoint per check-in message.

The number of statements does not grow with the number of connect requests. Opens and commits nothing.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from mdm.channel import handlers, identity
from mdm.channel.bodies import RenderedBodies
from mdm.channel.errors import ChannelRefusal, Refused
from mdm.channel.messages import EMPTY, FAILED, UNRECOGNIZED, ChannelRequest, Reply, refused
from mdm.channel.repository import ChannelRepository, Speaker
from mdm.devices.models import EnrollmentState
from mdm.kit.outbox import Topic
from mdm.kit.work import Work
from mdm.protocol.checkin import CheckinMessage
from mdm.protocol.commands.registry import COMMANDS
from mdm.protocol.connect import Answer, Status
from mdm.queue.hot import Candidate, HotQueue, Known
from mdm.queue.models import CommandState, Lane
from mdm.queue.repository import QueueRepository
from mdm.queue.rules import AFTER, parse_uuid, refused_at_delivery

log = structlog.get_logger()
#: Rounds of looking for a command that may go out; each round ends at least one that may not.
MAX_ROUNDS = 8
_FINAL_STATES = (CommandState.ACKNOWLEDGED, CommandState.FAILED, CommandState.REJECTED)


class Conversation:
    """Answers one batch within one unit of work."""

    def __init__(self, work: Work, bodies: RenderedBodies) -> None:
        self.work = work
        self.now: datetime = work.now
        self.bodies = bodies
        self.channel = ChannelRepository(work.session)
        self.queue = HotQueue(work.session)

    def answer(self, requests: Sequence[ChannelRequest]) -> list[Reply]:
        """Return one reply per request, in their order."""
        replies: list[Reply] = [FAILED] * len(requests)
        speakers = self.channel.speakers(sorted({request.message.ids.channel_key for request in requests}))
        connects: list[tuple[int, ChannelRequest, Speaker]] = []
        for index, request in enumerate(requests):
            if isinstance(request.message, CheckinMessage):
                continue
            verdict = self._admit(request, speakers.get(request.message.ids.channel_key))
            if isinstance(verdict, Reply):
                replies[index] = verdict
            else:
                connects.append((index, request, verdict))
        if connects:
            self._connect(connects, replies)
        for index, request in enumerate(requests):
            if isinstance(request.message, CheckinMessage):
                replies[index] = self._check_in(request)
        return replies

    def _admit(self, request: ChannelRequest, speaker: Speaker | None) -> Speaker | Reply:
        """Whether this certificate may speak for this enrolment in the connect loop."""
        ids = request.message.ids
        if speaker is None:
            return self._refuse(ids.device_key, ChannelRefusal(Refused.UNKNOWN_TABLET))
        if not speaker.is_pinned_to(request.fingerprint) and not identity.take_over(
            self.work, speaker.enrollment_id, request.fingerprint
        ):
            return self._refuse(ids.device_key, ChannelRefusal(Refused.WRONG_CERTIFICATE))
        if speaker.state is EnrollmentState.RETIRED:
            return UNRECOGNIZED
        if speaker.state is EnrollmentState.CHECKED_OUT:
            return self._refuse(ids.device_key, ChannelRefusal(Refused.NOT_ENROLLED))
        return speaker

    def _connect(self, connects: list[tuple[int, ChannelRequest, Speaker]], replies: list[Reply]) -> None:
        self.channel.beat([speaker.enrollment_id for _, _, speaker in connects], self.now)
        self._settle([(request, speaker) for _, request, speaker in connects])
        ready: dict[bool, dict[int, Speaker]] = defaultdict(dict)
        for index, request, speaker in connects:
            replies[index] = EMPTY
            if speaker.state is EnrollmentState.ENROLLED:
                ready[_is_idle(request)][speaker.enrollment_id] = speaker
        chosen: dict[tuple[bool, int], Candidate] = {}
        for beginning, waiting in ready.items():
            for enrollment_id, candidate in self._choose(waiting, beginning=beginning).items():
                chosen[beginning, enrollment_id] = candidate
        if not chosen:
            return
        self.queue.mark_sent(sorted({candidate.command_id for candidate in chosen.values()}), self.now)
        self.bodies.load(self.work.session, [candidate.body_id for candidate in chosen.values()])
        for index, request, speaker in connects:
            candidate_or_none = chosen.get((_is_idle(request), speaker.enrollment_id))
            if candidate_or_none is not None:
                c = candidate_or_none
                replies[index] = Reply(200, self.bodies.plist(c.body_id, c.nonce, c.command_id))

    def _settle(self, turns: list[tuple[ChannelRequest, Speaker]]) -> None:
        """Write what the answers of this batch change. An answer we never asked for changes nothing."""
        said: dict[int, tuple[int, ChannelRequest, Speaker]] = {}
        for request, speaker in turns:
            parsed = parse_uuid(uuid) if isinstance(request.message, Answer) and (uuid := request.message.command_uuid) else None
            if parsed is not None:
                said[parsed[1]] = (parsed[0], request, speaker)
        if not said:
            return
        known = self.queue.asked(sorted(said))
        settled: list[dict[str, Any]] = []
        answers: list[dict[str, Any]] = []
        for command_id, (nonce, request, speaker) in said.items():
            command = known.get(command_id)
            if command is None or not _fits(command, nonce, speaker):
                log.info("channel.answer_unasked", enrollment=speaker.enrollment_id)
                continue
            assert isinstance(request.message, Answer)
            state = AFTER.get(request.message.status)
            if state is None:
                continue
            ends = state is not CommandState.NOT_NOW
            why = request.message.innermost_error
            settled.append({"id": command_id, "state": state.value, "at": self.now if ends else None, "why": why})
            if ends:
                answers.append(_kept(command_id, request, self.now))
        if settled:
            self.queue.settle(settled)
        if answers:
            self.queue.keep_answers(answers)
            self.work.later(Topic.ANSWER, *(answer["command_id"] for answer in answers))

    def _choose(self, waiting: dict[int, Speaker], *, beginning: bool) -> dict[int, Candidate]:
        """The command each enrolment gets now. One that may not go out is ended, and the next is looked at."""
        chosen: dict[int, Candidate] = {}
        undecided = set(waiting)
        for _ in range(MAX_ROUNDS):
            candidates = self.queue.next_for(sorted(undecided), self.now, beginning=beginning)
            ended: list[dict[str, Any]] = []
            undecided = set()
            stopped = self._stopped(candidates, waiting)
            for candidate in candidates:
                speaker = waiting[candidate.enrollment_id]
                verdict = _verdict(candidate, speaker, stopped=speaker.town_id in stopped)
                if verdict is None:
                    chosen[candidate.enrollment_id] = candidate
                elif verdict != _WAIT:
                    state, why = verdict
                    ended.append({"id": candidate.command_id, "state": state.value, "why": why, "at": self.now})
                    undecided.add(candidate.enrollment_id)
            if not ended:
                break
            self.queue.refuse(ended)
        return chosen

    def _stopped(self, candidates: list[Candidate], waiting: dict[int, Speaker]) -> set[UUID]:
        towns = {waiting[c.enrollment_id].town_id for c in candidates if COMMANDS[c.request_type].destructive}
        return QueueRepository(self.work.session).stopped_towns(towns) if towns else set()

    def _check_in(self, request: ChannelRequest) -> Reply:
        """One check-in message, in a savepoint: whatever happens to it, the rest of the batch stands."""
        assert isinstance(request.message, CheckinMessage)
        try:
            with self.work.session.begin_nested():
                return handlers.handle(self.work, request.message, request.fingerprint)
        except ChannelRefusal as refusal:
            return self._refuse(request.message.ids.device_key, refusal)
        except Exception:
            log.exception("channel.checkin_failed", message=request.message.MESSAGE_TYPE, udid=request.message.ids.device_key)
            return FAILED

    def _refuse(self, udid: str, refusal: ChannelRefusal) -> Reply:
        log.warning("channel.refused", udid=udid, reason=refusal.reason.value, detail=refusal.detail)
        self.channel.note(udid, refusal.reason.value, {"detail": refusal.detail} if refusal.detail else {}, self.now)
        return refused(refusal.status)


_WAIT = (CommandState.SENT, "")


def _verdict(candidate: Candidate, speaker: Speaker, *, stopped: bool) -> tuple[CommandState, str] | None:
    """None: deliver. `_WAIT`: nothing goes out. Otherwise the state the command ends in, and why."""
    order = COMMANDS[candidate.request_type]
    if candidate.state is CommandState.SENT:
        if candidate.lane == Lane.FINAL:
            return _WAIT  # an erase is settled by the next Authenticate, or by its deadline
        if not order.retried_after_silence:
            return CommandState.FAILED, "unknown outcome: the answer never came"
    why = refused_at_delivery(
        order, on_hold=speaker.evidence_hold, stopped=stopped, supervised=speaker.supervised, os=speaker.os_version
    )
    return None if why is None else (CommandState.CANCELLED if order.destructive else CommandState.REJECTED, why)


def _is_idle(request: ChannelRequest) -> bool:
    return isinstance(request.message, Answer) and request.message.status is Status.IDLE


def _fits(command: Known, nonce: int, speaker: Speaker) -> bool:
    """Whether the answer speaks of a command of this enrolment that is still open."""
    return (
        command.nonce == nonce
        and command.enrollment_id == speaker.enrollment_id
        and command.state in (CommandState.QUEUED, CommandState.SENT, CommandState.NOT_NOW)
    )


def _kept(command_id: int, request: ChannelRequest, now: datetime) -> dict[str, Any]:
    assert isinstance(request.message, Answer)
    answer = request.message
    has_result = answer.status is Status.ACKNOWLEDGED and any(k not in _COMMON for k in answer.body)
    chain = [
        {key: value for key, value in link.items() if isinstance(value, str | int | float | bool)} for link in answer.error_chain
    ]
    return {
        "command_id": command_id,
        "status": answer.status.value,
        "received_at": now,
        "error_chain": chain or None,
        "body": zlib.compress(request.raw, 6) if has_result else None,
    }


_COMMON = {"UDID", "EnrollmentID", "UserID", "UserShortName", "UserLongName", "EnrollmentUserID", "NotOnConsole"}
