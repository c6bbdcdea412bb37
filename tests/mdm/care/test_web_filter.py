"""What a tablet does with a host is said by what it has proved, with the remedy where that is not what the rules want."""

from __future__ import annotations

from typing import Any

import pytest

from mdm.care.web_filter import Remedy, find_remedy
from mdm.resolver.service import ResolverStatus
from profiles.effective.explain_web import HostExplanation
from profiles.filters.payloads import DNS, FILTER
from profiles.filters.proved_filter import DNS_DECLARATION, FilterPart, ProvedFilter, list_tokens, read_proved_filter
from profiles.filters.resolver_filter import ResolverFilter
from profiles.filters.rules import DeliveryKind, HostDecision, HostVerdict, VerdictReason
from profiles.schedule.modes import Mode

BUILT_IN = {"PayloadType": FILTER, "FilterType": "BuiltIn", "AutoFilterEnabled": True}
DENYING = {**BUILT_IN, "DenyListURLs": ["http://jeux.example", "https://jeux.example"]}
RESOLVER = {"PayloadType": DNS, "DNSSettings": {"DNSProtocol": "HTTPS", "ServerURL": "https://dns.test/f/abc"}}
SERVED = {"abc": ResolverFilter(denied=frozenset({"autre.example"}))}


@pytest.mark.parametrize(
    ("payloads", "host", "categories", "parts", "closing"),
    [
        ([], "jeux.example", [], (), ()),
        ([BUILT_IN], "jeux.example", ["adult"], (FilterPart.BUILT_IN,), ()),
        ([DENYING], "www.jeux.example", [], (FilterPart.BUILT_IN,), (FilterPart.BUILT_IN,)),
        ([{**BUILT_IN, "AllowListBookmarks": [{"URL": "https://a.example"}]}], "b.example", [], (FilterPart.BUILT_IN,), (FilterPart.BUILT_IN,)),
        ([{**BUILT_IN, "AllowListBookmarks": [{"URL": "https://a.example"}]}], "www.a.example", [], (FilterPart.BUILT_IN,), ()),
        ([{"PayloadType": FILTER, "FilterType": "Plugin"}], "jeux.example", [], (FilterPart.PLUGIN,), ()),
        ([DENYING, RESOLVER], "autre.example", [], (FilterPart.BUILT_IN, FilterPart.RESOLVER), (FilterPart.RESOLVER,)),
        ([{**RESOLVER, "PayloadType": DNS_DECLARATION}], "x.example", ["adult"], (FilterPart.RESOLVER,), (FilterPart.RESOLVER,)),
        ([{"PayloadType": DNS, "DNSSettings": {"ServerURL": "https://d.example/q"}}], "x.example", ["adult"], (FilterPart.DNS,), ()),
    ],
)  # fmt: skip
def test_the_payloads_of_a_tablet_say_which_parts_close_a_host(
    payloads: list[dict[str, Any]],
    host: str,
    categories: list[str],
    parts: tuple[FilterPart, ...],
    closing: tuple[FilterPart, ...],
) -> None:
    on_tablet = read_proved_filter(payloads, SERVED)
    assert (on_tablet.parts, on_tablet.list_closing(host, categories)) == (parts, closing)


def test_the_networks_on_which_another_filter_decides_are_read() -> None:
    payload = {**RESOLVER, "OnDemandRules": [{"Action": "Disconnect", "SSIDMatch": ["ecole"]}, {"Action": "Connect"}]}
    assert read_proved_filter([payload], SERVED).own_networks == ("ecole",)
    assert list_tokens([payload, BUILT_IN]) == ["abc"]


def explain(decision: HostDecision, reason: VerdictReason, kind: DeliveryKind) -> HostExplanation:
    is_enough = reason in (VerdictReason.DENIED, VerdictReason.NOT_PERMITTED)
    return HostExplanation("jeux.example", Mode.HOME, (), HostVerdict(decision, reason), kind, is_enough)


