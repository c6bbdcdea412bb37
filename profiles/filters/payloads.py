"""The web filter as Apple payloads: built in, by a filter app, by encrypted DNS; and what none of them carries. Pure.

See docs/domain/payloads.md#web-content-filter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from profiles.filters.rules import (
    BYPASS_CATEGORIES,
    LEGAL_CATEGORIES,
    MAX_BUILT_IN,
    DeliveryKind,
    EffectiveFilter,
    RestrictedVideo,
)

FILTER = "com.apple.webcontent-filter"
DNS = "com.apple.dnsSettings.managed"
#: The name under which the system shows the DNS settings.
VISIBLE_NAME = "Cartable"


@dataclass(frozen=True, slots=True)
class ResolverAddress:
    """The address of the filter of a situation in a mode, and the IP addresses of the resolver that serves it."""

    url: str
    ip_addresses: tuple[str, ...] = ()


def build_filter_payloads(
    web: EffectiveFilter, *, supervised: bool | None, resolver: ResolverAddress | None = None, own_url: str = ""
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return payload type to content, and the settings that no payload carries to this tablet.

    A tablet holds one content filter: a filter app takes the place of the built-in one, and the hosts of places are left out.
    Beside DNS the built-in filter stays: it guards what WebKit shows even where the DNS service is away. A town that chose the resolver
    of an installation that has none keeps the built-in filter alone. `own_url` is this server's, whose pages open in every mode.
    """
    payloads: dict[str, dict[str, Any]] = {}
    kind = web.delivery_kind
    left_out = [] if resolver is not None else _list_uncarried_categories(web)
    if kind is DeliveryKind.PLUGIN:
        payloads[FILTER] = _build_plugin(web.delivery)
        left_out += _list_uncarried_hosts(web)
    elif supervised is not False:
        payloads[FILTER], too_many = _build_built_in(web, own_url)
        left_out += too_many if resolver is None else []
    elif resolver is None:
        left_out += _list_uncarried_hosts(web)
    if kind is DeliveryKind.DNS:
        payloads[DNS] = _build_dns(web.delivery, supervised=supervised)
    elif resolver is not None:
        payloads[DNS] = _build_resolver(web, resolver, supervised=supervised)
    elif kind is DeliveryKind.RESOLVER:
        left_out.append("web.delivery")
    return payloads, left_out


def build_dns_declaration(payload: Mapping[str, Any], *, is_lenient: bool) -> dict[str, Any]:
    """Return the payload of DNS settings as the declaration that takes its place on newer systems, which alone may fail over."""
    settings = dict(payload["DNSSettings"])
    if is_lenient:
        settings["AllowFailover"] = True
    return {"VisibleName": VISIBLE_NAME, **payload, "DNSSettings": settings}


def _list_uncarried_categories(web: EffectiveFilter) -> list[str]:
    """Return the settings that only a service which knows the lists could keep: no payload of Apple's has a place for them."""
    added = web.blocked_categories - LEGAL_CATEGORIES - BYPASS_CATEGORIES
    present = {
        "web.blocked_categories": bool(added),
        "web.permitted_categories": bool(web.permitted_categories),
        "web.safe_search": web.safe_search,
        "web.restricted_video": web.restricted_video is not RestrictedVideo.OFF,
    }
    return [key for key, is_set in present.items() if is_set]


def _list_uncarried_hosts(web: EffectiveFilter) -> list[str]:
    present = {
        "web.denied": bool(web.denied),
        "web.permitted": bool(web.permitted),
        "web.only_permitted": web.only_open_hosts is not None,
    }
    return [key for key, is_set in present.items() if is_set]


def _build_built_in(web: EffectiveFilter, own_url: str) -> tuple[dict[str, Any], list[str]]:
    payload: dict[str, Any] = {"FilterType": "BuiltIn", "AutoFilterEnabled": web.adult_heuristic}
    left_out = []
    if len(web.denied) > MAX_BUILT_IN:
        left_out.append(f"web.denied: {len(web.denied) - MAX_BUILT_IN} hosts beyond {MAX_BUILT_IN}")
    if web.denied:
        payload["DenyListURLs"] = _list_urls(web.denied[:MAX_BUILT_IN])
    only_open = web.only_open_hosts
    open_hosts = web.permitted if only_open is None else only_open
    if (only_open is not None or web.adult_heuristic) and len(open_hosts) > MAX_BUILT_IN:
        left_out.append(f"web.permitted: {len(open_hosts) - MAX_BUILT_IN} hosts beyond {MAX_BUILT_IN}")
    if only_open is not None:
        bookmarks = [{"URL": f"https://{host}", "Title": host} for host in only_open[:MAX_BUILT_IN]]
        own = [{"URL": own_url, "Title": VISIBLE_NAME}] if own_url else []
        # An empty list would open everything: without a single host the tablet gets one that leads nowhere.
        payload["AllowListBookmarks"] = [*own, *bookmarks] or [{"URL": "https://cartable.invalid", "Title": "cartable.invalid"}]
    elif web.adult_heuristic and web.permitted:
        payload["PermittedURLs"] = _list_urls(web.permitted[:MAX_BUILT_IN])
    return payload, left_out


def _build_plugin(delivery: Mapping[str, Any]) -> dict[str, Any]:
    payload = {
        "FilterType": "Plugin",
        "UserDefinedName": delivery["name"],
        "PluginBundleID": delivery["plugin_bundle_id"],
        "FilterBrowsers": True,
        "FilterSockets": delivery.get("sockets", True),
    }
    for key, name in (("ServerAddress", "server_address"), ("Organization", "organization"), ("VendorConfig", "vendor_config")):
        if delivery.get(name):
            payload[key] = delivery[name]
    return payload


def _build_dns(delivery: Mapping[str, Any], *, supervised: bool | None) -> dict[str, Any]:
    protocol = delivery["protocol"]
    settings: dict[str, Any] = {"DNSProtocol": protocol}
    settings["ServerURL" if protocol == "HTTPS" else "ServerName"] = delivery["server"]
    if delivery.get("addresses"):
        settings["ServerAddresses"] = sorted(delivery["addresses"])
    payload: dict[str, Any] = {"DNSSettings": settings}
    if supervised is not False:
        payload["ProhibitDisablement"] = True
    return payload


def _build_resolver(web: EffectiveFilter, resolver: ResolverAddress, *, supervised: bool | None) -> dict[str, Any]:
    settings: dict[str, Any] = {"DNSProtocol": "HTTPS", "ServerURL": resolver.url}
    if resolver.ip_addresses:
        settings["ServerAddresses"] = list(resolver.ip_addresses)
    payload: dict[str, Any] = {"DNSSettings": settings}
    if web.own_filter_networks:
        # The first rule that matches decides: elsewhere the resolver is asked.
        at_school = {"Action": "Disconnect", "InterfaceTypeMatch": "WiFi", "SSIDMatch": list(web.own_filter_networks)}
        payload["OnDemandRules"] = [at_school, {"Action": "Connect"}]
    if supervised is not False:
        payload["ProhibitDisablement"] = True
    return payload


def _list_urls(hosts: Sequence[str]) -> list[str]:
    """Return both schemes for each host: the built-in filter matches by prefix."""
    return [f"{scheme}://{host}" for host in sorted(hosts) for scheme in ("http", "https")]
