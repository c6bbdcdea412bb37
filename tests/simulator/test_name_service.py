"""Which DNS service a simulated tablet asks, by profile, declaration, network and a person's will."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.device import DeviceState, InstalledProfile
from simulator.hardware import Hardware
from simulator.name_service import choose_dns_settings, may_be_switched_off, may_fail_over
from simulator.profile import ConfigurationProfile

URL = "https://dns.ville.test/f/one"
AT_SCHOOL = [{"Action": "Disconnect", "InterfaceTypeMatch": "WiFi", "SSIDMatch": ["ecole"]}, {"Action": "Connect"}]


@pytest.fixture
def device() -> DeviceState:
    return DeviceState(Hardware.from_seed("names", 1))


def install(device: DeviceState, url: str = URL, domains: tuple[str, ...] = (), **payload: Any) -> None:
    settings: dict[str, Any] = {"DNSProtocol": "HTTPS", "ServerURL": url}
    if domains:
        settings["SupplementalMatchDomains"] = list(domains)
    content = {"PayloadType": "com.apple.dnsSettings.managed", "DNSSettings": settings, **payload}
    profile = ConfigurationProfile({"PayloadIdentifier": url, "PayloadContent": [content]}, ())
    device.profiles[url] = InstalledProfile(profile)


def find_url(device: DeviceState, name: str = "a.example") -> str | None:
    settings = choose_dns_settings(device, name)
    return None if settings is None else settings["DNSSettings"]["ServerURL"]


def test_without_settings_the_network_is_asked(device: DeviceState) -> None:
    assert find_url(device) is None
    install(device)
    assert find_url(device) == URL


def test_a_network_with_a_filter_of_its_own_is_left_the_field(device: DeviceState) -> None:
    install(device, OnDemandRules=AT_SCHOOL)
    assert find_url(device) == URL
    device.wifi = "ecole"
    assert find_url(device) is None
    device.wifi = "maison"
    assert find_url(device) == URL


def test_a_person_switches_it_off_only_where_that_is_not_prohibited(device: DeviceState) -> None:
    install(device)
    device.dns_switched_off = True
    assert find_url(device) is None
    install(device, ProhibitDisablement=True)
    assert not may_be_switched_off(device)
    assert find_url(device) == URL
    device.supervised = False
    assert find_url(device) is None


def test_settings_for_a_domain_come_before_those_for_all(device: DeviceState) -> None:
    install(device)
    install(device, "https://intern.test/f/x", ("intern.example",))
    assert find_url(device, "www.intern.example") == "https://intern.test/f/x"
    assert find_url(device, "notintern.example") == URL


def test_a_declaration_holds_as_a_profile_does_and_may_fail_over(device: DeviceState) -> None:
    payload = {"VisibleName": "Filtre", "DNSSettings": {"DNSProtocol": "HTTPS", "ServerURL": URL, "AllowFailover": True}}
    device.declarations["applied"] = {"configuration/dns": {"token": "1", "dns": payload}}
    settings = choose_dns_settings(device, "a.example")
    assert settings is not None
    assert may_fail_over(settings)
