"""How tablets misbehave: one small class for each behaviour. To add one, subclass `Behaviour` and list it in `BEHAVIOURS`.

What tablets refuse, and how they misreport declarations, is in `refusing.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from simulator.behaviour_base import BehavingTablet, Behaviour, Disconnection
from simulator.commands import NEEDS_UNLOCK, NEVER_NOT_NOW
from simulator.errors import SimulatorError
from simulator.randomness import make_seeded_random
from simulator.refusing import (
    CannotApply,
    LateFetches,
    PartialReports,
    RefusesApps,
    RefusesLostMode,
    RefusesProfiles,
    RefusesRemoval,
    ReportsProgressFirst,
)


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
            b"\x00\xff" + make_seeded_random(len(body)).randbytes(64),
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
        b"<data>A</data>",
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
        RefusesProfiles,
        RefusesRemoval,
        RefusesLostMode,
        RefusesApps,
        ReportsProgressFirst,
        CannotApply,
        PartialReports,
        LateFetches,
    )
}
_RARE = (
    "erased",
    "drops_identity",
    "refuses_profiles",
    "refuses_removal",
    "refuses_lost_mode",
    "refuses_apps",
    "in_progress",
    "invalid",
    "partial_reports",
    "late_fetches",
)
MIXED_CLASS = {"normal": 58} | {name: 1 if name in _RARE else 3 for name in BEHAVIOURS if name != "normal"}
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
    return parse_behaviour(make_seeded_random("behaviour", seed, index).choices(list(MIXED_CLASS), list(MIXED_CLASS.values()))[0])
