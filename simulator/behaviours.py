"""How tablets misbehave: one small class for each behaviour. To add one, subclass `Behaviour` and list it in `BEHAVIOURS`.

The tablet and its conversations call the methods of the behaviour at the right moments; a behaviour sends nothing itself.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Protocol

from simulator.commands import NEEDS_UNLOCK, NEVER_NOT_NOW
from simulator.errors import SimulatorError
from simulator.randomness import seeded_random


class Disconnection(StrEnum):
    """At which point of a conversation a tablet disconnects without a word."""

    BEFORE_ANSWER = "before its answer"
    AFTER_ANSWER = "after its answer, before the reply"


class BehavingTablet(Protocol):
    """What a behaviour may do with its tablet."""

    async def erase(self) -> None: ...

    async def enrol(self) -> None: ...

    async def renew_certificate(self) -> None: ...


class Behaviour:
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


class Offline(Behaviour):
    """Not on the network for `argument` seconds after enrolment. APNs keeps its pushes meanwhile."""

    name = "offline"

    def is_online(self, since_enrolment: float) -> bool:
        return since_enrolment >= (30 if self.argument is None else self.argument)


class NotNow(Behaviour):
    """Answers NotNow to the next `argument` commands to which an iPad may answer so."""

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
    """Sends `argument` corrupt command results, each in another way: cut short, not XML, empty, a list, without CommandUUID."""

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


class OddBytes(Behaviour):
    """Puts into its next `argument` results, each time another one, what a strict parser refuses: seen in carrier names and dates."""

    name = "odd_bytes"
    ODDITIES: ClassVar[tuple[bytes, ...]] = (
        b"<string>a\x00\x00</string>",
        b"<string>&#0;</string>",
        b"<string>caf\xe9</string>",
        b"<string>Fish & Chips <3</string>",
        b"<date>0000-12-30T00:00:00Z</date>",
        b"<date>2014-02-23T09:21:06.034Z</date>",
        b"<integer>not a number</integer>",
        b"<data>*</data>",
    )

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = len(self.ODDITIES) if argument is None else int(argument)

    def corrupt_body(self, body: bytes) -> bytes:
        if self.remaining <= 0:
            return body
        self.remaining -= 1
        oddity = self.ODDITIES[self.remaining % len(self.ODDITIES)]
        return body.replace(b"<dict>", b"<dict><key>SimulatedOddity</key>" + oddity, 1)


class WrongClock(Behaviour):
    """Has a clock that is `argument` seconds ahead (by default an hour; negative: behind)."""

    name = "wrong_clock"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.clock_error = timedelta(seconds=3600 if argument is None else argument)


class DuplicateResults(Behaviour):
    """Sends each command result `argument` times, as an iPad does when the response was lost."""

    name = "duplicate_answers"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.result_copies = 2 if argument is None else int(argument)


class DisconnectsMidConversation(Behaviour):
    """Disconnects `argument` times in the middle of a conversation, alternately before and after it sends the result."""

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
    """Is erased by hand after `argument` conversations: it never connects again and sends no CheckOut."""

    name = "erased"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 2 if argument is None else int(argument)

    async def after_conversation(self, tablet: BehavingTablet) -> None:
        self.remaining -= 1
        if self.remaining == 0:
            await tablet.erase()


class ErasedAndReEnrolled(ErasedByHand):
    """Is erased by hand and enrols again with the same invitation: a new enrollment generation of the same tablet."""

    name = "re_enrols"

    async def after_conversation(self, tablet: BehavingTablet) -> None:
        await super().after_conversation(tablet)
        if self.remaining == 0:
            await tablet.enrol()


class RenewsCertificate(Behaviour):
    """Renews its certificate with a SCEP RenewalReq after `argument` conversations."""

    name = "renews"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 1 if argument is None else int(argument)

    async def after_conversation(self, tablet: BehavingTablet) -> None:
        self.remaining -= 1
        if self.remaining == 0:
            await tablet.renew_certificate()


class DropsNewIdentity(Behaviour):
    """Obtains `argument` new certificates and uses none of them: each renewal stops half-way."""

    name = "drops_identity"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 1 if argument is None else int(argument)

    def drops_new_identity(self) -> bool:
        self.remaining -= 1
        return self.remaining >= 0


class SlowSender(Behaviour):
    """Waits `argument` seconds in the middle of each request."""

    name = "slow"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.mid_request_pause = 1.0 if argument is None else argument


class LockedAfterRestart(Behaviour):
    """Was restarted and not unlocked: answers NotNow to commands that need the passcode, `argument` times or until it is unlocked."""

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
    kind.name: kind
    for kind in (
        Behaviour,
        Offline,
        NotNow,
        CorruptResults,
        OddBytes,
        WrongClock,
        DuplicateResults,
        DisconnectsMidConversation,
        ErasedByHand,
        ErasedAndReEnrolled,
        RenewsCertificate,
        DropsNewIdentity,
        SlowSender,
        LockedAfterRestart,
    )
}
_RARE = {"erased": 1, "drops_identity": 1}
MIXED_CLASS = {"normal": 66} | {name: 3 for name in BEHAVIOURS if name != "normal" and name not in _RARE} | _RARE
"""How many of a hundred tablets of a mixed class have each behaviour."""


def parse_behaviour(text: str) -> Behaviour:
    """Return the behaviour for `name` or `name:number`. Raises `SimulatorError` for any other text."""
    name, colon, number = text.partition(":")
    try:
        return BEHAVIOURS[name](float(number) if colon else None)
    except (KeyError, ValueError) as error:
        raise SimulatorError(
            f"unknown behaviour {text!r}; known are {', '.join(BEHAVIOURS)}, each with an optional :number"
        ) from error


def choose_behaviour(seed: object, index: int) -> Behaviour:
    """Choose the behaviour of one tablet of a mixed class; the same seed and index give the same behaviour."""
    return parse_behaviour(seeded_random("behaviour", seed, index).choices(list(MIXED_CLASS), list(MIXED_CLASS.values()))[0])
