"""The steps of a simulation: which there are, and how a seed draws them. Executes nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

TABLETS = 5
DEFAULT_LENGTH = 150


class StepKind(StrEnum):
    """What happens next. Each value is the name in the trace."""

    # Tablets, and the people who hold them.
    ENROL = "enrol"
    POLL = "poll"
    WAKE = "wake"
    LATE_REQUEST = "late request"
    REPORT = "report declarations"
    RESTART = "restart"
    UNLOCK = "unlock"
    UNINSTALL_APP = "uninstall app"
    REMOVE_MANAGEMENT = "remove management"
    ERASE_BY_HAND = "erase by hand"
    # The server's own work.
    WORK = "work"
    SCHEDULE = "schedule"
    WAIT = "wait"
    # Acts of people.
    MARK_LOST = "mark lost"
    LIFT_LOST = "lift lost"
    MARK_FOUND = "mark found"
    ERASE = "erase"
    GIVE_COMMAND = "give command"
    CANCEL_COMMAND = "cancel command"
    CHANGE_BUNDLE = "change bundle"
    CHANGE_POLICY = "change policy"
    START_SESSION = "start session"
    SWAP = "swap"
    STOP_TOWN = "stop town"
    RELEASE_TOWN = "release town"
    # Faults.
    CRASH = "crash"
    CLOCK_JUMP = "clock jump"
    CLOCK_RETURN = "clock return"
    OUTAGE = "outage"
    OUTAGE_END = "outage end"
    PUSH_SERVICE = "push service"


#: How often each step is drawn, relative to the others.
WEIGHTS: dict[StepKind, int] = {
    StepKind.ENROL: 12,
    StepKind.POLL: 12,
    StepKind.WAKE: 30,
    StepKind.LATE_REQUEST: 4,
    StepKind.REPORT: 4,
    StepKind.RESTART: 3,
    StepKind.UNLOCK: 4,
    StepKind.UNINSTALL_APP: 2,
    StepKind.REMOVE_MANAGEMENT: 1,
    StepKind.ERASE_BY_HAND: 1,
    StepKind.WORK: 40,
    StepKind.SCHEDULE: 20,
    StepKind.WAIT: 20,
    StepKind.MARK_LOST: 4,
    StepKind.LIFT_LOST: 4,
    StepKind.MARK_FOUND: 2,
    StepKind.ERASE: 2,
    StepKind.GIVE_COMMAND: 8,
    StepKind.CANCEL_COMMAND: 6,
    StepKind.CHANGE_BUNDLE: 4,
    StepKind.CHANGE_POLICY: 3,
    StepKind.START_SESSION: 3,
    StepKind.SWAP: 1,
    StepKind.STOP_TOWN: 1,
    StepKind.RELEASE_TOWN: 2,
    StepKind.CRASH: 10,
    StepKind.CLOCK_JUMP: 1,
    StepKind.CLOCK_RETURN: 2,
    StepKind.OUTAGE: 2,
    StepKind.OUTAGE_END: 4,
    StepKind.PUSH_SERVICE: 4,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `number` and the seed decide everything that is drawn while it runs, so that others can be left out."""

    number: int
    kind: StepKind

    def create_draw(self, seed: int) -> random.Random:
        """Return the source of all that is drawn during this step."""
        return random.Random(f"{seed}/{self.number}")


def draw_steps(seed: int, length: int = DEFAULT_LENGTH) -> list[Step]:
    """Return the steps of a seed. The tablets enrol early, because little else happens before."""
    draw = random.Random(seed)
    first = [StepKind.ENROL if number % 2 == 0 else StepKind.WORK for number in range(min(length, 2 * TABLETS))]
    rest = draw.choices(list(WEIGHTS), list(WEIGHTS.values()), k=max(0, length - len(first)))
    return [Step(number, kind) for number, kind in enumerate([*first, *rest])]
