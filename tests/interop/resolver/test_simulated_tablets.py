"""Simulated tablets ask the real resolver over HTTP/2, at the address of their profile or declaration."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from profiles.filters.resolver_filter import ResolverFilter
from simulator import SimulatedTablet
from simulator.device import InstalledProfile
from simulator.doh import NameAnswer
from simulator.errors import ResolverAway
from simulator.profile import ConfigurationProfile
from tests.interop.resolver.conftest import ResolverTown
from tests.interop.resolver.internet import ANY_HOST


@pytest.fixture
def settings(town: ResolverTown) -> dict[str, Any]:
    """DNS settings with the address of a filter that denies one host. No name is looked up to reach it."""
    tokens = town.save_filters({"tablet": ResolverFilter(denied=frozenset({"refuse.example"}))})
    town.wait_for(tokens)
    return {"DNSProtocol": "HTTPS", "ServerURL": town.url + tokens["tablet"], "ServerAddresses": ["127.0.0.1"]}


def create_tablet(town: ResolverTown) -> SimulatedTablet:
    return SimulatedTablet(ca=Path(town.runtime.settings.data_dir.parent / "ca.pem"))


def install_profile(tablet: SimulatedTablet, settings: dict[str, Any]) -> None:
    payload = {"PayloadType": "com.apple.dnsSettings.managed", "DNSSettings": settings, "ProhibitDisablement": True}
    profile = ConfigurationProfile({"PayloadIdentifier": "dns", "PayloadContent": [payload]}, ())
    tablet.device.profiles["dns"] = InstalledProfile(profile)


def apply_declaration(tablet: SimulatedTablet, settings: dict[str, Any]) -> None:
    payload = {"VisibleName": "Filtre", "DNSSettings": settings}
    tablet.device.declarations["applied"] = {"configuration/dns": {"token": "1", "dns": payload}}


def resolve(tablet: SimulatedTablet, name: str) -> NameAnswer:
    return asyncio.run(tablet.resolve_name(name))


@pytest.mark.parametrize("give", [install_profile, apply_declaration])
def test_a_tablet_reaches_what_is_open_and_nothing_else(town: ResolverTown, settings: dict[str, Any], give: Any) -> None:
    tablet = create_tablet(town)
    assert resolve(tablet, "refuse.example").exists, "before it has the address, its network's resolver knows every name"
    give(tablet, settings)
    assert not resolve(tablet, "www.refuse.example").exists
    answer = resolve(tablet, "libre.example")
    assert (answer.addresses, answer.asked) == ((ANY_HOST,), settings["ServerURL"])
    assert answer.seconds_to_live <= 10


def test_without_its_resolver_a_tablet_resolves_nothing_unless_it_may_fail_over(
    town: ResolverTown, settings: dict[str, Any]
) -> None:
    away = settings | {"ServerURL": settings["ServerURL"].replace(str(town.supervisor.engine.listen_port), "9")}
    tablet = create_tablet(town)
    install_profile(tablet, away)
    with pytest.raises(ResolverAway):
        resolve(tablet, "libre.example")
    lenient = create_tablet(town)
    apply_declaration(lenient, away | {"AllowFailover": True})
    assert resolve(lenient, "libre.example").asked == ""


def test_of_two_addresses_the_second_is_asked_when_the_first_is_away(town: ResolverTown, settings: dict[str, Any]) -> None:
    tablet = create_tablet(town)
    install_profile(tablet, settings | {"ServerAddresses": ["127.0.0.77", "127.0.0.1"]})
    assert resolve(tablet, "libre.example").addresses == (ANY_HOST,)


def test_a_server_that_nobody_vouches_for_is_no_resolver(town: ResolverTown, settings: dict[str, Any]) -> None:
    tablet = SimulatedTablet()
    install_profile(tablet, settings)
    with pytest.raises(ResolverAway):
        resolve(tablet, "libre.example")
