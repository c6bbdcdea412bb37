"""Each rule of reachability finds what it names, in the values that are in force together, and nothing that was there before."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.policy.reachability import ReachabilityRule as Rule
from profiles.policy.reachability import Severity, find_risks
from profiles.policy.reachability_texts import RISK_TEXTS

SERVER = "mdm.ville.fr"
SCHOOL = {"SSID_STR": "ecole", "EncryptionType": "WPA2", "Password": "long enough"}
ONLY = {"forceWiFiToAllowedNetworksOnly": True}


def proxy(host: str, port: int = 3128) -> dict[str, Any]:
    return {"proxy.http.global": {"ProxyType": "Manual", "ProxyServer": host, "ProxyServerPort": port}}


def dns(**server: Any) -> dict[str, Any]:
    return {"dnsSettings.managed": [{"DNSSettings": {"DNSProtocol": "HTTPS", **server}}]}


CASES: list[tuple[dict[str, Any], dict[str, Any], Rule | None]] = [
    ({}, ONLY, Rule.NO_NETWORK),
    ({}, {"forceWiFiWhitelisting": True}, Rule.NO_NETWORK),
    ({}, {**ONLY, "wifi.managed": [{**SCHOOL, "AutoJoin": False}]}, Rule.NO_NETWORK),
    ({}, {**ONLY, "wifi.managed": [SCHOOL]}, Rule.NETWORK_NOT_PROVED),
    ({"wifi.managed": [SCHOOL]}, {**ONLY, "wifi.managed": [SCHOOL]}, None),
    ({**ONLY, "wifi.managed": [SCHOOL]}, ONLY, Rule.NO_NETWORK),
    ({"wifi.managed": [SCHOOL]}, {}, Rule.NETWORK_REMOVED),
    ({"wifi.managed": [SCHOOL]}, {"wifi.managed": [{**SCHOOL, "Password": "another one"}]}, Rule.NETWORK_REMOVED),
    ({"wifi.managed": [SCHOOL]}, {"wifi.managed": [SCHOOL, {"SSID_STR": "annexe"}]}, None),
    ({}, proxy("proxy.ville.fr"), Rule.PROXY_NOT_PROVED),
    ({}, proxy("127.0.0.1"), Rule.PROXY_DEAD),
    ({}, proxy("proxy.invalid"), Rule.PROXY_DEAD),
    ({}, proxy("proxy.ville.fr", 0), Rule.PROXY_DEAD),
    (proxy("proxy.ville.fr"), proxy("proxy.ville.fr"), None),
    ({}, {"proxy.http.global": {"ProxyType": "Auto", "ProxyPACURL": "https://localhost/a.pac"}}, Rule.PROXY_DEAD),
    ({}, {"vpn.managed": [{"UserDefinedName": "v", "VPNType": "AlwaysOn", "AlwaysOn": {"TunnelConfigurations": []}}]},
     Rule.VPN_WITHOUT_SERVER),
    ({}, {"vpn.managed": [{"UserDefinedName": "v", "VPNType": "VPN", "VPN": {"IncludeAllNetworks": 1}}]}, Rule.VPN_NOT_PROVED),
    ({}, {"vpn.managed": [{"UserDefinedName": "v", "VPNType": "VPN", "VPN": {}}]}, None),
    ({}, dns(ServerURL="https://dns.ville.fr/q"), Rule.DNS_NOT_PROVED),
    ({}, dns(ServerURL="https://0.0.0.0/q"), Rule.DNS_DEAD),
    ({}, dns(ServerURL="https://dns.ville.fr/q", SupplementalMatchDomains=["intranet.fr"]), None),
    ({}, {"web.delivery": {"kind": "dns", "protocol": "HTTPS", "server": "https://localhost/q"}}, Rule.DNS_DEAD),
    ({}, {"dnsProxy.managed": {"AppBundleIdentifier": "fr.proxy"}}, Rule.DNS_NOT_PROVED),
    ({}, {"relay.managed": [{"Relays": []}]}, Rule.RELAY_NOT_PROVED),
    ({}, {"relay.managed": [{"Relays": [], "ExcludedDomains": ["ville.fr"]}]}, None),
    ({}, {"web.delivery": {"kind": "plugin", "name": "f", "plugin_bundle_id": "fr.f"}}, Rule.FILTER_NOT_PROVED),
    ({}, {"web.denied": ["ville.fr"]}, Rule.SERVER_DENIED),
    ({}, {"web.denied": ["autre.fr"]}, None),
    ({}, {"web.denied": ["apple.com"]}, Rule.PUSH_DENIED),
    ({"web.permitted": ["ville.fr"]}, {"web.permitted": [], "web.only_permitted": True}, Rule.SERVER_DENIED),
    ({}, {"web.delivery": {"kind": "resolver"}}, Rule.RESOLVER_MISSING),
    ({}, {"cellular": {"AttachAPN": {"Name": "apn"}}}, Rule.CELLULAR_CHANGED),
    ({}, {"maxFailedAttempts": 2}, Rule.ERASES_ITSELF_SOON),
    ({}, {"maxFailedAttempts": 10}, Rule.ERASES_ITSELF),
    ({}, {"maxFailedAttempts": 11}, None),
    ({"maxFailedAttempts": 10}, {"maxFailedAttempts": 5}, Rule.ERASES_ITSELF_SOON),
    ({}, {"forcePIN": True, "allowPasscodeModification": False}, Rule.PASSCODE_IMPOSSIBLE),
    ({"forcePIN": True}, {"forcePIN": True, "allowPasscodeModification": False}, Rule.PASSCODE_IMPOSSIBLE),
    ({}, {"maxPINAgeInDays": 1}, Rule.PASSCODE_ENDS_SOON),
    ({}, {"blockedAppBundleIDs": ["com.apple.Preferences"]}, Rule.SETTINGS_APP_HIDDEN),
    ({}, {"allowListedAppBundleIDs": ["com.apple.mobilenotes"]}, Rule.SETTINGS_APP_HIDDEN),
    ({}, {"allowListedAppBundleIDs": ["com.apple.Preferences"]}, None),
    ({"allowListedAppBundleIDs": ["a.b"]}, {"allowListedAppBundleIDs": ["a.b", "a.c"]}, None),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "rule"), CASES)
def test_a_rule_finds_what_it_names(before: dict[str, Any], after: dict[str, Any], rule: Rule | None) -> None:
    assert {risk.rule for risk in find_risks(before, after, SERVER)} == ({rule} if rule else set())
    assert find_risks(after, after, SERVER) == [], "what is in force already is not found again"


def test_every_rule_has_a_case_and_texts_in_every_language() -> None:
    assert {rule for _, _, rule in CASES} - {None} == set(Rule)
    assert set(RISK_TEXTS) == set(Rule)


def test_what_cannot_be_taken_back_is_refused() -> None:
    risks = {risk.rule: risk.severity for _, after, _ in CASES for risk in find_risks({}, after, SERVER)}
    assert {rule for rule, severity in risks.items() if severity is Severity.REFUSED} == {
        Rule.NO_NETWORK, Rule.PROXY_DEAD, Rule.VPN_WITHOUT_SERVER, Rule.DNS_DEAD, Rule.RESOLVER_MISSING, Rule.SERVER_DENIED,
        Rule.PUSH_DENIED, Rule.ERASES_ITSELF_SOON, Rule.PASSCODE_IMPOSSIBLE,
    }  # fmt: skip


def test_a_town_may_choose_the_resolver_of_an_installation_that_has_one() -> None:
    chosen = {"web.delivery": {"kind": "resolver"}}
    assert [risk.rule for risk in find_risks({}, chosen, SERVER, has_resolver=True)] == [Rule.DNS_NOT_PROVED]
