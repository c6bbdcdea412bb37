"""Enrolls a tablet and ends its enrollment: renewal, erasing, and the actions after a command result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from simulator import declarative
from simulator.channel import MdmChannel, MessageFormat
from simulator.device import DeferredAction, DeviceState, InstalledProfile, MdmEnrollment
from simulator.errors import InvalidProfile, SimulatorError
from simulator.network import Network
from simulator.profile import ConfigurationProfile, fetch_profile, parse_profile
from simulator.push_listener import PushListener


class EnrollmentLifecycle:
    """The enrollment of one device from its start to its end.

    `on_push` is called with the magic of each push, `drops_new_identity` before a new identity is used.
    """

    def __init__(
        self,
        device: DeviceState,
        network: Network,
        message_format: MessageFormat,
        push_listener: PushListener | None,
        on_push: Callable[[str], None],
        drops_new_identity: Callable[[], bool],
    ) -> None:
        self._device = device
        self._network = network
        self._push_listener = push_listener
        self._on_push = on_push
        self._drops_new_identity = drops_new_identity
        self.channel = MdmChannel(device, network.get_connection, message_format)
        self.enrolled_at = 0.0
        """The time of the event loop's clock at enrolment."""

    async def enrol(self, invitation_url: str, enrolment_profile: bytes | None, *, awaiting: bool = False) -> None:
        """Enrol: profile, identity, Authenticate, TokenUpdate. Raises any `SimulatorError`; the tablet is then not enrolled."""
        self.stop_listening()
        self._device.remove_mdm_profile()
        await self._network.disconnect()  # the profile is fetched with the trusted roots of a tablet without a profile
        if enrolment_profile is None:
            profile = await fetch_profile(self._network.get_connection(), f"{invitation_url}/profile")
        else:
            profile = parse_profile(enrolment_profile)
        self._device.check_readable(profile)
        mdm = profile.mdm_settings
        if mdm is None:
            raise InvalidProfile("there is no MDM payload in the profile")
        await self._network.disconnect()
        identity = await self._network.obtain_identity(profile)
        self._device.enrollment = MdmEnrollment(mdm, identity, profile)
        self._device.profiles[profile.identifier] = InstalledProfile(profile)
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
        """Remove the MDM profile, after one attempt of CheckOut if the profile asks for it."""
        if self.channel.enrollment.mdm_settings.check_out:
            await self.channel.send_check_out()
        self.stop_listening()
        self._device.remove_mdm_profile()

    async def erase(self) -> None:
        """Erase the tablet without telling the server."""
        self.stop_listening()
        self._device.reset_to_factory()
        await self._network.disconnect()

    async def restart(self) -> None:
        """Switch the tablet off and on."""
        await self._network.disconnect()
        self._device.restart()

    async def obtain_identity(self, profile: ConfigurationProfile) -> None:
        """Obtain the identity that an updated MDM profile names; it is used later. Raises `SimulatorError`."""
        enrolment = self.channel.enrollment
        enrolment.next_identity = await self._network.obtain_identity(profile)
        enrolment.next_profile = profile

    async def renew(self) -> None:
        """Renew the certificate by RenewalReq and use it at once. Raises `SimulatorError`."""
        enrolment = self.channel.enrollment
        enrolment.next_identity = await self._network.obtain_identity(enrolment.profile, enrolment.identity)
        await self._use_next_identity()

    async def run_deferred_actions(self) -> tuple[bool, list[str]]:
        """Run the deferred actions of the last command; return whether they end the conversation, and what failed."""
        ends_conversation = False
        failures: list[str] = []
        actions, self._device.deferred_actions = self._device.deferred_actions, []
        for action in actions:
            try:
                ends_conversation |= await self._run_action(action)
            except SimulatorError as error:
                failures.append(f"{action}: {error}")
        return ends_conversation, failures

    def start_listening(self) -> None:
        """Start to receive pushes for the tablet's token."""
        if self._push_listener is not None and self._device.push_token:
            self._push_listener.listen(self._device.push_token, self._on_push)

    def stop_listening(self) -> None:
        """Stop receiving pushes."""
        if self._push_listener is not None:
            self._push_listener.stop_listening(self._device.push_token)

    async def _run_action(self, action: DeferredAction) -> bool:
        match action:
            case DeferredAction.NEW_IDENTITY:
                await self._use_next_identity()
                return False
            case DeferredAction.DECLARATIONS:
                await declarative.synchronise_declarations(self.channel)
                return False
            case DeferredAction.ERASE:
                return_to_service_profile, self._device.return_to_service = self._device.return_to_service, None
                await self.erase()
                if return_to_service_profile:
                    await self.enrol("", return_to_service_profile)
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
        if self._drops_new_identity():
            enrolment.next_identity = enrolment.next_profile = None
            return
        enrolment.identity, enrolment.next_identity = enrolment.next_identity, None
        if enrolment.next_profile is not None and enrolment.next_profile.mdm_settings is not None:
            enrolment.profile, enrolment.mdm_settings = enrolment.next_profile, enrolment.next_profile.mdm_settings
            enrolment.next_profile = None
        await self.channel.send_token_update()
