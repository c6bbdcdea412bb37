"""One simulated tablet, whole, as tests and fleets use it. Joining is in `membership`, talking in `conversation`."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from simulator.attestation import Attester
from simulator.behaviours import Behaviour, behaviour
from simulator.channel import Channel, Habits
from simulator.commands.base import Status
from simulator.commands.restrictions import effective
from simulator.conversation import Conversation, Ending, Talk
from simulator.device import AppState, Device, LostMode
from simulator.errors import Disconnected, NotEnrolled, ServerRefused
from simulator.hardware import Hardware
from simulator.identity import Identity, KeySource, fresh_key
from simulator.membership import Membership
from simulator.network import Network
from simulator.profile import Profile
from simulator.store import AppStore
from simulator.wakeup import Wakeup

_numbers = itertools.count(1)


class SimulatedTablet:
    """An iPad that speaks to a server over real HTTPS. Use it with `async with`.

    `base_url` and `code` make the invitation's address (a whole address as `code` will do). `ca` (PEM, or a file of it)
    is what the tablet trusts before it has a profile, the machine's own roots when absent; afterwards it trusts the
    roots that came with its profile, and only those if there are any. `pace` multiplies every wait. `heard` is told the
    seconds of each request. `attester` attests its keys, as Apple does for newer chips; without one it cannot attest.
    """

    def __init__(
        self,
        base_url: str = "",
        code: str = "",
        *,
        ca: bytes | Path | None = None,
        hardware: Hardware | None = None,
        device: Device | None = None,
        doing: Behaviour | str = "normal",
        habits: Habits | None = None,
        dialect: str = "aes",
        wakeup: Wakeup | None = None,
        keys: KeySource = fresh_key,
        store: AppStore | None = None,
        pace: float = 1.0,
        heard: Callable[[float], None] | None = None,
        attester: Attester | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.code = code
        self.pace = pace
        self.behaviour = behaviour(doing) if isinstance(doing, str) else doing
        self.device = device or Device(hardware or Hardware.made_from("tablet", next(_numbers)))
        if store is not None:
            self.device.store = store
        self.device.clock.offset = self.behaviour.clock_error
        self.network = Network(self.device, ca, dialect=dialect, keys=keys, pace=pace, heard=heard, attester=attester)
        self.network.pause = self.behaviour.pause * pace
        self.history: deque[Conversation] = deque(maxlen=200)
        self.ignored_pushes = 0
        self.woken = asyncio.Event()
        self._membership = Membership(self.device, self.network, habits or Habits(), wakeup, self.pushed)
        self._membership.listen()
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection and stop hearing pushes. The state stays."""
        self._membership.silence()
        await self.network.hang_up()

    @property
    def serial(self) -> str:
        return self.device.hardware.serial

    @property
    def udid(self) -> str:
        return self.device.hardware.udid

    @property
    def enrolled(self) -> bool:
        return self.device.enrolment is not None

    @property
    def erased(self) -> bool:
        return self.device.erased

    @property
    def lost(self) -> LostMode | None:
        return self.device.lost

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """Installed profiles by identifier, the enrolment profile included."""
        return {key: one.profile for key, one in self.device.profiles.items()}

    @property
    def apps(self) -> Mapping[str, AppState]:
        """Where each app stands now, by bundle identifier."""
        now = self.device.clock.now()
        return {key: app.state(now) for key, app in self.device.apps.items()}

    @property
    def restrictions(self) -> Mapping[str, object]:
        """What holds on it, setting by setting."""
        return effective(self.device)

    @property
    def mode(self) -> str | None:
        """The mode that its declarations say it is in."""
        items = self.device.declarations.get("items", {})
        found = [each["Payload"].get("mode") for each in items.values() if each["Type"] == "com.apple.management.properties"]
        return str(found[0]) if found else None

    @property
    def channel(self) -> Channel:
        """For messages that no conversation sends."""
        return self._membership.channel

    @property
    def identity(self) -> Identity:
        """Raises `NotEnrolled`."""
        return self.channel.enrolment.identity

    @property
    def invitation_url(self) -> str:
        """Where the landing page is."""
        return self.code if self.code.startswith("https://") else f"{self.base_url}/join/{self.code}"

    @property
    def awake(self) -> bool:
        """Whether it is switched on and on the network."""
        since = asyncio.get_running_loop().time() - self._membership.since
        return self.device.powered and self.behaviour.awake(since)

    async def open_invitation(self) -> str:
        """The landing page as a child sees it. Raises `ServerRefused`."""
        reply = await self.network.wire().request("GET", self.invitation_url, {"Accept-Language": "fr-FR,fr;q=0.9"})
        if reply.status != 200:
            raise ServerRefused("the invitation", reply.status, reply.body)
        return reply.body.decode()

    async def enrol(self, enrolment_profile: bytes | None = None, *, awaiting_configuration: bool = False) -> None:
        """Fetch the profile of the invitation (or take the one given), get an identity, Authenticate, TokenUpdate.

        `awaiting_configuration`: it is in the Setup Assistant and waits there for DeviceConfigured.

        Raises `ServerRefused`, `BadProfile`, `ScepFailed`, `AcmeFailed`, `Disconnected`; the tablet is then not enrolled.
        """
        async with self._lock:
            await self._membership.enrol(self.invitation_url, enrolment_profile, awaiting=awaiting_configuration)

    async def remove_management(self) -> None:
        """A person removes the MDM profile; CheckOut follows if the profile asks for it."""
        async with self._lock:
            await self._membership.leave()

    async def erase(self) -> None:
        """Somebody erases it by hand: silence."""
        async with self._lock:
            await self._membership.erase()

    async def renew(self) -> None:
        """Ask for a new certificate with the old one (RenewalReq), and use it from then on. Raises `SimulatorError`."""
        async with self._lock:
            await self._membership.renew()

    async def restart(self) -> None:
        """Switch off and on; a tablet with a passcode is locked afterwards."""
        async with self._lock:
            await self._membership.restart()

    def unlock(self) -> None:
        """Somebody types the passcode."""
        self.device.unlocked = True
        self.behaviour.unlocked()

    def pushed(self, magic: str) -> None:
        """A push arrived. One with a wrong magic is ignored."""
        if magic == self.device.push_magic:
            self.woken.set()
        else:
            self.ignored_pushes += 1

    async def poll(self) -> Conversation:
        """One conversation to its end. Raises `NotEnrolled`, and what a behaviour's own acts raise."""
        async with self._lock:
            if not self.device.powered or not self.enrolled:
                raise NotEnrolled(f"{self.serial} is switched off or has no MDM profile")
            talk = Talk(self.channel, self.behaviour, self)
            told = talk.told
            try:
                await self._converse(talk)
            except Disconnected as error:
                told.ending = Ending.SERVER_TROUBLE
                told.surprises.append(str(error))
            self.history.append(told)
            if told.ending is Ending.UNENROLLED:
                self._membership.silence()
                self.device.leave()
            if told.ending is Ending.DIED:
                await self.network.hang_up()
        if told.ending in {Ending.DONE, Ending.NOT_NOW}:
            await self.behaviour.after_conversation(self)
        return told

    async def poll_when_woken(self, within: float = 10) -> Conversation:
        """Wait for a push, `within` seconds at most, then poll. Raises `TimeoutError`."""
        async with asyncio.timeout(within):
            await self.woken.wait()
        self.woken.clear()
        return await self.poll()

    async def fetch(self, url: str) -> bytes:
        """For commands: what is at an address."""
        return await self.network.fetch(url)

    async def obtain_identity(self, found: Profile) -> None:
        """For commands: the identity of an updated MDM profile."""
        await self._membership.obtain_identity(found)

    async def _converse(self, talk: Talk) -> None:
        command = await talk.say(Status.IDLE)
        while command is not None:
            status, uuid, body = await talk.answer(command)
            command = await talk.say(status, uuid, body)
            over, wrong = await self._membership.after_answer()
            talk.told.surprises += wrong
            if over:
                talk.told.ending = Ending.LEFT
                return
