"""How tablets misbehave, one small class each. A behaviour is asked by the tablet and the conversation; it sends nothing itself."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Protocol

from simulator.chance import drawn_from
from simulator.commands import LOCKED, NEVER_NOT_NOW
from simulator.errors import SimulatorError


class Death(StrEnum):
    """Where in a conversation a tablet vanishes."""

    BEFORE_ANSWER = "before its answer"
    AFTER_ANSWER = "after its answer, before the reply"


class Owner(Protocol):
    """What a behaviour may do to its tablet."""

    async def erase(self) -> None: ...

    async def enrol(self) -> None: ...

    async def renew(self) -> None: ...


class Behaviour:
    """A well-behaved tablet; the others change one thing each."""

    name: ClassVar[str] = "normal"
    pause: float = 0.0
    """Seconds between the halves of a request."""
    repeats: int = 1
    """How often each answer is sent."""
    clock_error: timedelta = timedelta(0)

    def __init__(self, argument: float | None = None) -> None:
        self.argument = argument

    def awake(self, since_enrolment: float) -> bool:
        """Whether it is on the network, `since_enrolment` seconds after it enrolled."""
        return True

    def not_now(self, request_type: str) -> bool:
        """Whether to put this command off."""
        return False

    def garbled(self, body: bytes) -> bytes:
        """An answer as it leaves the tablet."""
        return body

    def dies(self) -> Death | None:
        """Whether to vanish at this command."""
        return None

    def unlocked(self) -> None:
        """Called when somebody types the passcode."""

    async def after_conversation(self, tablet: Owner) -> None:
        """Called when the server has nothing more to say."""

    def text(self) -> str:
        """What `behaviour` reads again."""
        return self.name if self.argument is None else f"{self.name}:{self.argument:g}"


class Offline(Behaviour):
    """Out of reach for `argument` seconds after enrolment; pushes wait for it as APNs keeps them."""

    name = "offline"

    def awake(self, since_enrolment: float) -> bool:
        return since_enrolment >= (30 if self.argument is None else self.argument)


class NotNow(Behaviour):
    """Puts off the next `argument` commands that may be put off."""

    name = "not_now"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.left = 2 if argument is None else int(argument)

    def not_now(self, request_type: str) -> bool:
        if self.left <= 0 or request_type in NEVER_NOT_NOW:
            return False
        self.left -= 1
        return True


class Garbage(Behaviour):
    """Garbles `argument` answers, each in another way: cut short, not XML, empty, a list, without CommandUUID."""

    name = "garbage"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.left = 2 if argument is None else int(argument)

    def garbled(self, body: bytes) -> bytes:
        if self.left <= 0:
            return body
        self.left -= 1
        ways = (
            body[: len(body) // 2],
            b"\x00\xff" + drawn_from(len(body)).randbytes(64),
            b"",
            b"<plist><array/></plist>",
            body.replace(b"CommandUUID", b"CommandUU1D"),
        )
        return ways[self.left % len(ways)]


class WrongClock(Behaviour):
    """A clock that is `argument` seconds off (an hour ahead by default; negative is behind)."""

    name = "wrong_clock"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.clock_error = timedelta(seconds=3600 if argument is None else argument)


class DuplicateAnswers(Behaviour):
    """Sends each answer `argument` times, as after a reply that was lost."""

    name = "duplicate_answers"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.repeats = 2 if argument is None else int(argument)


class DiesMidConversation(Behaviour):
    """Vanishes `argument` times in the middle of a conversation, in turns before and after its answer."""

    name = "dies_mid_conversation"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.left = 2 if argument is None else int(argument)

    def dies(self) -> Death | None:
        if self.left <= 0:
            return None
        self.left -= 1
        return Death.BEFORE_ANSWER if self.left % 2 else Death.AFTER_ANSWER


class Erased(Behaviour):
    """Somebody erases it by hand after `argument` conversations: it falls silent, without CheckOut."""

    name = "erased"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.left = 2 if argument is None else int(argument)

    async def after_conversation(self, tablet: Owner) -> None:
        self.left -= 1
        if self.left == 0:
            await tablet.erase()


class ReEnrols(Erased):
    """Erased, and enrolled once more with the same invitation: a new generation of the same tablet."""

    name = "re_enrols"

    async def after_conversation(self, tablet: Owner) -> None:
        await super().after_conversation(tablet)
        if self.left == 0:
            await tablet.enrol()


class Renews(Behaviour):
    """Asks for a new certificate by RenewalReq after `argument` conversations."""

    name = "renews"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.left = 1 if argument is None else int(argument)

    async def after_conversation(self, tablet: Owner) -> None:
        self.left -= 1
        if self.left == 0:
            await tablet.renew()


class Slow(Behaviour):
    """Pauses `argument` seconds in the middle of each request."""

    name = "slow"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.pause = 1.0 if argument is None else argument


class Locked(Behaviour):
    """Restarted and not yet unlocked: NotNow to what needs the passcode, until `tablet.unlock()` or `argument` answers."""

    name = "locked"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.left = 3 if argument is None else int(argument)

    def not_now(self, request_type: str) -> bool:
        if request_type not in LOCKED or self.left <= 0:
            return False
        self.left -= 1
        return True

    def unlocked(self) -> None:
        self.left = 0


BEHAVIOURS: dict[str, type[Behaviour]] = {
    one.name: one
    for one in (
        Behaviour,
        Offline,
        NotNow,
        Garbage,
        WrongClock,
        DuplicateAnswers,
        DiesMidConversation,
        Erased,
        ReEnrols,
        Renews,
        Slow,
        Locked,
    )
}
MIX = {"normal": 70} | {name: 3 for name in BEHAVIOURS if name not in {"normal", "erased"}} | {"erased": 1}
"""How many of a hundred tablets of a mixed class do what."""


def behaviour(text: str) -> Behaviour:
    """`name` or `name:number`. Raises `SimulatorError` for what is neither."""
    name, colon, number = text.partition(":")
    try:
        return BEHAVIOURS[name](float(number) if colon else None)
    except (KeyError, ValueError) as error:
        raise SimulatorError(
            f"no behaviour {text!r}; there are {', '.join(BEHAVIOURS)}, with :number behind if wanted"
        ) from error


def drawn(seed: object, index: int) -> Behaviour:
    """The behaviour of one tablet of a mixed class."""
    return behaviour(drawn_from("behaviour", seed, index).choices(list(MIX), list(MIX.values()))[0])
