"""The address of a client: only headers of trusted proxies count, and an IPv6 customer counts once."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from cartable.client_address import coarsen_address, group_address, resolve_client_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),  # no proxy: its header is not trusted
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),  # what the client wrote itself comes first
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),  # two headers
        ("10.0.0.1", ["not an address"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("::ffff:192.0.2.7", [], "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("2001:db8:ffff::1", ["[2001:db8:9::1]"], "2001:db8:9::/64"),
        (None, ["198.51.100.1"], "unknown"),
        ("", [], "unknown"),
    ],
)
def test_the_first_address_that_is_no_trusted_proxy_is_the_client(
    peer: str | None, forwarded_for: list[str], expected: str
) -> None:
    assert group_address(resolve_client_address(peer, forwarded_for, PROXIES)) == expected


@pytest.mark.parametrize(
    ("address", "stored"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2::/64", "2001:db8:1::/48"), ("unknown", "unknown"), ("", "unknown")],
)
def test_only_a_part_of_an_address_is_stored(address: str, stored: str) -> None:
    assert coarsen_address(address) == stored
