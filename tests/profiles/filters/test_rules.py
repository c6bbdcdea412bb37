"""The filter's order and its verdicts (docs/domain/filters.md#order), and what each delivery carries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.catalog.hosts import clean_host, display_host
from profiles.filters.payloads import DNS, FILTER, build_filter_payloads
from profiles.filters.rules import (
    LEGAL_CATEGORIES,
    MAX_BUILT_IN,
    EffectiveFilter,
    HostDecision,
    VerdictReason,
    compare_filters,
    compose_filter,
    judge_host,
)

PLUGIN = {"kind": "plugin", "name": "Filtre", "plugin_bundle_id": "com.vendor.filter", "server_address": "f.example"}


def web(unlocked: tuple[str, ...] = (), **settings: Any) -> EffectiveFilter:
    """A filter of `web.*` settings."""
    return compose_filter({f"web.{key}": value for key, value in settings.items()}, unlocked)


def test_a_host_in_adult_and_in_the_towns_permissions_is_blocked() -> None:
    verdict = judge_host(web(permitted=["site.example"]), "site.example", ["adult"])
    assert (verdict.decision, verdict.reason, verdict.decided_by) == (HostDecision.BLOCK, VerdictReason.BASELINE, "adult")


def test_a_sub_domain_of_a_listed_domain_is_blocked() -> None:
    effective = web(denied=["jeux.example"])
    assert judge_host(effective, "www.a.jeux.example", []).decided_by == "jeux.example"
    assert judge_host(effective, "autrejeux.example", []).decision is HostDecision.ALLOW


def test_sexual_education_is_open_by_the_towns_choice_alone() -> None:
    lists = ["adult", "sexual_education"]
    assert judge_host(web(), "sante.example", lists).decision is HostDecision.BLOCK
    chosen = web(permitted_categories=["sexual_education"])
    assert judge_host(chosen, "sante.example", lists).decision is HostDecision.ALLOW


def test_categories_of_the_baseline_are_never_permitted() -> None:
    effective = web(permitted_categories=["games", "adult", "vpn"])
    assert judge_host(effective, "jeu.example", ["games"]).decision is HostDecision.ALLOW
    assert judge_host(effective, "x.example", ["adult"]).decision is HostDecision.BLOCK
    assert judge_host(effective, "v.example", ["vpn"]).decision is HostDecision.BLOCK


def test_a_town_permits_what_a_category_blocks_and_a_teacher_only_what_was_marked() -> None:
    effective = web(
        ("film.example", "tube.example"),
        blocked_categories=["audio-video"],
        permitted=["lumni.example"],
        teacher_unlockable=["film.example"],
    )
    for host, decision in (
        ("lumni.example", HostDecision.ALLOW),
        ("film.example", HostDecision.ALLOW),
        ("tube.example", HostDecision.BLOCK),
    ):
        assert judge_host(effective, host, ["audio-video"]).decision is decision


def test_nothing_but_permitted_hosts() -> None:
    effective = web(only_permitted=True, permitted=["ecole.example"])
    assert judge_host(effective, "www.ecole.example", []).decision is HostDecision.ALLOW
    assert judge_host(effective, "autre.example", []).reason is VerdictReason.NOT_PERMITTED


_HOSTS = st.lists(st.sampled_from(["a.example", "b.example", "c.example"]), unique=True)


@given(_HOSTS, _HOSTS, st.sampled_from(sorted(LEGAL_CATEGORIES)), st.sampled_from(["a.example", "b.example"]))
def test_the_baseline_always_holds_and_what_is_denied_is_never_permitted(
    denied: list[str], permitted: list[str], category: str, host: str
) -> None:
    effective = web(denied=denied, permitted=permitted, permitted_categories=[category])
    assert judge_host(effective, host, [category]).decision is HostDecision.BLOCK
    if host in denied:
        assert judge_host(effective, host, []).decision is HostDecision.BLOCK
    assert not set(effective.denied) & set(effective.permitted)


def test_the_built_in_filter_names_what_it_cannot_carry() -> None:
    many = [f"h{number}.example" for number in range(MAX_BUILT_IN + 7)]
    payloads, left_out = build_filter_payloads(web(denied=many), supervised=True)
    assert len(payloads[FILTER]["DenyListURLs"]) == 2 * MAX_BUILT_IN
    assert left_out == [f"web.denied: 7 hosts beyond {MAX_BUILT_IN}"]
    _, left_out = build_filter_payloads(web(blocked_categories=["games"], safe_search=True), supervised=True)
    assert left_out == ["web.blocked_categories", "web.safe_search"]
    payloads, left_out = build_filter_payloads(web(denied=["a.example"]), supervised=False)
    assert (payloads, left_out) == ({}, ["web.denied"])


def test_a_list_of_nothing_opens_nothing() -> None:
    payloads, _ = build_filter_payloads(web(only_permitted=True), supervised=True)
    assert len(payloads[FILTER]["AllowListBookmarks"]) == 1


def test_a_filter_app_takes_the_place_of_the_built_in_filter_and_its_hosts_are_shown_as_left_out() -> None:
    effective = web(delivery=PLUGIN, denied=["jeux.example"], permitted=["ecole.example"], only_permitted=True)
    payloads, left_out = build_filter_payloads(effective, supervised=True)
    assert (payloads[FILTER]["FilterType"], payloads[FILTER]["FilterBrowsers"]) == ("Plugin", True)
    assert left_out == ["web.denied", "web.permitted", "web.only_permitted"]


def test_dns_stands_beside_the_built_in_filter() -> None:
    dns = {"kind": "dns", "protocol": "HTTPS", "server": "https://d.example/q"}
    payloads, _ = build_filter_payloads(web(delivery=dns), supervised=True)
    assert payloads[DNS] == {
        "DNSSettings": {"DNSProtocol": "HTTPS", "ServerURL": "https://d.example/q"},
        "ProhibitDisablement": True,
    }
    assert payloads[FILTER]["FilterType"] == "BuiltIn"


def test_what_opens_and_closes_from_one_filter_to_another() -> None:
    before = web(denied=["a.example"], blocked_categories=["games"], permitted=["b.example"])
    after = web(denied=["c.example"], blocked_categories=["press"], only_permitted=True)
    assert compare_filters(before, after) == (
        ["a.example", "category:games"],
        ["*", "b.example", "c.example", "category:press"],
    )


def test_hosts_are_cleaned_or_refused() -> None:
    assert clean_host(" HTTPS://Www.Example.org/path ") == "www.example.org"
    assert [clean_host(text) for text in ("", "no host", "a..b", "-a.example", "x" * 300 + ".fr")] == [None] * 5


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("https://www.École.example/page", "www.xn--cole-9oa.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("xn--cole-9oa.example", "xn--cole-9oa.example"),
        ("a\u200d.example", None),
        ("..", None),
    ],
)
def test_a_host_is_looked_up_as_lists_and_resolvers_write_it(typed: str, host: str | None) -> None:
    assert clean_host(typed) == host


def test_a_host_is_shown_with_its_letters_and_taken_back_as_it_was() -> None:
    assert clean_host("https://École.example/menu") == "xn--cole-9oa.example"
    assert display_host("xn--cole-9oa.example") == "école.example"
    assert clean_host(display_host("xn--cole-9oa.example")) == "xn--cole-9oa.example"
    assert display_host("xn--a.example") == "xn--a.example", "what stands for no letters stays"
