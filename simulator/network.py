"""The network side of a tablet: its connection, the roots it trusts, and how it obtains an identity. No MDM messages."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from simulator import trust
from simulator.acme import AcmeClient
from simulator.attestation import Attester
from simulator.device import DeviceState
from simulator.doh import NameAnswer, ask_resolver
from simulator.errors import InvalidProfile, ResolverAway, UnexpectedResponse
from simulator.http_connection import HttpConnection
from simulator.identity import Identity, KeySource
from simulator.name_service import choose_dns_settings, may_fail_over
from simulator.profile import AcmeSettings, ConfigurationProfile
from simulator.scep import SCEP_DIALECTS, ScepClient

#: What the resolver of a network answers; which address it is matters to nobody.
_OWN_ANSWER = NameAnswer(exists=True, addresses=("192.0.2.200",), seconds_to_live=300, asked="")


class ConnectionFactory(Protocol):
    """Makes a connection that opens at its first request."""

    def __call__(
        self,
        context: ssl.SSLContext,
        *,
        on_request_duration: Callable[[float], None] | None = None,
        addresses: Mapping[str, str] | None = None,
    ) -> HttpConnection: ...


class Network:
    """The network side of `device`. It trusts the roots of its profile, or `ca` (PEM or a PEM file) while it has none.

    `addresses`: where host names lead that the machine's own DNS does not know. `connect` makes its connections; another one than
    the default may carry requests without sockets.
    """

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
        addresses: Mapping[str, str] | None = None,
        connect: ConnectionFactory = HttpConnection,
    ) -> None:
        pem = ca.read_bytes() if isinstance(ca, Path) else ca
        self._initial_roots: frozenset[bytes] = trust.parse_pem_roots(pem) if pem else frozenset()
        self._device = device
        self._dialect = SCEP_DIALECTS[dialect]
        self._keys = keys
        self._pace = pace
        self._on_request_duration = on_request_duration
        self._attester = attester
        self._addresses = addresses
        self._connect = connect
        self._connection: HttpConnection | None = None
        self.mid_request_pause = 0.0

    def get_connection(self) -> HttpConnection:
        """Return the tablet's one connection, which opens at its first request."""
        if self._connection is None:
            self._connection = self._connect(
                self._build_tls_context(None), on_request_duration=self._on_request_duration, addresses=self._addresses
            )
        self._connection.mid_request_pause = self.mid_request_pause
        return self._connection

    async def disconnect(self) -> None:
        """Close the connection. The next one may trust other roots."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def resolve_name(self, name: str, kind: str = "A") -> NameAnswer:
        """Return what the DNS service that holds here answers; the network's own one knows every name.

        Raises `ResolverAway` when the tablet must ask an encrypted one that does not answer.
        """
        settings = choose_dns_settings(self._device, name)
        if settings is None:
            return _OWN_ANSWER
        context = trust.create_tls_context(self._list_roots(None))
        try:
            return await ask_resolver(settings["DNSSettings"], context, name, kind)
        except ResolverAway:
            if may_fail_over(settings):
                return _OWN_ANSWER
            raise

    async def fetch(self, url: str) -> bytes:
        """Return what is at an https URL, on a separate connection. Raises `UnexpectedResponse`, `Disconnected`."""
        connection = self._connect(self._build_tls_context(None), addresses=self._addresses)
        try:
            reply = await connection.request("GET", url)
        finally:
            await connection.close()
        if reply.status != 200:
            raise UnexpectedResponse(url, reply.status, reply.body)
        return reply.body

    async def obtain_identity(self, profile: ConfigurationProfile, renewing: Identity | None = None) -> Identity:
        """Obtain the identity that the profile's MDM payload names. `renewing` is used by SCEP only; ACME always starts anew.

        Raises `ScepFailed`, `AcmeFailed`, `InvalidProfile`, `Disconnected`.
        """
        mdm = profile.mdm_settings
        if mdm is None:
            raise InvalidProfile("there is no MDM payload in the profile")
        connection = self._connect(
            self._build_tls_context(profile), on_request_duration=self._on_request_duration, addresses=self._addresses
        )
        try:
            settings, device = profile.get_identity_settings(mdm), self._device
            if isinstance(settings, AcmeSettings):
                return await AcmeClient(connection, settings, device.hardware, device.clock, self._attester).obtain_identity()
            return await ScepClient(connection, settings, self._dialect, device.clock, self._pace).obtain_identity(
                self._keys, renewing
            )
        finally:
            await connection.close()

    def _build_tls_context(self, profile: ConfigurationProfile | None) -> ssl.SSLContext:
        return trust.build_tls_context(self._list_roots(profile))

    def _list_roots(self, profile: ConfigurationProfile | None) -> frozenset[bytes]:
        enrolment = self._device.enrollment
        roots = profile.roots if profile else enrolment.roots if enrolment else frozenset()
        return roots or self._initial_roots
