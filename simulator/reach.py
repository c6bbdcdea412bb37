"""Whether a tablet still reaches the network under the profiles on it, and profiles that remove themselves. No messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.commands.restrictions import compute_effective_restrictions
from simulator.device import DeviceState, InstalledProfile

_WIFI, _PROXY = "com.apple.wifi.managed", "com.apple.proxy.http.global"
_ONLY_ALLOWED_NETWORKS = ("forceWiFiToAllowedNetworksOnly", "forceWiFiWhitelisting")


def remove_expired_profiles(device: DeviceState) -> list[str]:
    """Remove the profiles whose time is over, in contact or not. Returns their identifiers."""
    now = device.clock.now()
    expired = [key for key, installed in device.profiles.items() if (end := get_removal_date(installed)) and end <= now]
    for identifier in expired:
        del device.profiles[identifier]
    return expired


def get_removal_date(installed: InstalledProfile) -> datetime | None:
    """Return when a profile removes itself: the earlier of its RemovalDate and the end of its DurationUntilRemoval."""
    content: Mapping[str, Any] = installed.profile.content
    dates = []
    if "RemovalDate" in content:
        dates.append(content["RemovalDate"].replace(tzinfo=UTC))
    if "DurationUntilRemoval" in content and installed.installed_at is not None:
        dates.append(installed.installed_at + timedelta(seconds=float(content["DurationUntilRemoval"])))
    return min(dates, default=None)


def is_cut_off(device: DeviceState) -> bool:
    """Return whether the profiles on the tablet keep it from reaching any network."""
    return _has_no_network(device) or _has_dead_proxy(device)


def _has_no_network(device: DeviceState) -> bool:
    """Return whether it may join the networks of its profiles alone, and none of them is in range."""
    restrictions = compute_effective_restrictions(device)
    if not any(restrictions.get(key) is True for key in _ONLY_ALLOWED_NETWORKS):
        return False
    networks = [payload for payload in device.installed_payloads if payload["PayloadType"] == _WIFI]
    return not any(network.get("SSID_STR") in device.networks_in_range for network in networks)


def _has_dead_proxy(device: DeviceState) -> bool:
    proxies = [payload for payload in device.installed_payloads if payload["PayloadType"] == _PROXY]
    return any(proxy.get("ProxyServer") not in device.working_proxies for proxy in proxies if "ProxyServer" in proxy)
