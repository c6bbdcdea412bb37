"""The filter of one address of the resolver: its canonical form, its decision on a name, and how addresses are stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartable.clock import ManualClock
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Town
from profiles.filters.address_repository import FilterAddressRepository
from profiles.filters.resolver_filter import ResolverFilter, RestrictedVideo, decide_name
from profiles.filters.rules import BYPASS_CATEGORIES, LEGAL_CATEGORIES, HostDecision, VerdictReason
from tests.support.statements import count_statements
from tests.support.world import TownFactory

HOSTS = st.frozensets(st.sampled_from(["a.example", "b.example", "www.a.example", "c.test"]))
FILTERS = st.builds(
    ResolverFilter,
    denied=HOSTS,
    permitted=HOSTS,
    opened=HOSTS,
    blocked_categories=st.frozensets(st.sampled_from(["games", "adult"])),
    permitted_categories=st.frozensets(st.sampled_from(["sexual_education", "adult"])),
    only_permitted=st.booleans(),
    safe_search=st.booleans(),
    restricted_video=st.sampled_from(RestrictedVideo),
    always_open=HOSTS,
)


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    with runtime.open_unit_of_work() as opened:
        yield opened


@pytest.fixture
def town(work: UnitOfWork) -> Town:
    return TownFactory(work).create_town()


@given(FILTERS)
def test_a_filter_is_read_back_from_its_json(rules: ResolverFilter) -> None:
    again = ResolverFilter.from_json(rules.to_json())
    assert again == rules
    assert again.hash_content() == rules.hash_content()


@given(FILTERS)
def test_no_filter_opens_what_is_closed_to_every_child(rules: ResolverFilter) -> None:
    assert rules.blocked_categories >= LEGAL_CATEGORIES | BYPASS_CATEGORIES
    verdict = decide_name(dataclasses.replace(rules, always_open=frozenset()), "www.a.example", ["adult"])
    assert (verdict.decision, verdict.reason) == (HostDecision.BLOCK, VerdictReason.BASELINE)


@pytest.mark.parametrize(
    ("rules", "host", "lists", "reason"),
    [
        ({"always_open": {"apple.com"}, "denied": {"apple.com"}}, "gateway.push.apple.com", ["adult"], VerdictReason.ALWAYS_OPEN),
        ({"always_open": {"icloud.com"}}, "mask.icloud.com", [], VerdictReason.BYPASS_HOST),
        ({"opened": {"jeu.example"}}, "www.jeu.example", ["games"], VerdictReason.PERMITTED),
        ({"denied": {"jeu.example"}, "opened": {"jeu.example"}}, "jeu.example", [], VerdictReason.DENIED),
        ({"blocked_categories": {"games"}}, "jeu.example", ["games"], VerdictReason.CATEGORY),
        ({"only_permitted": True, "permitted": {"lumni.example"}}, "jeu.example", [], VerdictReason.NOT_PERMITTED),
        ({}, "jeu.example", ["games"], VerdictReason.DEFAULT),
    ],
)
def test_the_first_rule_that_speaks_of_a_name_decides(
    rules: dict[str, Any], host: str, lists: list[str], reason: VerdictReason
) -> None:
    values: dict[str, Any] = {name: frozenset(value) if isinstance(value, set) else value for name, value in rules.items()}
    assert decide_name(ResolverFilter(**values), host, lists).reason is reason


def test_a_changed_host_changes_no_address(work: UnitOfWork, town: Town, clock: ManualClock) -> None:
    addresses = FilterAddressRepository(work.session)
    home = ResolverFilter(denied=frozenset({"a.example"}))
    first = addresses.save_filters(town.id, {"home": home, "class": ResolverFilter(only_permitted=True)}, work.now)
    clock.advance(timedelta(minutes=1))
    later = addresses.save_filters(
        town.id,
        {"home": dataclasses.replace(home, denied=frozenset({"b.example"})), "class": ResolverFilter(only_permitted=True)},
        clock.now(),
    )
    assert later == first
    assert len(first["home"]) == 27
    rows = addresses.list_by_keys(town.id, ["home", "class"])
    assert (rows["home"].changed_at, rows["class"].changed_at) == (clock.now(), clock.now() - timedelta(minutes=1))
    served = {each.token: each.content_sha256 for each in addresses.list_served()}
    assert addresses.load_filters([served[first["home"]]])[served[first["home"]]].denied == {"b.example"}


def test_an_address_that_is_needed_no_more_is_deleted(work: UnitOfWork, town: Town) -> None:
    addresses = FilterAddressRepository(work.session)
    addresses.save_filters(town.id, {"old": ResolverFilter()}, work.now)
    addresses.save_filters(town.id, {"new": ResolverFilter()}, work.now + timedelta(days=60))
    assert addresses.delete_unused(work.now + timedelta(days=30)) == 1
    assert set(addresses.list_by_keys(town.id, ["old", "new"])) == {"new"}


def test_saving_many_filters_that_did_not_change_takes_two_statements(runtime: Runtime, work: UnitOfWork, town: Town) -> None:
    addresses = FilterAddressRepository(work.session)
    filters = {f"key {number}": ResolverFilter(denied=frozenset({f"h{number}.example"})) for number in range(50)}
    addresses.save_filters(town.id, filters, work.now)
    with count_statements(runtime.engine) as statements:
        addresses.save_filters(town.id, filters, work.now)
    assert len(statements) == 2
