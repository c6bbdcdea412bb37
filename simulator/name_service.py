"""Which DNS service a tablet asks for a name: the encrypted ones that its rules set, by network and by name, or that of its network.

No messages; `doh` asks an encrypted service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.device import DeviceState


def choose_dns_settings(device: DeviceState, name: str) -> Mapping[str, Any] | None:
    """Return the DNS settings that hold for a name where the tablet is; None when its network's own resolver is asked.

    Settings for certain domains come before those for all; of those for all the last one wins.
    """
    if is_switched_off(device):
        return None
    in_force = [each for each in device.dns_settings if _is_on(each, device.wifi)]
    for each in in_force:
        domains = each["DNSSettings"].get("SupplementalMatchDomains", ())
        if any(name == domain or name.endswith(f".{domain}") for domain in domains):
            return each
    for_all = [each for each in in_force if not each["DNSSettings"].get("SupplementalMatchDomains")]
    return for_all[-1] if for_all else None


def may_be_switched_off(device: DeviceState) -> bool:
    """Return whether a person can switch the encrypted DNS off in Settings: not where a supervised tablet's rules prohibit it."""
    return not (device.supervised and any(each.get("ProhibitDisablement") for each in device.dns_settings))


def is_switched_off(device: DeviceState) -> bool:
    """Return whether a person has switched it off, and may."""
    return device.dns_switched_off and may_be_switched_off(device)


def may_fail_over(settings: Mapping[str, Any]) -> bool:
    """Return whether the network's own resolver is asked while the encrypted one is away."""
    return settings["DNSSettings"].get("AllowFailover") is True


def _is_on(settings: Mapping[str, Any], wifi: str | None) -> bool:
    """Return what the first on-demand rule that matches says; without rules the settings always hold."""
    for rule in settings.get("OnDemandRules", ()):
        if _matches(rule, wifi):
            return bool(rule["Action"] != "Disconnect")
    return True


def _matches(rule: Mapping[str, Any], wifi: str | None) -> bool:
    if rule.get("InterfaceTypeMatch") == "WiFi" and wifi is None:
        return False
    if rule.get("InterfaceTypeMatch") in ("Cellular", "Ethernet"):
        return False
    return "SSIDMatch" not in rule or wifi in rule["SSIDMatch"]
