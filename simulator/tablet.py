"""The simulated tablet that tests and fleets use. Enrolling is in `membership`, conversations are in `conversation`."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from simulator import reach, reporting, system_updates, web_shortcuts
from simulator.attestation import Attester
from simulator.behaviour_base import Behaviour
from simulator.behaviours import parse_behaviour
from simulator.channel import MdmChannel, MessageFormat
from simulator.commands.base import ResultStatus
from simulator.commands.restrictions import compute_effective_restrictions
from simulator.conversation import ConversationEnding, ConversationLog, ConversationRunner
from simulator.device import DeviceState, LostMode, SimulatedAppState
from simulator.doh import NameAnswer
from simulator.enrollment import EnrollmentLifecycle
from simulator.errors import Disconnected, SimulatedTabletNotEnrolled, UnexpectedResponse
from simulator.hardware import Hardware
from simulator.http_connection import HttpConnection
from simulator.identity import Identity, KeySource, generate_key
from simulator.network import ConnectionFactory, Network
from simulator.profile import ConfigurationProfile
from simulator.push_listener import PushListener
from simulator.store import AppStore

_numbers = itertools.count(1)


class SimulatedTablet:
    """An iPad that connects to a server over real HTTPS. Use it with `async with`.

    `base_url` and `code` make the invitation's URL; `code` may also be a complete URL. `ca` (PEM or a PEM file) is what the
    tablet trusts before it has a profile, by default the machine's roots; with a profile it trusts only the roots in it, if
    there are any. `pace` multiplies every wait. `on_request_duration` is called with the seconds of each request. `attester`
    attests keys, as Apple does for newer chips; without one the tablet cannot attest. `addresses`: where host names lead that the
    machine's own DNS does not know. `connect` makes its connections.
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
        push_listener: PushListener | None = None,
        keys: KeySource = generate_key,
        store: AppStore | None = None,
        pace: float = 1.0,
        on_request_duration: Callable[[float], None] | None = None,
        attester: Attester | None = None,
        addresses: Mapping[str, str] | None = None,
        connect: ConnectionFactory = HttpConnection,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.code = code
        self.pace = pace
        self.behaviour = parse_behaviour(behaviour) if isinstance(behaviour, str) else behaviour
        self.device = device or DeviceState(hardware or Hardware.from_seed("tablet", next(_numbers)))
        if store is not None:
            self.device.store = store
        self.device.clock.offset = self.behaviour.clock_error
        self.network = Network(
            self.device, ca, dialect=dialect, keys=keys, pace=pace, on_request_duration=on_request_duration, attester=attester,
            addresses=addresses, connect=connect,
        )  # fmt: skip
        self.network.mid_request_pause = self.behaviour.mid_request_pause * pace
        self.history: deque[ConversationLog] = deque(maxlen=200)
        self.ignored_pushes = 0
        self.push_received = asyncio.Event()
        self._lifecycle = EnrollmentLifecycle(
            self.device,
            self.network,
            message_format or MessageFormat(),
            push_listener,
            self.receive_push,
            self.behaviour.drops_new_identity,
        )
        self._lifecycle.channel.declarative_habits = self.behaviour
        self._lifecycle.start_listening()
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection and stop receiving pushes. The state is kept."""
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
        return {key: installed.profile for key, installed in self.device.profiles.items()}

    @property
    def apps(self) -> Mapping[str, SimulatedAppState]:
        """The state of each app now, by bundle identifier."""
        now = self.device.clock.now()
        return {key: app.get_state(now) for key, app in self.device.apps.items()}

    @property
    def restrictions(self) -> Mapping[str, object]:
        """The restrictions that apply on the tablet, by key."""
        return compute_effective_restrictions(self.device)

    @property
    def mode(self) -> str | None:
        """The mode that its declarations name."""
        items = self.device.declarations.get("items", {})
        modes = [
            declaration["Payload"].get("mode")
            for declaration in items.values()
            if declaration["Type"] == "com.apple.management.properties"
        ]
        return str(modes[0]) if modes else None

    @property
    def channel(self) -> MdmChannel:
        """The MDM channel, to send messages outside of a conversation."""
        return self._lifecycle.channel

    @property
    def identity(self) -> Identity:
        """Raises `NotEnrolled`."""
        return self.channel.enrollment.identity

    @property
    def invitation_url(self) -> str:
        """The URL of the invitation's landing page."""
        return self.code if self.code.startswith("https://") else f"{self.base_url}/join/{self.code}"

    @property
    def is_online(self) -> bool:
        """Whether the tablet is switched on and on the network."""
        since = asyncio.get_running_loop().time() - self._lifecycle.enrolled_at
        return self.device.powered and self.behaviour.is_online(since) and not self.is_cut_off

    @property
    def is_cut_off(self) -> bool:
        """Whether the rules on the tablet keep it from every network. Profiles whose time is over are removed first."""
        reach.remove_expired_profiles(self.device)
        return reach.is_cut_off(self.device)

    async def open_invitation(self) -> str:
        """Return the invitation's landing page. Raises `UnexpectedResponse`."""
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
        """Remove the MDM profile by hand; CheckOut is sent if the profile asks for it."""
        async with self._lock:
            await self._lifecycle.leave_management()

    async def erase(self) -> None:
        """Erase the tablet by hand; nothing is sent to the server."""
        async with self._lock:
            await self._lifecycle.erase()

    async def renew_certificate(self) -> None:
        """Renew the certificate by RenewalReq and use the new one. Raises `SimulatorError`."""
        async with self._lock:
            await self._lifecycle.renew()

    async def restart(self) -> None:
        """Switch the tablet off and on; one with a passcode is locked afterwards."""
        async with self._lock:
            await self._lifecycle.restart()

    def unlock(self) -> None:
        """Enter the passcode."""
        self.device.unlocked = True
        self.behaviour.on_unlocked()

    def receive_push(self, magic: str) -> None:
        """Receive a push. One with a wrong magic is ignored and counted; one that comes while it is cut off is lost."""
        if self.is_cut_off:
            return
        if magic == self.device.push_magic:
            self.push_received.set()
        else:
            self.ignored_pushes += 1

    async def poll(self) -> ConversationLog:
        """Run one conversation to its end and return its log. Cut off by its own rules, it sends nothing.

        Raises `SimulatedTabletNotEnrolled`, and errors of what the behaviour does afterwards.
        """
        async with self._lock:
            if not self.device.powered or not self.is_enrolled:
                raise SimulatedTabletNotEnrolled(f"{self.serial} is switched off or has no MDM profile")
            has_new_system = system_updates.install_due_update(self.device)
            runner = ConversationRunner(self.channel, self.behaviour, self)
            log = runner.log
            if self.is_cut_off:
                log.ending = ConversationEnding.NO_NETWORK
                self.history.append(log)
                return log
            try:
                if has_new_system:
                    await reporting.send_status_report(self.channel)
                await self._run_conversation(runner)
            except Disconnected as error:
                log.ending = ConversationEnding.SERVER_ERROR
                log.anomalies.append(str(error))
            self.history.append(log)
            if log.ending is ConversationEnding.UNENROLLED:
                self._lifecycle.stop_listening()
                self.device.remove_mdm_profile()
            if log.ending is ConversationEnding.VANISHED:
                await self.network.disconnect()
        if log.ending in {ConversationEnding.DONE, ConversationEnding.NOT_NOW}:
            await self.behaviour.after_conversation(self)
        return log

    async def poll_on_push(self, within: float = 10) -> ConversationLog:
        """Wait for a push, at most `within` seconds, then poll. Raises `TimeoutError`."""
        async with asyncio.timeout(within):
            await self.push_received.wait()
        self.push_received.clear()
        return await self.poll()

    async def report_declarations(self) -> None:
        """Send a status report if something has changed since the last one, as a tablet does on its own."""
        if self.is_cut_off:
            return
        async with self._lock:
            await reporting.send_status_report(self.channel)

    async def fetch(self, url: str) -> bytes:
        """Return what is at a URL, for commands."""
        return await self.network.fetch(url)

    async def open_web_shortcut(self, url: str) -> str:
        """Return the page of a web shortcut as a person opens it. Raises `UnexpectedResponse`, `ShortcutClosed`."""
        web_shortcuts.require_openable(self.device, url)
        reply = await self.network.get_connection().request("GET", url, {"Accept-Language": "fr-FR,fr;q=0.9"})
        if reply.status != 200:
            raise UnexpectedResponse("the page of a web shortcut", reply.status, reply.body)
        return reply.body.decode()

    async def resolve_name(self, name: str, kind: str = "A") -> NameAnswer:
        """Return what the DNS service that holds on the tablet answers. Raises `ResolverAway`."""
        return await self.network.resolve_name(name, kind)

    async def obtain_identity(self, profile: ConfigurationProfile) -> None:
        """Obtain the identity of an updated MDM profile, for commands."""
        await self._lifecycle.obtain_identity(profile)

    async def _run_conversation(self, runner: ConversationRunner) -> None:
        command = await runner.send_status(ResultStatus.IDLE)
        while command is not None:
            status, uuid, body = await runner.execute_command(command)
            try:
                command = await runner.send_status(status, uuid, body)
            finally:  # a tablet that was told to erase itself does so, whether or not it hears that its result has arrived
                over, wrong = await self._lifecycle.run_deferred_actions()
                runner.log.anomalies += wrong
            if over:
                runner.log.ending = ConversationEnding.LEFT
                return
