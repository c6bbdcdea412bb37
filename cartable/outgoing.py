"""HTTP clients for addresses that people of a town have entered: they reach no private network, unless the operator allows it.

Whoever governs a town could otherwise ask this server to call what only the server can reach.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpcore
import httpx

from cartable.http_client import USER_AGENT, get_public_trust

#: Seconds: a person waits for the answer.
TIMEOUT = httpx.Timeout(10, connect=5)


class UnsafeAddress(ValueError):
    """The address is no https URL of a public host."""


def check_address(url: str, *, allow_private: bool) -> None:
    """Check the form of an address: https, a host, no user. Raises `UnsafeAddress`. To a private network http is fine, where it is allowed."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UnsafeAddress(url) from error
    if not host or parts.username or parts.scheme not in (("https", "http") if allow_private else ("https",)):
        raise UnsafeAddress(url)
    try:
        address = ip_address(host)
    except ValueError:
        return
    if not allow_private and not address.is_global:
        raise UnsafeAddress(url)


def open_client(*, allow_private: bool) -> httpx.Client:
    """Return an HTTP client that follows no redirect and, unless `allow_private`, connects to public addresses only."""
    transport = httpx.HTTPTransport(verify=get_public_trust())
    if not allow_private:
        transport._pool._network_backend = _PublicNetworkBackend()  # noqa: SLF001 - httpx has no option for it
    return httpx.Client(transport=transport, timeout=TIMEOUT, headers={"User-Agent": USER_AGENT}, follow_redirects=False)


class _PublicNetworkBackend(httpcore.SyncBackend):
    """Resolves a name itself, and connects to the address that it has checked: a second answer of the name server cannot differ."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} is unknown") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(ip_address(address).is_global for address in addresses):
            raise httpcore.ConnectError(f"{host} is not public")
        return super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)
