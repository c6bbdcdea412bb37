"""The composed filter as Apple payloads (payloads.md section 4): built in, plug-in or DNS. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from profiles.filters.models import DeliveryKind
from profiles.filters.rules import MAX_BUILT_IN, Effective

FILTER = "com.apple.webcontent-filter"
DNS = "com.apple.dnsSettings.managed"


def payloads(
    effective: Effective, *, auto: bool, kind: DeliveryKind, options: Mapping[str, Any], supervised: bool | None
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Payload type to content, and what could not be said. Beside a plug-in or DNS the built-in filter stays: it is the floor
    of what WebKit shows even where the other service is away.
    """
    made: dict[str, dict[str, Any]] = {}
    left_out: list[str] = []
    if supervised is not False:
        made[FILTER], left_out = _built_in(effective, auto=auto)
    match kind:
        case DeliveryKind.PLUGIN:
            made[FILTER] = _plugin(options)
        case DeliveryKind.DNS:
            made[DNS] = _dns(options, supervised=supervised)
        case DeliveryKind.BUILT_IN:
            pass
    return made, left_out


def _built_in(effective: Effective, *, auto: bool) -> tuple[dict[str, Any], list[str]]:
    made: dict[str, Any] = {"FilterType": "BuiltIn", "AutoFilterEnabled": auto}
    left_out = []
    if len(effective.denied) > MAX_BUILT_IN:
        left_out.append(f"webFilter: {len(effective.denied) - MAX_BUILT_IN} denied hosts beyond {MAX_BUILT_IN}")
    if effective.denied:
        made["DenyListURLs"] = _urls(effective.denied[:MAX_BUILT_IN])
    if effective.only_permitted:
        if len(effective.permitted) > MAX_BUILT_IN:
            left_out.append(f"webFilter: {len(effective.permitted) - MAX_BUILT_IN} permitted hosts beyond {MAX_BUILT_IN}")
        # An empty list would open everything: without a single host the tablet gets one that leads nowhere.
        hosts = effective.permitted[:MAX_BUILT_IN] or ("cartable.invalid",)
        made["AllowListBookmarks"] = [{"URL": f"https://{host}", "Title": host} for host in hosts]
    elif auto and effective.permitted:
        made["PermittedURLs"] = _urls(effective.permitted[:MAX_BUILT_IN])
    return made, left_out


def _plugin(options: Mapping[str, Any]) -> dict[str, Any]:
    made = {
        "FilterType": "Plugin",
        "UserDefinedName": options["name"],
        "PluginBundleID": options["plugin_bundle_id"],
        "FilterBrowsers": True,
        "FilterSockets": bool(options.get("sockets", True)),
    }
    for key, name in (("ServerAddress", "server_address"), ("Organization", "organization"), ("VendorConfig", "vendor_config")):
        if options.get(name):
            made[key] = options[name]
    return made


def _dns(options: Mapping[str, Any], *, supervised: bool | None) -> dict[str, Any]:
    protocol = options["protocol"]
    settings: dict[str, Any] = {"DNSProtocol": protocol}
    settings["ServerURL" if protocol == "HTTPS" else "ServerName"] = options["server"]
    if options.get("addresses"):
        settings["ServerAddresses"] = sorted(options["addresses"])
    made: dict[str, Any] = {"DNSSettings": settings}
    if supervised is not False:
        made["ProhibitDisablement"] = True
    return made


def _urls(hosts: Sequence[str]) -> list[str]:
    """Both schemes for each host: the built-in filter matches by prefix."""
    return [f"{scheme}://{host}" for host in sorted(hosts) for scheme in ("http", "https")]
