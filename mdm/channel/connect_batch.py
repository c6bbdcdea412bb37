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
from mdm.channel.bodies import RenderedBodies
from mdm.channel.errors import ChannelRefusal, Refused
from mdm.channel.messages import FAILED, UNRECOGNIZED, ChannelRequest, Reply, refused
from mdm.channel.repository import ChannelRepository, Speaker
from mdm.devices.models import EnrollmentState
from mdm.protocol.checkin import CheckinMessage
from mdm.protocol.commands.registry import COMMANDS
from mdm.protocol.connect import Answer, Status
from mdm.queue.batch_statements import Candidate, HotQueue, Said
from mdm.queue.models import CommandState, Lane
from mdm.queue.repository import QueueRepository
from mdm.queue.rules import AFTER, parse_uuid, refused_at_delivery

log = structlog.get_logger()
#: Rounds of looking for a command that may go out; each round ends at least one that may not.
MAX_ROUNDS = 8
_FINAL_STATES = (CommandState.ACKNOWLEDGED, CommandState.FAILED, CommandState.REJECTED)


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of the connect loop by a tablet that may speak, and the command that waited for it at first sight."""

    index: int
    request: ChannelRequest
    answer: Answer
    speaker: Speaker
    candidate: Candidate | None

    @property
    def is_idle(self) -> bool:
        return self.answer.status is Status.IDLE


class Conversation:
    """Answers one batch within one unit of work."""

    def __init__(self, work: UnitOfWork, bodies: RenderedBodies) -> None:
        self.work = work
        self.now: datetime = work.now
        self.bodies = bodies
        self.channel = ChannelRepository(work.session)
        self.queue = HotQueue(work.session)

    def answer(self, requests: Sequence[ChannelRequest]) -> list[Reply]:
        """Return one reply per request, in their order."""
        replies: list[Reply] = [FAILED] * len(requests)
        asking = {r.message.ids.channel_key: r.fingerprint for r in requests if isinstance(r.message, Answer)}
        seen = self.channel.glance(list(asking.items()), self.now) if asking else {}
        turns: list[Turn] = []
        for index, request in enumerate(requests):
            if isinstance(request.message, Answer):
                speaker, candidate = seen.get(request.message.ids.channel_key, (None, None))
                verdict = self._admit(request, speaker)
                if isinstance(verdict, Reply):
                    replies[index] = verdict
                else:
                    turns.append(Turn(index, request, request.message, verdict, candidate))
        if turns:
            self._connect(turns, replies)
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

    def _connect(self, turns: list[Turn], replies: list[Reply]) -> None:
        answers = [turn for turn in turns if not turn.is_idle]
        if answers:
            self._settle(answers)
        chosen = self._chosen(turns, {turn.speaker.enrollment_id for turn in answers})
        if chosen:
            self.queue.mark_sent(sorted({candidate.command_id for candidate in chosen.values()}), self.now)
            self.bodies.load(self.work.session, [candidate.body_id for candidate in chosen.values()])
        for turn in turns:
            found = chosen.get((turn.is_idle, turn.speaker.enrollment_id))
            body = self.bodies.plist(found.body_id, found.nonce, found.command_id) if found else b""
            replies[turn.index] = Reply(200, body)

    def _chosen(self, turns: list[Turn], answered: set[int]) -> dict[tuple[bool, int], Candidate]:
        """What goes out, by (begins a conversation, enrolment)."""
        waiting: dict[bool, dict[int, Speaker]] = {True: {}, False: {}}
        glanced: dict[int, Candidate] = {}
        for turn in turns:
            number = turn.speaker.enrollment_id
            if turn.speaker.state is not EnrollmentState.ENROLLED:
                continue
            if number in answered:  # what we saw at first has changed by the answer
                waiting[turn.is_idle][number] = turn.speaker
            elif turn.candidate is not None:
                waiting[True][number], glanced[number] = turn.speaker, turn.candidate
        return {
            (beginning, number): candidate
            for beginning, speakers in waiting.items()
            if speakers
            for number, candidate in self._choose(speakers, glanced if beginning else {}, beginning=beginning).items()
        }

    def _settle(self, turns: list[Turn]) -> None:
        """Write what the answers of this batch change. An answer we never asked for changes nothing."""
        said: dict[int, tuple[Said, Turn]] = {}
        for turn in turns:
            parsed = parse_uuid(turn.answer.command_uuid) if turn.answer.command_uuid else None
            state = AFTER.get(turn.answer.status)
            if parsed is not None and state is not None:
                nonce, number = parsed
                said[number] = Said(number, nonce, turn.speaker.enrollment_id, state, turn.answer.innermost_error), turn
        settled = self.queue.settle([one for one, _ in said.values()], self.now) if said else {}
        answers = [_kept(number, said[number][1], self.now) for number, state in settled.items() if state in _FINAL_STATES]
        for number in said.keys() - settled.keys():
            log.info("channel.answer_unasked", enrollment=said[number][0].enrollment_id)
        if answers:
            self.queue.keep_answers(answers)
            self.work.enqueue_job(Topic.ANSWER, *(answer["command_id"] for answer in answers))

    def _choose(self, waiting: dict[int, Speaker], glanced: dict[int, Candidate], *, beginning: bool) -> dict[int, Candidate]:
        """The command each enrolment gets now. One that may not go out is ended, and the next is looked at."""
        chosen: dict[int, Candidate] = {}
        candidates = list(glanced.values())
        undecided = waiting.keys() - glanced.keys()
        for _ in range(MAX_ROUNDS):
            candidates += self.queue.next_for(sorted(undecided), self.now, beginning=beginning)
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
            self.queue.refuse(ended, self.now)
            candidates = []
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


def _kept(command_id: int, turn: Turn, now: datetime) -> dict[str, Any]:
    answer = turn.answer
    has_result = answer.status is Status.ACKNOWLEDGED and any(k not in _COMMON for k in answer.body)
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
