"""Joining and leaving: enrolment, renewal, erasing, and what a tablet does once an answer has left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from simulator import declarative, profile
from simulator.channel import Channel, Habits
from simulator.device import AfterAnswer, Device, Enrolment, Installed
from simulator.errors import BadProfile, SimulatorError
from simulator.network import Network
from simulator.profile import Profile
from simulator.wakeup import Wakeup


class Membership:
    """The enrolment of one device. `pushed` hears its pushes."""

    def __init__(
        self, device: Device, network: Network, habits: Habits, wakeup: Wakeup | None, pushed: Callable[[str], None]
    ) -> None:
        self._device = device
        self._network = network
        self._wakeup = wakeup
        self._pushed = pushed
        self.channel = Channel(device, network.wire, habits)
        self.since = 0.0
        """The event loop's time at enrolment."""

    async def enrol(self, invitation_url: str, enrolment_profile: bytes | None, *, awaiting: bool = False) -> None:
        """Profile, identity, Authenticate, TokenUpdate. Raises any `SimulatorError`; the tablet is then not enrolled."""
        self.silence()
        self._device.leave()
        await self._network.hang_up()  # the profile is fetched with the trust of a tablet that has none
        if enrolment_profile is None:
            found = await profile.fetch(self._network.wire(), f"{invitation_url}/profile")
        else:
            found = profile.read(enrolment_profile)
        mdm = found.mdm
        if mdm is None:
            raise BadProfile("there is no MDM payload in the profile")
        await self._network.hang_up()
        identity = await self._network.identity_for(found)
        self._device.enrolment = Enrolment(mdm, identity, found)
        self._device.profiles[found.identifier] = Installed(found)
        self._device.erased = False
        self._device.awaiting_configuration = awaiting
        self._device.new_push_address()
        try:
            await self.channel.authenticate()
            await self.channel.token_update()
        except SimulatorError:
            self._device.leave()
            raise
        self.since = asyncio.get_running_loop().time()
        self.listen()

    async def leave(self) -> None:
        """The MDM profile goes; CheckOut is tried once if the profile asks for it."""
        if self.channel.enrolment.mdm.check_out:
            await self.channel.check_out()
        self.silence()
        self._device.leave()

    async def erase(self) -> None:
        """Everything goes, without a word."""
        self.silence()
        self._device.forget()
        await self._network.hang_up()

    async def restart(self) -> None:
        """Off and on."""
        await self._network.hang_up()
        self._device.restart()

    async def obtain_identity(self, found: Profile) -> None:
        """The identity of an updated MDM profile. Raises `SimulatorError`."""
        enrolment = self.channel.enrolment
        enrolment.next_identity = await self._network.identity_for(found)
        enrolment.next_profile = found

    async def renew(self) -> None:
        """A new certificate by RenewalReq, used at once. Raises `SimulatorError`."""
        enrolment = self.channel.enrolment
        enrolment.next_identity = await self._network.identity_for(enrolment.profile, enrolment.identity)
        await self._use_next_identity()

    async def after_answer(self) -> tuple[bool, list[str]]:
        """Do what the last answers promised: whether that ends the conversation, and what went wrong."""
        over = False
        wrong: list[str] = []
        waiting, self._device.after = self._device.after, []
        for what in waiting:
            try:
                over |= await self._do(what)
            except SimulatorError as error:
                wrong.append(f"{what}: {error}")
        return over, wrong

    def listen(self) -> None:
        """Hear pushes for the tablet's token."""
        if self._wakeup is not None and self._device.push_token:
            self._wakeup.listen(self._device.push_token, self._pushed)

    def silence(self) -> None:
        """Hear no more pushes."""
        if self._wakeup is not None:
            self._wakeup.forget(self._device.push_token)

    async def _do(self, what: AfterAnswer) -> bool:
        match what:
            case AfterAnswer.NEW_IDENTITY:
                await self._use_next_identity()
                return False
            case AfterAnswer.DECLARATIONS:
                await declarative.synchronise(self.channel)
                return False
            case AfterAnswer.ERASE:
                again, self._device.return_to_service = self._device.return_to_service, None
                await self.erase()
                if again:
                    await self.enrol("", again)
            case AfterAnswer.LEAVE:
                await self.leave()
            case AfterAnswer.RESTART:
                await self.restart()
            case AfterAnswer.SHUT_DOWN:
                self._device.powered = False
                await self._network.hang_up()
        return True

    async def _use_next_identity(self) -> None:
        enrolment = self.channel.enrolment
        if enrolment.next_identity is None:
            return
        enrolment.identity, enrolment.next_identity = enrolment.next_identity, None
        if enrolment.next_profile is not None and enrolment.next_profile.mdm is not None:
            enrolment.profile, enrolment.mdm = enrolment.next_profile, enrolment.next_profile.mdm
            enrolment.next_profile = None
        await self.channel.token_update()
