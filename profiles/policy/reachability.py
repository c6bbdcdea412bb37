"""Rules on what is in force together on a tablet in a mode: settings that could cut it off from the server, or lock it out. Pure.

A rule looks at the merged values of all places, before and after a draft, so it does not matter which place, lock or merge of
two harmless documents brings them together. The sentences for people are in `reachability_texts`.
See docs/domain/policy.md#reachability.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from profiles.catalog.text_formats import TextFormat
from profiles.filters.rules import DeliveryKind, find_covering_entry

Values = Mapping[str, Any]

WIFI, PROXY, VPN, DNS, DNS_PROXY, RELAY = (
    "wifi.managed", "proxy.http.global", "vpn.managed", "dnsSettings.managed", "dnsProxy.managed", "relay.managed",
)  # fmt: skip
ONLY_ALLOWED_NETWORKS = ("forceWiFiToAllowedNetworksOnly", "forceWiFiWhitelisting")
DELIVERY = "web.delivery"
#: A tablet that hears of commands through these hosts of Apple alone. Without push it asks for none.
PUSH_HOSTS = ("push.apple.com", "identity.apple.com")
#: Names that lead nowhere by standard (RFC 2606, RFC 6761).
_DEAD_DOMAINS = frozenset({"invalid", "test", "example", "localhost"})
#: Below this number the system has not even begun to make a person wait between two attempts.
MIN_ATTEMPTS = 6
#: Where the system's own limit is reached: what the setting says when nobody sets it.
NO_LIMIT_OF_ATTEMPTS = 11
MIN_PASSCODE_DAYS = 7
#: Without the Settings app nobody lets a tablet join a Wi-Fi network.
SETTINGS_APP = "com.apple.Preferences"
SHOWN_APPS, HIDDEN_APPS = "allowListedAppBundleIDs", "blockedAppBundleIDs"


class ReachabilityRule(StrEnum):
    """The names of the rules."""

    NO_NETWORK = "no_network"
    NETWORK_NOT_PROVED = "network_not_proved"
    NETWORK_REMOVED = "network_removed"
    PROXY_DEAD = "proxy_dead"
    PROXY_NOT_PROVED = "proxy_not_proved"
    VPN_WITHOUT_SERVER = "vpn_without_server"
    VPN_NOT_PROVED = "vpn_not_proved"
    DNS_DEAD = "dns_dead"
    DNS_NOT_PROVED = "dns_not_proved"
    RESOLVER_MISSING = "resolver_missing"
    RELAY_NOT_PROVED = "relay_not_proved"
    FILTER_NOT_PROVED = "filter_not_proved"
    SERVER_DENIED = "server_denied"
    PUSH_DENIED = "push_denied"
    CELLULAR_CHANGED = "cellular_changed"
    ERASES_ITSELF_SOON = "erases_itself_soon"
    ERASES_ITSELF = "erases_itself"
    PASSCODE_IMPOSSIBLE = "passcode_impossible"
    PASSCODE_ENDS_SOON = "passcode_ends_soon"
    SETTINGS_APP_HIDDEN = "settings_app_hidden"


class Severity(StrEnum):
    """What a finding does to a publication."""

    REFUSED = "refused"
    CONFIRM = "confirm"  # a person says that it is meant, with the code of what was shown


_REFUSED = frozenset(
    {
        ReachabilityRule.NO_NETWORK,
        ReachabilityRule.PROXY_DEAD,
        ReachabilityRule.VPN_WITHOUT_SERVER,
        ReachabilityRule.DNS_DEAD,
        ReachabilityRule.RESOLVER_MISSING,
        ReachabilityRule.SERVER_DENIED,
        ReachabilityRule.PUSH_DENIED,
        ReachabilityRule.ERASES_ITSELF_SOON,
        ReachabilityRule.PASSCODE_IMPOSSIBLE,
    }
)


@dataclass(frozen=True, slots=True)
class Risk:
    """A rule that holds after a draft in one mode, and the settings that make it hold."""

    rule: ReachabilityRule
    settings: tuple[str, ...]

    @property
    def severity(self) -> Severity:
        """Whether it refuses a publication, or asks for a confirmation."""
        return Severity.REFUSED if self.rule in _REFUSED else Severity.CONFIRM


@dataclass(frozen=True, slots=True)
class Comparison:
    """The values in force in a mode before and after a draft, the host name of the server, and whether it has a resolver."""

    before: Values
    after: Values
    server: str
    has_resolver: bool = False

    def is_new(self, *keys: str) -> bool:
        """Return whether the draft changes one of these settings."""
        return any(self.before.get(key) != self.after.get(key) for key in keys)


def find_risks(before: Values, after: Values, server: str, *, has_resolver: bool = False) -> list[Risk]:
    """Return what a draft brings into force in a mode. What was in force before with the same values is not found again."""
    compared = Comparison(before, after, server, has_resolver)
    return [risk for check in RULES for risk in check(compared) if compared.is_new(*risk.settings)]


_Risks = Iterator[Risk]


def is_confined(values: Values) -> bool:
    """Return whether a tablet joins no other Wi-Fi networks than those of its profiles."""
    return any(values.get(key) is True for key in ONLY_ALLOWED_NETWORKS)


def _list_joined_networks(values: Values) -> dict[str, Any]:
    """Return the networks that a tablet joins by itself, by name."""
    return {entry["SSID_STR"]: entry for entry in values.get(WIFI, ()) if entry.get("AutoJoin", True)}


def _check_networks(compared: Comparison) -> _Risks:
    after = _list_joined_networks(compared.after)
    before = _list_joined_networks(compared.before)
    keys = (*ONLY_ALLOWED_NETWORKS, WIFI)
    if any(before.get(name) == network for name, network in after.items()):
        return
    if not is_confined(compared.after):
        if before:
            yield Risk(ReachabilityRule.NETWORK_REMOVED, (WIFI,))
    elif after:
        yield Risk(ReachabilityRule.NETWORK_NOT_PROVED, keys)
    else:
        yield Risk(ReachabilityRule.NO_NETWORK, keys)


def _check_proxy(compared: Comparison) -> _Risks:
    proxies = [(PROXY, compared.after.get(PROXY))]
    proxies += [(WIFI, entry) for entry in compared.after.get(WIFI, ())]
    for key, proxy in proxies:
        if not proxy:
            continue
        kind = proxy.get("ProxyType", "Manual" if key == PROXY else "None")
        host = proxy.get("ProxyServer") if kind == "Manual" else _find_host(proxy.get("ProxyPACURL"))
        if (kind == "Manual" and (not host or is_dead_host(host) or proxy.get("ProxyServerPort") == 0)) or (
            kind == "Auto" and host and is_dead_host(host) and not proxy.get("ProxyPACFallbackAllowed")
        ):
            yield Risk(ReachabilityRule.PROXY_DEAD, (key,))
        elif key == PROXY:
            yield Risk(ReachabilityRule.PROXY_NOT_PROVED, (key,))


def _check_vpn(compared: Comparison) -> _Risks:
    for entry in compared.after.get(VPN, ()):
        if entry.get("VPNType") == "AlwaysOn":
            tunnels = (entry.get("AlwaysOn") or {}).get("TunnelConfigurations") or ()
            servers = [tunnel.get("RemoteAddress") for tunnel in tunnels]
            is_served = any(server and not is_dead_host(server) for server in servers)
            yield Risk(ReachabilityRule.VPN_NOT_PROVED if is_served else ReachabilityRule.VPN_WITHOUT_SERVER, (VPN,))
        elif any(part.get("IncludeAllNetworks") == 1 for part in entry.values() if isinstance(part, Mapping)):
            yield Risk(ReachabilityRule.VPN_NOT_PROVED, (VPN,))


def _check_names(compared: Comparison) -> _Risks:
    resolvers: list[tuple[str, Sequence[str], str | None]] = []
    for entry in compared.after.get(DNS, ()):
        settings = entry["DNSSettings"]
        if not settings.get("SupplementalMatchDomains"):
            host = settings.get("ServerName") or _find_host(settings.get("ServerURL"))
            resolvers.append((DNS, settings.get("ServerAddresses", ()), host))
    delivery = compared.after.get(DELIVERY) or {}
    if delivery.get("kind") == DeliveryKind.DNS:
        host = _find_host(delivery["server"]) or delivery["server"]
        resolvers.append((DELIVERY, delivery.get("addresses", ()), host))
    elif delivery.get("kind") == DeliveryKind.RESOLVER:
        # It opens this server's name in every filter; whether tablets reach it is proved by the first of them.
        yield Risk(ReachabilityRule.DNS_NOT_PROVED if compared.has_resolver else ReachabilityRule.RESOLVER_MISSING, (DELIVERY,))
    for key, addresses, host in resolvers:
        is_dead = not host or (is_dead_host(host) and not any(not is_dead_host(each) for each in addresses))
        yield Risk(ReachabilityRule.DNS_DEAD if is_dead else ReachabilityRule.DNS_NOT_PROVED, (key,))
    if compared.after.get(DNS_PROXY):
        yield Risk(ReachabilityRule.DNS_NOT_PROVED, (DNS_PROXY,))


def _check_relays(compared: Comparison) -> _Risks:
    for entry in compared.after.get(RELAY, ()):
        matched, excluded = entry.get("MatchDomains") or (), entry.get("ExcludedDomains") or ()
        is_carried = not matched or find_covering_entry(compared.server, matched)
        if is_carried and not find_covering_entry(compared.server, excluded):
            yield Risk(ReachabilityRule.RELAY_NOT_PROVED, (RELAY,))


def _check_filters(compared: Comparison) -> _Risks:
    after = compared.after
    denied = after.get("web.denied", ())
    if find_covering_entry(compared.server, denied):
        yield Risk(ReachabilityRule.SERVER_DENIED, ("web.denied",))
    if any(find_covering_entry(host, denied) for host in PUSH_HOSTS):
        yield Risk(ReachabilityRule.PUSH_DENIED, ("web.denied",))
    permitted_before = compared.before.get("web.permitted", ())
    if (
        after.get("web.only_permitted")
        and find_covering_entry(compared.server, permitted_before)
        and not find_covering_entry(compared.server, after.get("web.permitted", ()))
    ):
        yield Risk(ReachabilityRule.SERVER_DENIED, ("web.permitted", "web.only_permitted"))
    for entry in after.get("webcontent-filter", ()):
        addresses = [_find_host(url) or url for url in entry.get("DenyListURLs", ())]
        if find_covering_entry(compared.server, addresses):
            yield Risk(ReachabilityRule.SERVER_DENIED, ("webcontent-filter",))
        if entry.get("FilterType") == "Plugin":
            yield Risk(ReachabilityRule.FILTER_NOT_PROVED, ("webcontent-filter",))
    if (after.get(DELIVERY) or {}).get("kind") == DeliveryKind.PLUGIN:
        yield Risk(ReachabilityRule.FILTER_NOT_PROVED, (DELIVERY,))


def _check_cellular(compared: Comparison) -> _Risks:
    if compared.after.get("cellular") or compared.before.get("cellular"):
        yield Risk(ReachabilityRule.CELLULAR_CHANGED, ("cellular",))


def _check_passcode(compared: Comparison) -> _Risks:
    after = compared.after
    attempts = after.get("maxFailedAttempts", NO_LIMIT_OF_ATTEMPTS)
    if attempts < MIN_ATTEMPTS:
        yield Risk(ReachabilityRule.ERASES_ITSELF_SOON, ("maxFailedAttempts",))
    elif attempts < NO_LIMIT_OF_ATTEMPTS:
        yield Risk(ReachabilityRule.ERASES_ITSELF, ("maxFailedAttempts",))
    days = after.get("maxPINAgeInDays", 0)
    is_asked = after.get("forcePIN") is True or days > 0 or after.get("minLength", 0) > 0
    if is_asked and after.get("allowPasscodeModification") is False:
        keys = ("allowPasscodeModification", "forcePIN", "maxPINAgeInDays", "minLength")
        yield Risk(ReachabilityRule.PASSCODE_IMPOSSIBLE, keys)
    elif 0 < days < MIN_PASSCODE_DAYS:
        yield Risk(ReachabilityRule.PASSCODE_ENDS_SOON, ("maxPINAgeInDays",))


def _check_settings_app(compared: Comparison) -> _Risks:
    if _is_settings_app_hidden(compared.after) and not _is_settings_app_hidden(compared.before):
        yield Risk(ReachabilityRule.SETTINGS_APP_HIDDEN, (SHOWN_APPS, HIDDEN_APPS))


def _is_settings_app_hidden(values: Values) -> bool:
    shown = values.get(SHOWN_APPS)
    return SETTINGS_APP in values.get(HIDDEN_APPS, ()) or (shown is not None and SETTINGS_APP not in shown)


def is_dead_host(host: str) -> bool:
    """Return whether a host name or address can be no server for a tablet: reserved names, loopback, the empty address."""
    name = host.strip("[]. ").lower()
    try:
        address = ip_address(name)
    except ValueError:
        return not TextFormat.HOST.matches(name) or name.rpartition(".")[2] in _DEAD_DOMAINS
    return address.is_loopback or address.is_unspecified or address.is_link_local or address.is_multicast


def _find_host(url: str | None) -> str | None:
    try:
        return urlsplit(url).hostname if url else None
    except ValueError:
        return None


RULES: tuple[Callable[[Comparison], _Risks], ...] = (
    _check_networks,
    _check_proxy,
    _check_vpn,
    _check_names,
    _check_relays,
    _check_filters,
    _check_cellular,
    _check_passcode,
    _check_settings_app,
)