BY_SYSTEM, BY_RESOLVER = ProvedFilter(built_in=BUILT_IN), ProvedFilter(built_in=BUILT_IN, served=ResolverFilter())
BLOCK, ALLOW = HostDecision.BLOCK, HostDecision.ALLOW


@pytest.mark.parametrize(
    ("wanted", "on_tablet", "closing", "has_resolver", "supervised", "remedy"),
    [
        ((BLOCK, VerdictReason.DENIED, DeliveryKind.BUILT_IN), BY_SYSTEM, (FilterPart.BUILT_IN,), False, True, None),
        ((BLOCK, VerdictReason.DENIED, DeliveryKind.BUILT_IN), ProvedFilter(), (), False, True, Remedy.WAIT_FOR_PROOF),
        ((BLOCK, VerdictReason.CATEGORY, DeliveryKind.BUILT_IN), BY_SYSTEM, (), False, True, Remedy.SET_UP_RESOLVER),
        ((BLOCK, VerdictReason.BASELINE, DeliveryKind.BUILT_IN), BY_SYSTEM, (), True, True, Remedy.CHOOSE_RESOLVER),
        ((BLOCK, VerdictReason.BASELINE, DeliveryKind.RESOLVER), BY_SYSTEM, (), True, True, Remedy.WAIT_FOR_PROOF),
        ((BLOCK, VerdictReason.BASELINE, DeliveryKind.RESOLVER), BY_SYSTEM, (), False, True, Remedy.SET_UP_RESOLVER),
        ((BLOCK, VerdictReason.DENIED, DeliveryKind.RESOLVER), BY_RESOLVER, (), True, True, Remedy.WAIT_FOR_PROOF),
        ((BLOCK, VerdictReason.DENIED, DeliveryKind.BUILT_IN), ProvedFilter(), (), False, False, Remedy.SUPERVISE),
        ((BLOCK, VerdictReason.CATEGORY, DeliveryKind.PLUGIN), ProvedFilter(has_plugin=True), (), True, True, Remedy.ASK_OTHER_SERVICE),
        ((ALLOW, VerdictReason.DEFAULT, DeliveryKind.BUILT_IN), BY_SYSTEM, (), False, True, None),
        ((ALLOW, VerdictReason.DEFAULT, DeliveryKind.BUILT_IN), BY_SYSTEM, (FilterPart.BUILT_IN,), False, True, Remedy.WAIT_FOR_PROOF),
        ((ALLOW, VerdictReason.ALWAYS_OPEN, DeliveryKind.RESOLVER), BY_RESOLVER, (FilterPart.BUILT_IN,), True, True, None),
    ],
)  # fmt: skip
def test_where_a_tablet_does_not_do_what_is_wanted_the_remedy_is_named(
    wanted: tuple[HostDecision, VerdictReason, DeliveryKind],
    on_tablet: ProvedFilter,
    closing: tuple[FilterPart, ...],
    has_resolver: bool,
    supervised: bool,
    remedy: Remedy | None,
) -> None:
    status = ResolverStatus.ANSWERING if has_resolver else ResolverStatus.NONE
    assert find_remedy(explain(*wanted), on_tablet, closing, is_supervised=supervised, resolver=status) is remedy


def test_while_the_resolver_is_away_nothing_is_called_enforced_where_it_is_in_force() -> None:
    wanted = explain(BLOCK, VerdictReason.DENIED, DeliveryKind.RESOLVER)
    away = {"is_supervised": True, "resolver": ResolverStatus.AWAY}
    assert find_remedy(wanted, BY_RESOLVER, (FilterPart.RESOLVER,), **away) is Remedy.MEND_RESOLVER  # type: ignore[arg-type]
    assert find_remedy(wanted, BY_SYSTEM, (FilterPart.BUILT_IN,), **away) is None  # type: ignore[arg-type]
