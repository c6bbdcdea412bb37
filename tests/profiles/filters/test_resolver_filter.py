"""The filter of one address of the resolver: its canonical form, its decision on a name, and how addresses are stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartable.clock import ManualClock
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Town
from profiles.filters.address_repository import AddressContent, FilterAddressRepository
from profiles.filters.resolver_filter import ResolverFilter, decide_name
from profiles.filters.rules import BYPASS_CATEGORIES, LEGAL_CATEGORIES, HostDecision, RestrictedVideo, VerdictReason
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
    lesson_hosts=st.none() | HOSTS,
    guardian_hosts=st.none() | HOSTS,
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
        ({"lesson_hosts": set(), "permitted": {"jeu.example"}}, "jeu.example", [], VerdictReason.LESSON),
        ({"guardian_hosts": {"lumni.example"}, "opened": {"jeu.example"}}, "jeu.example", [], VerdictReason.GUARDIAN),
        ({"guardian_hosts": {"jeu.example"}, "blocked_categories": {"games"}}, "jeu.example", ["games"], VerdictReason.CATEGORY),
        ({"guardian_hosts": {"jeu.example"}}, "www.jeu.example", ["adult"], VerdictReason.BASELINE),
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


def _save(work: UnitOfWork, town: Town, filters: Mapping[str, ResolverFilter], now: datetime) -> None:
    contents = {key: AddressContent(town.id, f"token of {key}", served) for key, served in filters.items()}
    FilterAddressRepository(work.session).save_contents(contents, now)


def test_a_changed_host_changes_no_address(work: UnitOfWork, town: Town, clock: ManualClock) -> None:
    addresses, before = FilterAddressRepository(work.session), clock.now()
    home, lesson = ResolverFilter(denied=frozenset({"a.example"})), ResolverFilter(only_permitted=True)
    _save(work, town, {"home": home, "class": lesson}, before)
    clock.advance(timedelta(minutes=1))
    _save(work, town, {"home": dataclasses.replace(home, denied=frozenset({"b.example"})), "class": lesson}, clock.now())
    rows = addresses.find_by_tokens(town.id, ["token of home", "token of class", "token of another"])
    assert {token: row.changed_at for token, row in rows.items()} == {"token of home": clock.now(), "token of class": before}
    served = {each.token: each.content_sha256 for each in addresses.list_served()}
    assert addresses.load_filters([served["token of home"]])[served["token of home"]].denied == {"b.example"}


def test_an_address_that_is_needed_no_more_is_deleted(work: UnitOfWork, town: Town) -> None:
    addresses = FilterAddressRepository(work.session)
    _save(work, town, {"old": ResolverFilter(), "used": ResolverFilter()}, work.now)
    _save(work, town, {"new": ResolverFilter(), "used": ResolverFilter()}, work.now + timedelta(days=60))
    assert addresses.delete_unused(work.now + timedelta(days=30), 10) == 1
    assert {each.token for each in addresses.list_served()} == {"token of new", "token of used"}


def test_saving_many_filters_takes_two_statements_and_one_without_a_change(
    runtime: Runtime, work: UnitOfWork, town: Town
) -> None:
    filters = {f"key {number}": ResolverFilter(denied=frozenset({f"h{number}.example"})) for number in range(50)}
    with count_statements(runtime.engine) as statements:
        _save(work, town, filters, work.now)
    assert len(statements) == 2
    with count_statements(runtime.engine) as statements:
        _save(work, town, filters, work.now)
    assert len(statements) == 1


def test_two_workers_store_the_same_new_address(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
    for denied in ("a.example", "b.example"):
        with runtime.open_unit_of_work() as work:
            repository = FilterAddressRepository(work.session)
            content = AddressContent(town.id, "token", ResolverFilter(denied=frozenset({denied})))
            repository._merge([repository._build_row("key", content, work.now)])
    with runtime.open_unit_of_work() as work:
        [row] = FilterAddressRepository(work.session).find_by_tokens(town.id, ["token"]).values()
        assert row.filter["denied"] == ["b.example"]
