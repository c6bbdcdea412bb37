"""The base of all behaviours: what a tablet may do otherwise. It sends nothing itself.

The tablet and its conversations call the methods of the behaviour at the right moments.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from simulator.declarative_habits import DeclarativeHabits


class Disconnection(StrEnum):
    """At which point of a conversation a tablet disconnects."""

    BEFORE_ANSWER = "before its answer"
    AFTER_ANSWER = "after its answer, before the reply"


class BehavingTablet(Protocol):
    """What a behaviour may do with its tablet."""

    async def erase(self) -> None: ...

    async def enrol(self) -> None: ...

    async def renew_certificate(self) -> None: ...


class Behaviour(DeclarativeHabits):
    """A well-behaved tablet. Each subclass changes one thing; `argument` is the number after its name, such as `offline:30`."""

    name: ClassVar[str] = "normal"
    mid_request_pause: float = 0.0
    """Seconds to wait between the two halves of each request."""
    result_copies: int = 1
    """How many times each command result is sent."""
    clock_error: timedelta = timedelta(0)

    def __init__(self, argument: float | None = None) -> None:
        self.argument = argument

    def is_online(self, since_enrolment: float) -> bool:
        """Return whether the tablet is on the network `since_enrolment` seconds after it enrolled."""
        return True

    def answers_not_now(self, request_type: str) -> bool:
        """Return whether the tablet answers this command with NotNow."""
        return False

    def refuse_command(self, arguments: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Return the ErrorChain with which the tablet refuses this command; None when it executes it."""
        return None

    def corrupt_body(self, body: bytes) -> bytes:
        """Return a command result as it leaves the tablet."""
        return body

    def disconnects_at(self) -> Disconnection | None:
        """Return at which point the tablet disconnects while it answers this command; None when it does not."""
        return None

    def drops_new_identity(self) -> bool:
        """Return whether the tablet loses the identity of an updated MDM profile and goes on with its former one."""
        return False

    def on_unlocked(self) -> None:
        """Called when somebody enters the passcode."""

    async def after_conversation(self, tablet: BehavingTablet) -> None:
        """Called after a conversation that the server ended because it has no more commands."""

    def serialize(self) -> str:
        """Return the text from which `parse_behaviour` makes the same behaviour."""
        return self.name if self.argument is None else f"{self.name}:{self.argument:g}"
