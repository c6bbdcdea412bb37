"""How tablets misbehave, one small class each. A behaviour is asked by the tablet and the conversation; it sends nothing itself."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Protocol

from simulator.chance import seeded_random
from simulator.commands import NEEDS_UNLOCK, NEVER_NOT_NOW
from simulator.errors import SimulatorError


class Disconnection(StrEnum):
    """Where in a conversation a tablet vanishes."""

    BEFORE_ANSWER = "before its answer"
    AFTER_ANSWER = "after its answer, before the reply"


class BehavingTablet(Protocol):
    """What a behaviour may do to its tablet."""

    async def erase(self) -> None: ...

    async def enrol(self) -> None: ...

    async def renew_certificate(self) -> None: ...


class Behaviour:
    """A well-behaved tablet; the others change one thing each."""

    name: ClassVar[str] = "normal"
    mid_request_pause: float = 0.0
    """Seconds between the halves of a request."""
    result_copies: int = 1
    """How often each answer is sent."""
    clock_error: timedelta = timedelta(0)

    def __init__(self, argument: float | None = None) -> None:
        self.argument = argument

    def is_online(self, since_enrolment: float) -> bool:
        """Whether it is on the network, `since_enrolment` seconds after it enrolled."""
        return True

    def answers_not_now(self, request_type: str) -> bool:
        """Whether to put this command off."""
        return False

    def corrupt_body(self, body: bytes) -> bytes:
        """An answer as it leaves the tablet."""
        return body

    def disconnects_at(self) -> Disconnection | None:
        """Whether to vanish at this command."""
        return None

    def on_unlocked(self) -> None:
        """Called when somebody types the passcode."""

    async def after_conversation(self, tablet: BehavingTablet) -> None:
        """Called when the server has nothing more to say."""

    def serialize(self) -> str:
        """What `behaviour` reads again."""
        return self.name if self.argument is None else f"{self.name}:{self.argument:g}"


class Offline(Behaviour):
    """Out of reach for `argument` seconds after enrolment; pushes wait for it as APNs keeps them."""

    name = "offline"

    def is_online(self, since_enrolment: float) -> bool:
        return since_enrolment >= (30 if self.argument is None else self.argument)


class NotNow(Behaviour):
    """Puts off the next `argument` commands that may be put off."""

    name = "not_now"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 2 if argument is None else int(argument)

    def answers_not_now(self, request_type: str) -> bool:
        if self.remaining <= 0 or request_type in NEVER_NOT_NOW:
            return False
        self.remaining -= 1
        return True


class CorruptResults(Behaviour):
    """Garbles `argument` answers, each in another way: cut short, not XML, empty, a list, without CommandUUID."""

    name = "garbage"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 2 if argument is None else int(argument)

    def corrupt_body(self, body: bytes) -> bytes:
        if self.remaining <= 0:
            return body
        self.remaining -= 1
        ways = (
            body[: len(body) // 2],
            b"\x00\xff" + seeded_random(len(body)).randbytes(64),
            b"",
            b"<plist><array/></plist>",
            body.replace(b"CommandUUID", b"CommandUU1D"),
        )
        return ways[self.remaining % len(ways)]


class WrongClock(Behaviour):
    """A clock that is `argument` seconds off (an hour ahead by default; negative is behind)."""

    name = "wrong_clock"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.clock_error = timedelta(seconds=3600 if argument is None else argument)


class DuplicateResults(Behaviour):
    """Sends each answer `argument` times, as after a reply that was lost."""

    name = "duplicate_answers"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.result_copies = 2 if argument is None else int(argument)


class DisconnectsMidConversation(Behaviour):
    """Vanishes `argument` times in the middle of a conversation, in turns before and after its answer."""

    name = "dies_mid_conversation"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 2 if argument is None else int(argument)

    def disconnects_at(self) -> Disconnection | None:
        if self.remaining <= 0:
            return None
        self.remaining -= 1
        return Disconnection.BEFORE_ANSWER if self.remaining % 2 else Disconnection.AFTER_ANSWER


class ErasedByHand(Behaviour):
    """Somebody erases it by hand after `argument` conversations: it falls silent, without CheckOut."""

    name = "erased"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 2 if argument is None else int(argument)

    async def after_conversation(self, tablet: BehavingTablet) -> None:
        self.remaining -= 1
        if self.remaining == 0:
            await tablet.erase()


class ErasedAndReEnrolled(ErasedByHand):
    """Erased, and enrolled once more with the same invitation: a new generation of the same tablet."""

    name = "re_enrols"

    async def after_conversation(self, tablet: BehavingTablet) -> None:
        await super().after_conversation(tablet)
        if self.remaining == 0:
            await tablet.enrol()


class RenewsCertificate(Behaviour):
    """Asks for a new certificate by RenewalReq after `argument` conversations."""

    name = "renews"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 1 if argument is None else int(argument)

    async def after_conversation(self, tablet: BehavingTablet) -> None:
        self.remaining -= 1
        if self.remaining == 0:
            await tablet.renew_certificate()


class SlowSender(Behaviour):
    """Pauses `argument` seconds in the middle of each request."""

    name = "slow"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.mid_request_pause = 1.0 if argument is None else argument


class LockedAfterRestart(Behaviour):
    """Restarted and not yet unlocked: NotNow to what needs the passcode, until `tablet.unlock()` or `argument` answers."""

    name = "locked"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 3 if argument is None else int(argument)

    def answers_not_now(self, request_type: str) -> bool:
        if request_type not in NEEDS_UNLOCK or self.remaining <= 0:
            return False
        self.remaining -= 1
        return True

    def on_unlocked(self) -> None:
        self.remaining = 0


BEHAVIOURS: dict[str, type[Behaviour]] = {
    one.name: one
    for one in (
        Behaviour,
        Offline,
        NotNow,
        CorruptResults,
        WrongClock,
        DuplicateResults,
        DisconnectsMidConversation,
        ErasedByHand,
        ErasedAndReEnrolled,
        RenewsCertificate,
        SlowSender,
        LockedAfterRestart,
    )
}
MIXED_CLASS = {"normal": 70} | {name: 3 for name in BEHAVIOURS if name not in {"normal", "erased"}} | {"erased": 1}
"""How many of a hundred tablets of a mixed class do what."""


def parse_behaviour(text: str) -> Behaviour:
    """`name` or `name:number`. Raises `SimulatorError` for what is neither."""
    name, colon, number = text.partition(":")
    try:
        return BEHAVIOURS[name](float(number) if colon else None)
    except (KeyError, ValueError) as error:
        raise SimulatorError(
            f"no behaviour {text!r}; there are {', '.join(BEHAVIOURS)}, with :number behind if wanted"
        ) from error


def choose_behaviour(seed: object, index: int) -> Behaviour:
    """The behaviour of one tablet of a mixed class."""
    return parse_behaviour(seeded_random("behaviour", seed, index).choices(list(MIXED_CLASS), list(MIXED_CLASS.values()))[0])
