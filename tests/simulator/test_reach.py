"""Rules that cut a simulated tablet off, and profiles that remove themselves without the server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulator.device import DeviceState, InstalledProfile
from simulator.hardware import Hardware
from simulator.profile import ConfigurationProfile
from simulator.reach import is_cut_off, remove_expired_profiles


@pytest.fixture
def device() -> DeviceState:
    return DeviceState(Hardware.from_seed("reach", 1))


def install(device: DeviceState, name: str, kind: str, payload: dict[str, Any], **profile: Any) -> None:
    content = {"PayloadIdentifier": name, "PayloadContent": [{"PayloadType": kind, **payload}], **profile}
    device.profiles[name] = InstalledProfile(ConfigurationProfile(content, ()), installed_at=device.clock.now())


def install_only_allowed(device: DeviceState, **profile: Any) -> None:
    install(device, "only", "com.apple.applicationaccess", {"forceWiFiToAllowedNetworksOnly": True}, **profile)


def test_a_tablet_that_may_join_no_network_in_range_is_cut_off(device: DeviceState) -> None:
    assert not is_cut_off(device)
    install_only_allowed(device)
    assert is_cut_off(device)
    install(device, "wifi", "com.apple.wifi.managed", {"SSID_STR": "ecole"})
    assert is_cut_off(device)
    device.networks_in_range = frozenset({"ecole"})
    assert not is_cut_off(device)


def test_a_dead_proxy_cuts_it_off(device: DeviceState) -> None:
    install(device, "proxy", "com.apple.proxy.http.global", {"ProxyType": "Manual", "ProxyServer": "proxy.ville.fr"})
    assert is_cut_off(device)
    device.working_proxies = frozenset({"proxy.ville.fr"})
    assert not is_cut_off(device)


def test_a_profile_removes_itself_when_its_time_is_over(device: DeviceState) -> None:
    install_only_allowed(device, DurationUntilRemoval=3600.0)
    device.clock.offset += timedelta(minutes=59)
    assert remove_expired_profiles(device) == []
    device.clock.offset += timedelta(minutes=2)
    assert remove_expired_profiles(device) == ["only"]
    assert not is_cut_off(device)


def test_the_earlier_of_date_and_duration_counts(device: DeviceState) -> None:
    date = (device.clock.now() + timedelta(minutes=5)).replace(tzinfo=None)
    install_only_allowed(device, DurationUntilRemoval=3600.0, RemovalDate=date)
    device.clock.offset += timedelta(minutes=6)
    assert remove_expired_profiles(device) == ["only"]
