"""Determines from which address a person's request comes, also behind trusted proxies. For limits and lists, never for identity."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

UNKNOWN_ADDRESS = "unknown"
#: One customer has at least so much of IPv6: a limit per single address would be none.
_IPV6_PREFIX = 64


def resolve_client_address(
    peer: str | None, forwarded_for: Sequence[str], proxies: Sequence[IPv4Network | IPv6Network]
) -> IPv4Address | IPv6Address | None:
    """Return the address of the client; None when it cannot be read.

    `forwarded_for` are the values of the `X-Forwarded-For` headers. They are taken from a trusted proxy only, from right to left: the
    first address that is no proxy is the client.
    """
    address = _parse(peer or "")
    hops = [part.strip() for part in ",".join(forwarded_for)[-2000:].split(",") if part.strip()]
    while address is not None and hops and any(address in network for network in proxies):
        hop = _parse(hops.pop())
        if hop is None:
            return address
        address = hop
    return address


def group_address(address: IPv4Address | IPv6Address | None) -> str:
    """Return the text by which attempts are counted: an IPv4 address, or the /64 network of an IPv6 one."""
    if address is None:
        return UNKNOWN_ADDRESS
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _IPV6_PREFIX), strict=False))
    return str(address)


def coarsen_address(address: str) -> str:
    """Return the part of an address that may be stored: the /24 of an IPv4 address, the /48 of an IPv6 one. See PRIV-05."""
    try:
        network = ip_network(address, strict=False)
    except ValueError:
        return UNKNOWN_ADDRESS
    prefix = 24 if network.version == 4 else 48
    return str(network.supernet(new_prefix=min(prefix, network.prefixlen)))


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
