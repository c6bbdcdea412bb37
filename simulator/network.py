"""What one tablet needs of the network: its connection, whom it trusts, how it gets an identity. No MDM messages."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from simulator import trust
from simulator.acme import AcmeClient
from simulator.attestation import Attester
from simulator.device import DeviceState
from simulator.errors import InvalidProfile, UnexpectedResponse
from simulator.identity import Identity, KeySource
from simulator.profile import AcmeSettings, ConfigurationProfile
from simulator.scep import SCEP_DIALECTS, ScepClient
from simulator.wire import HttpConnection


class Network:
    """The network side of `device`. It trusts the roots of its profile, or `ca` (PEM or a file of it) while it has none."""

    def __init__(
        self,
        device: DeviceState,
        ca: bytes | Path | None,
        *,
        dialect: str,
        keys: KeySource,
        pace: float,
        on_request_duration: Callable[[float], None] | None,
        attester: Attester | None = None,
    ) -> None:
        pem = ca.read_bytes() if isinstance(ca, Path) else ca
        self._initial_roots: frozenset[bytes] = trust.parse_pem_roots(pem) if pem else frozenset()
        self._device = device
        self._dialect = SCEP_DIALECTS[dialect]
        self._keys = keys
        self._pace = pace
        self._on_request_duration = on_request_duration
        self._attester = attester
        self._connection: HttpConnection | None = None
        self.mid_request_pause = 0.0

    def get_connection(self) -> HttpConnection:
        """The tablet's one connection, opened at the first request."""
        if self._connection is None:
            self._connection = HttpConnection(self._build_tls_context(None), heard=self._on_request_duration)
        self._connection.mid_request_pause = self.mid_request_pause
        return self._connection

    async def disconnect(self) -> None:
        """Close the connection; the next one may trust other roots."""
        wire, self._connection = self._connection, None
        if wire is not None:
            await wire.close()

    async def fetch(self, url: str) -> bytes:
        """What is at an https address, on a connection of its own. Raises `ServerRefused`, `Disconnected`."""
        wire = HttpConnection(self._build_tls_context(None))
        try:
            reply = await wire.request("GET", url)
        finally:
            await wire.close()
        if reply.status != 200:
            raise UnexpectedResponse(url, reply.status, reply.body)
        return reply.body

    async def obtain_identity(self, found: ConfigurationProfile, renewing: Identity | None = None) -> Identity:
        """Get the identity that the profile's MDM payload names. `renewing` counts for SCEP alone: ACME begins anew.

        Raises `ScepFailed`, `AcmeFailed`, `BadProfile`, `Disconnected`.
        """
        mdm = found.mdm_settings
        if mdm is None:
            raise InvalidProfile("there is no MDM payload in the profile")
        wire = HttpConnection(self._build_tls_context(found), heard=self._on_request_duration)
        try:
            wanted, device = found.get_identity_settings(mdm), self._device
            if isinstance(wanted, AcmeSettings):
                return await AcmeClient(wire, wanted, device.hardware, device.clock, self._attester).obtain_identity()
            return await ScepClient(wire, wanted, self._dialect, device.clock, self._pace).obtain_identity(self._keys, renewing)
        finally:
            await wire.close()

    def _build_tls_context(self, found: ConfigurationProfile | None) -> ssl.SSLContext:
        enrolment = self._device.enrollment
        roots = found.roots if found else enrolment.roots if enrolment else frozenset()
        return trust.build_tls_context(roots or self._initial_roots)
