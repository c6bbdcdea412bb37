"""The web filter that a tablet has, read from the payloads on it: which parts it has, and which of them close a host. Pure.

What a tablet should have is in `payloads`; here its own payloads are judged, which may be older.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from profiles.filters.payloads import DNS, FILTER
from profiles.filters.resolver_access import find_token
from profiles.filters.resolver_filter import ResolverFilter, decide_name
from profiles.filters.rules import HostDecision, find_covering_entry

DNS_DECLARATION = "com.apple.configuration.network.dns-settings"


class FilterPart(StrEnum):
    """A part of the filter of a tablet."""

    BUILT_IN = "built_in"
    PLUGIN = "plugin"
    DNS = "dns"  # of another service
    RESOLVER = "resolver"


@dataclass(frozen=True, slots=True)
class ProvedFilter:
    """The filter of a tablet: the content of its built-in filter and of its resolver's address, None where it has none; whether it has
    a filter app or another DNS service; and the Wi-Fi networks on which the resolver is not asked.
    """

    built_in: Mapping[str, Any] | None = None
    served: ResolverFilter | None = None
    has_plugin: bool = False
    has_other_dns: bool = False
    own_networks: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[FilterPart, ...]:
        """The parts that the tablet has."""
        present = {
            FilterPart.BUILT_IN: self.built_in is not None,
            FilterPart.PLUGIN: self.has_plugin,
            FilterPart.DNS: self.has_other_dns,
            FilterPart.RESOLVER: self.served is not None,
        }
        return tuple(part for part, is_present in present.items() if is_present)

    def list_closing(self, host: str, categories: Iterable[str]) -> tuple[FilterPart, ...]:
        """Return the parts that close a host in these categories, as far as they are known: the lists of other services are not."""
        closing = []
        if self.built_in is not None and _closes(self.built_in, host):
            closing.append(FilterPart.BUILT_IN)
        if self.served is not None and decide_name(self.served, host, categories).decision is HostDecision.BLOCK:
            closing.append(FilterPart.RESOLVER)
        return tuple(closing)


def read_proved_filter(payloads: Iterable[Mapping[str, Any]], served_by_token: Mapping[str, ResolverFilter]) -> ProvedFilter:
    """Return the filter that these payloads of a tablet make."""
    built_in, served, own_networks = None, None, ()
    has_plugin = has_other_dns = False
    for payload in payloads:
        if payload["PayloadType"] == FILTER:
            has_plugin = payload["FilterType"] == "Plugin"
            built_in = None if has_plugin else payload
        elif payload["PayloadType"] in (DNS, DNS_DECLARATION):
            token = find_token(payload["DNSSettings"].get("ServerURL", ""))
            served = served_by_token.get(token or "")
            has_other_dns = served is None
            own_networks = tuple(ssid for rule in payload.get("OnDemandRules", ()) for ssid in rule.get("SSIDMatch", ()))
    return ProvedFilter(built_in, served, has_plugin, has_other_dns, own_networks)


def list_tokens(payloads: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the tokens of the resolver's addresses in these payloads."""
    urls = (each["DNSSettings"].get("ServerURL", "") for each in payloads if each["PayloadType"] in (DNS, DNS_DECLARATION))
    return [token for token in map(find_token, urls) if token is not None]


def _closes(built_in: Mapping[str, Any], host: str) -> bool:
    denied = [urlsplit(url).hostname or "" for url in built_in.get("DenyListURLs", ())]
    if find_covering_entry(host, denied):
        return True
    if "AllowListBookmarks" not in built_in:
        return False
    opened = [urlsplit(each["URL"]).hostname or "" for each in built_in["AllowListBookmarks"]]
    return find_covering_entry(host, opened) is None
