"""What one tablet needs of the network: its connection, whom it trusts, how it gets an identity. No MDM messages."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from simulator import trust
from simulator.acme import AcmeClient
from simulator.attestation import Attester
from simulator.device import Device
from simulator.errors import BadProfile, ServerRefused
from simulator.identity import Identity, KeySource
from simulator.profile import AcmeSettings, Profile
from simulator.scep import DIALECTS, ScepClient
from simulator.wire import Wire


class Network:
    """The network side of `device`. It trusts the roots of its profile, or `ca` (PEM or a file of it) while it has none."""

    def __init__(
        self,
        device: Device,
        ca: bytes | Path | None,
        *,
        dialect: str,
        keys: KeySource,
        pace: float,
        heard: Callable[[float], None] | None,
        attester: Attester | None = None,
    ) -> None:
        pem = ca.read_bytes() if isinstance(ca, Path) else ca
        self._built_in: frozenset[bytes] = trust.roots_in_pem(pem) if pem else frozenset()
        self._device = device
        self._dialect = DIALECTS[dialect]
        self._keys = keys
        self._pace = pace
        self._heard = heard
        self._attester = attester
        self._wire: Wire | None = None
        self.pause = 0.0

    def wire(self) -> Wire:
        """The tablet's one connection, opened at the first request."""
        if self._wire is None:
            self._wire = Wire(self._context(None), heard=self._heard)
        self._wire.pause = self.pause
        return self._wire

    async def hang_up(self) -> None:
        """Close the connection; the next one may trust other roots."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    async def fetch(self, url: str) -> bytes:
        """What is at an https address, on a connection of its own. Raises `ServerRefused`, `Disconnected`."""
        wire = Wire(self._context(None))
        try:
            reply = await wire.request("GET", url)
        finally:
            await wire.close()
        if reply.status != 200:
            raise ServerRefused(url, reply.status, reply.body)
        return reply.body

    async def identity_for(self, found: Profile, renewing: Identity | None = None) -> Identity:
        """Get the identity that the profile's MDM payload names. `renewing` counts for SCEP alone: ACME begins anew.

        Raises `ScepFailed`, `AcmeFailed`, `BadProfile`, `Disconnected`.
        """
        mdm = found.mdm
        if mdm is None:
            raise BadProfile("there is no MDM payload in the profile")
        wire = Wire(self._context(found), heard=self._heard)
        try:
            wanted, device = found.identity_for(mdm), self._device
            if isinstance(wanted, AcmeSettings):
                return await AcmeClient(wire, wanted, device.hardware, device.clock, self._attester).obtain()
            return await ScepClient(wire, wanted, self._dialect, device.clock, self._pace).obtain(self._keys, renewing)
        finally:
            await wire.close()

    def _context(self, found: Profile | None) -> ssl.SSLContext:
        enrolment = self._device.enrolment
        roots = found.roots if found else enrolment.roots if enrolment else frozenset()
        return trust.context_for(roots or self._built_in)
