"""Joining and leaving: enrolment, renewal, erasing, and what a tablet does once an answer has left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from simulator import declarative, profile
from simulator.channel import MdmChannel, MessageFormat
from simulator.device import DeferredAction, DeviceState, MdmEnrollment, InstalledProfile
from simulator.errors import InvalidProfile, SimulatorError
from simulator.network import Network
from simulator.profile import ConfigurationProfile
from simulator.wakeup import PushListener


class EnrollmentLifecycle:
    """The enrolment of one device. `pushed` hears its pushes."""

    def __init__(
        self, device: DeviceState, network: Network, message_format: MessageFormat, wakeup: PushListener | None, on_push: Callable[[str], None]
    ) -> None:
        self._device = device
        self._network = network
        self._wakeup = wakeup
        self._on_push = on_push
        self.channel = MdmChannel(device, network.get_connection, message_format)
        self.enrolled_at = 0.0
        """The event loop's time at enrolment."""

    async def enrol(self, invitation_url: str, enrolment_profile: bytes | None, *, awaiting: bool = False) -> None:
        """Profile, identity, Authenticate, TokenUpdate. Raises any `SimulatorError`; the tablet is then not enrolled."""
        self.stop_listening()
        self._device.remove_mdm_profile()
        await self._network.disconnect()  # the profile is fetched with the trust of a tablet that has none
        if enrolment_profile is None:
            found = await profile.fetch_profile(self._network.get_connection(), f"{invitation_url}/profile")
        else:
            found = profile.parse_profile(enrolment_profile)
        mdm = found.mdm_settings
        if mdm is None:
            raise InvalidProfile("there is no MDM payload in the profile")
        await self._network.disconnect()
        identity = await self._network.obtain_identity(found)
        self._device.enrollment = MdmEnrollment(mdm, identity, found)
        self._device.profiles[found.identifier] = InstalledProfile(found)
        self._device.erased = False
        self._device.awaiting_configuration = awaiting
        self._device.renew_push_address()
        try:
            await self.channel.send_authenticate()
            await self.channel.send_token_update()
        except SimulatorError:
            self._device.remove_mdm_profile()
            raise
        self.enrolled_at = asyncio.get_running_loop().time()
        self.start_listening()

    async def leave_management(self) -> None:
        """The MDM profile goes; CheckOut is tried once if the profile asks for it."""
        if self.channel.enrollment.mdm_settings.check_out:
            await self.channel.send_check_out()
        self.stop_listening()
        self._device.remove_mdm_profile()

    async def erase(self) -> None:
        """Everything goes, without a word."""
        self.stop_listening()
        self._device.reset_to_factory()
        await self._network.disconnect()

    async def restart(self) -> None:
        """Off and on."""
        await self._network.disconnect()
        self._device.restart()

    async def obtain_identity(self, found: ConfigurationProfile) -> None:
        """The identity of an updated MDM profile. Raises `SimulatorError`."""
        enrolment = self.channel.enrollment
        enrolment.next_identity = await self._network.obtain_identity(found)
        enrolment.next_profile = found

    async def renew(self) -> None:
        """A new certificate by RenewalReq, used at once. Raises `SimulatorError`."""
        enrolment = self.channel.enrollment
        enrolment.next_identity = await self._network.obtain_identity(enrolment.profile, enrolment.identity)
        await self._use_next_identity()

    async def run_deferred_actions(self) -> tuple[bool, list[str]]:
        """Do what the last answers promised: whether that ends the conversation, and what went wrong."""
        over = False
        wrong: list[str] = []
        waiting, self._device.deferred_actions = self._device.deferred_actions, []
        for what in waiting:
            try:
                over |= await self._run_action(what)
            except SimulatorError as error:
                wrong.append(f"{what}: {error}")
        return over, wrong

    def start_listening(self) -> None:
        """Hear pushes for the tablet's token."""
        if self._wakeup is not None and self._device.push_token:
            self._wakeup.listen(self._device.push_token, self._on_push)

    def stop_listening(self) -> None:
        """Hear no more pushes."""
        if self._wakeup is not None:
            self._wakeup.stop_listening(self._device.push_token)

    async def _run_action(self, what: DeferredAction) -> bool:
        match what:
            case DeferredAction.NEW_IDENTITY:
                await self._use_next_identity()
                return False
            case DeferredAction.DECLARATIONS:
                await declarative.synchronise_declarations(self.channel)
                return False
            case DeferredAction.ERASE:
                again, self._device.return_to_service = self._device.return_to_service, None
                await self.erase()
                if again:
                    await self.enrol("", again)
            case DeferredAction.LEAVE:
                await self.leave_management()
            case DeferredAction.RESTART:
                await self.restart()
            case DeferredAction.SHUT_DOWN:
                self._device.powered = False
                await self._network.disconnect()
        return True

    async def _use_next_identity(self) -> None:
        enrolment = self.channel.enrollment
        if enrolment.next_identity is None:
            return
        enrolment.identity, enrolment.next_identity = enrolment.next_identity, None
        if enrolment.next_profile is not None and enrolment.next_profile.mdm_settings is not None:
            enrolment.profile, enrolment.mdm_settings = enrolment.next_profile, enrolment.next_profile.mdm_settings
            enrolment.next_profile = None
        await self.channel.send_token_update()
