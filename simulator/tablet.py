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
from simulator.behaviours import Behaviour, parse_behaviour
from simulator.channel import MdmChannel, MessageFormat
from simulator.commands.base import CommandStatus
from simulator.commands.restrictions import compute_effective_restrictions
from simulator.conversation import ConversationLog, ConversationEnding, ConversationRunner
from simulator.device import SimulatedAppState, DeviceState, LostMode
from simulator.errors import Disconnected, TabletNotEnrolled, UnexpectedResponse
from simulator.hardware import Hardware
from simulator.identity import Identity, KeySource, generate_key
from simulator.membership import EnrollmentLifecycle
from simulator.network import Network
from simulator.profile import ConfigurationProfile
from simulator.store import AppStore
from simulator.wakeup import PushListener

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
        device: DeviceState | None = None,
        behaviour: Behaviour | str = "normal",
        message_format: MessageFormat | None = None,
        dialect: str = "aes",
        wakeup: PushListener | None = None,
        keys: KeySource = generate_key,
        store: AppStore | None = None,
        pace: float = 1.0,
        on_request_duration: Callable[[float], None] | None = None,
        attester: Attester | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.code = code
        self.pace = pace
        self.behaviour = parse_behaviour(behaviour) if isinstance(behaviour, str) else behaviour
        self.device = device or DeviceState(hardware or Hardware.from_seed("tablet", next(_numbers)))
        if store is not None:
            self.device.store = store
        self.device.clock.offset = self.behaviour.clock_error
        self.network = Network(self.device, ca, dialect=dialect, keys=keys, pace=pace, on_request_duration=on_request_duration, attester=attester)
        self.network.mid_request_pause = self.behaviour.mid_request_pause * pace
        self.history: deque[ConversationLog] = deque(maxlen=200)
        self.ignored_pushes = 0
        self.push_received = asyncio.Event()
        self._lifecycle = EnrollmentLifecycle(self.device, self.network, message_format or MessageFormat(), wakeup, self.receive_push)
        self._lifecycle.start_listening()
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection and stop hearing pushes. The state stays."""
        self._lifecycle.stop_listening()
        await self.network.disconnect()

    @property
    def serial(self) -> str:
        return self.device.hardware.serial

    @property
    def udid(self) -> str:
        return self.device.hardware.udid

    @property
    def is_enrolled(self) -> bool:
        return self.device.enrollment is not None

    @property
    def is_erased(self) -> bool:
        return self.device.erased

    @property
    def lost_mode(self) -> LostMode | None:
        return self.device.lost_mode

    @property
    def profiles(self) -> Mapping[str, ConfigurationProfile]:
        """Installed profiles by identifier, the enrolment profile included."""
        return {key: one.profile for key, one in self.device.profiles.items()}

    @property
    def apps(self) -> Mapping[str, SimulatedAppState]:
        """Where each app stands now, by bundle identifier."""
        now = self.device.clock.now()
        return {key: app.get_state(now) for key, app in self.device.apps.items()}

    @property
    def restrictions(self) -> Mapping[str, object]:
        """What holds on it, setting by setting."""
        return compute_effective_restrictions(self.device)

    @property
    def mode(self) -> str | None:
        """The mode that its declarations say it is in."""
        items = self.device.declarations.get("items", {})
        found = [each["Payload"].get("mode") for each in items.values() if each["Type"] == "com.apple.management.properties"]
        return str(found[0]) if found else None

    @property
    def channel(self) -> MdmChannel:
        """For messages that no conversation sends."""
        return self._lifecycle.channel

    @property
    def identity(self) -> Identity:
        """Raises `NotEnrolled`."""
        return self.channel.enrollment.identity

    @property
    def invitation_url(self) -> str:
        """Where the landing page is."""
        return self.code if self.code.startswith("https://") else f"{self.base_url}/join/{self.code}"

    @property
    def is_online(self) -> bool:
        """Whether it is switched on and on the network."""
        since = asyncio.get_running_loop().time() - self._lifecycle.enrolled_at
        return self.device.powered and self.behaviour.is_online(since)

    async def open_invitation(self) -> str:
        """The landing page as a child sees it. Raises `ServerRefused`."""
        reply = await self.network.get_connection().request("GET", self.invitation_url, {"Accept-Language": "fr-FR,fr;q=0.9"})
        if reply.status != 200:
            raise UnexpectedResponse("the invitation", reply.status, reply.body)
        return reply.body.decode()

    async def enrol(self, enrolment_profile: bytes | None = None, *, awaiting_configuration: bool = False) -> None:
        """Fetch the profile of the invitation (or take the one given), get an identity, Authenticate, TokenUpdate.

        `awaiting_configuration`: it is in the Setup Assistant and waits there for DeviceConfigured.

        Raises `ServerRefused`, `BadProfile`, `ScepFailed`, `AcmeFailed`, `Disconnected`; the tablet is then not enrolled.
        """
        async with self._lock:
            await self._lifecycle.enrol(self.invitation_url, enrolment_profile, awaiting=awaiting_configuration)

    async def remove_management(self) -> None:
        """A person removes the MDM profile; CheckOut follows if the profile asks for it."""
        async with self._lock:
            await self._lifecycle.leave_management()

    async def erase(self) -> None:
        """Somebody erases it by hand: silence."""
        async with self._lock:
            await self._lifecycle.erase()

    async def renew_certificate(self) -> None:
        """Ask for a new certificate with the old one (RenewalReq), and use it from then on. Raises `SimulatorError`."""
        async with self._lock:
            await self._lifecycle.renew()

    async def restart(self) -> None:
        """Switch off and on; a tablet with a passcode is locked afterwards."""
        async with self._lock:
            await self._lifecycle.restart()

    def unlock(self) -> None:
        """Somebody types the passcode."""
        self.device.unlocked = True
        self.behaviour.on_unlocked()

    def receive_push(self, magic: str) -> None:
        """A push arrived. One with a wrong magic is ignored."""
        if magic == self.device.push_magic:
            self.push_received.set()
        else:
            self.ignored_pushes += 1

    async def poll(self) -> ConversationLog:
        """One conversation to its end. Raises `NotEnrolled`, and what a behaviour's own acts raise."""
        async with self._lock:
            if not self.device.powered or not self.is_enrolled:
                raise TabletNotEnrolled(f"{self.serial} is switched off or has no MDM profile")
            talk = ConversationRunner(self.channel, self.behaviour, self)
            told = talk.log
            try:
                await self._run_conversation(talk)
            except Disconnected as error:
                told.ending = ConversationEnding.SERVER_ERROR
                told.anomalies.append(str(error))
            self.history.append(told)
            if told.ending is ConversationEnding.UNENROLLED:
                self._lifecycle.stop_listening()
                self.device.remove_mdm_profile()
            if told.ending is ConversationEnding.VANISHED:
                await self.network.disconnect()
        if told.ending in {ConversationEnding.DONE, ConversationEnding.NOT_NOW}:
            await self.behaviour.after_conversation(self)
        return told

    async def poll_on_push(self, within: float = 10) -> ConversationLog:
        """Wait for a push, `within` seconds at most, then poll. Raises `TimeoutError`."""
        async with asyncio.timeout(within):
            await self.push_received.wait()
        self.push_received.clear()
        return await self.poll()

    async def fetch(self, url: str) -> bytes:
        """For commands: what is at an address."""
        return await self.network.fetch(url)

    async def obtain_identity(self, found: ConfigurationProfile) -> None:
        """For commands: the identity of an updated MDM profile."""
        await self._lifecycle.obtain_identity(found)

    async def _run_conversation(self, talk: ConversationRunner) -> None:
        command = await talk.send_status(CommandStatus.IDLE)
        while command is not None:
            status, uuid, body = await talk.execute_command(command)
            command = await talk.send_status(status, uuid, body)
            over, wrong = await self._lifecycle.run_deferred_actions()
            talk.log.anomalies += wrong
            if over:
                talk.log.ending = ConversationEnding.LEFT
                return
