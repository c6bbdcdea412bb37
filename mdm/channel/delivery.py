"""Which commands a batch delivers: chooses them, checks each once more at the last moment, and sets them to sent."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cartable.outbox import Topic
from cartable.timeline.restores import is_restored
from cartable.unit_of_work import UnitOfWork
from enrollment.safeguards.stop_switch import list_stopped_towns
from mdm.channel.connect_requests import ConnectRequest
from mdm.channel.repository import EnrollmentSnapshot
from mdm.devices.models import EnrollmentState
from mdm.protocol.commands.registry import COMMANDS
from mdm.queue.batch_statements import BatchStatements, DeliveryCandidate
from mdm.queue.models import CommandState, Lane
from mdm.queue.repository import QueueRepository
from mdm.queue.rules import MAX_DELIVERIES, get_delivery_refusal

#: Rounds of selecting a deliverable command. Each round ends at least one command that must not be delivered.
MAX_ROUNDS = 8
#: A command that the stop switch holds is looked at again after this time: so long after a release it goes on at the latest.
HOLD_TIME = timedelta(minutes=10)
_DELIVER_NOTHING = (CommandState.SENT, "")


class CommandDelivery:
    """Delivers commands within one unit of work."""

    def __init__(self, work: UnitOfWork, queue: BatchStatements) -> None:
        self.work = work
        self.now = work.now
        self.queue = queue

    def send_commands(
        self, connects: list[ConnectRequest], ids_with_result: set[int]
    ) -> dict[tuple[bool, int], DeliveryCandidate]:
        """Choose the commands to deliver and set them to sent. Returns them by (starts a conversation, enrollment id).

        Where another session has cancelled a command since it was chosen, the next one is chosen instead. A tablet that starts a
        conversation is offered again, one after the other, all that it put off in earlier ones.
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
        if starting_ids := sorted(enrollment_id for starts, enrollment_id in sent if starts):
            self.queue.queue_postponed_again(starting_ids, self.now)
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
        else:  # more commands had to be ended than one contact may: the tablet is asked to come again for the others
            self.work.enqueue_job(Topic.PUSH, *sorted(undecided))
        return chosen

    def _load_stopped_towns(self, candidates: list[DeliveryCandidate], waiting: dict[int, EnrollmentSnapshot]) -> set[UUID]:
        town_ids = {waiting[c.enrollment_id].town_id for c in candidates if COMMANDS[c.request_type].destructive}
        if not town_ids or is_restored(self.work):  # a restored database does not know what people have stopped since
            return town_ids
        return list_stopped_towns(self.work, town_ids)


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
