"""What the index and the stores say of a filter, and the configuration that is made for both programs."""

from __future__ import annotations

from pathlib import Path

from mdm.resolver.configuration import EngineSettings, render_dnsdist, render_unbound
from mdm.resolver.name_sets import build_filter_records
from mdm.resolver.plans import build_plan
from profiles.filters.resolver_filter import BYPASS_HOSTS, ResolverFilter
from profiles.filters.rules import RestrictedVideo

ENGINE = EngineSettings(Path("/var/lib/cartable/resolver"), "0.0.0.0", 8453, 5353)


def test_a_record_says_what_is_said_of_the_names_above_it() -> None:
    rules = ResolverFilter(
        denied=frozenset({"bad.example"}), permitted=frozenset({"www.bad.example"}), always_open=frozenset({"icloud.com"})
    )
    records = dict(build_filter_records(rules))
    assert records[b"www.bad.example"] == b"DP"
    assert records[b"bad.example"] == b"D"
    assert records[b"mask.icloud.com"] == b"BA"
    assert list(records) == sorted(records)
    assert {host.encode() for host in BYPASS_HOSTS} <= records.keys()


def test_a_plan_names_only_the_stores_that_close_something() -> None:
    stores = {"adult": "11", "games": "22", "press": "33", "special": "44", "sexual_education": "55"}
    rules = ResolverFilter(blocked_categories=frozenset({"games", "special"}), restricted_video=RestrictedVideo.STRICT)
    plan = build_plan("00", rules, stores)
    assert plan.render() == b"names=00 floor=adult:11 others=games:22 video=strict"
    assert plan.list_stores() == {"00", "11", "22"}


def test_a_permitted_category_rescues_only_where_it_is_permitted() -> None:
    stores = {"adult": "11", "sexual_education": "55"}
    rules = ResolverFilter(permitted_categories=frozenset({"sexual_education"}), only_permitted=True)
    assert build_plan("00", rules, stores).render() == b"names=00 floor=adult:11 rescuing=55 only=1"


def test_a_path_with_quotes_stays_one_text() -> None:
    engine = EngineSettings(Path('/srv/l"école\\x'), "::1", 8453, 5353)
    assert 'FOLDER = "/srv/l\\"école\\\\x"' in render_dnsdist(engine)
    assert 'addDOHLocal("[::1]:8453"' in render_dnsdist(engine)


def test_answers_are_validated_where_unbound_asks_the_internet_itself() -> None:
    assert "validator" not in render_unbound(ENGINE)
    assert 'module-config: "iterator"' in render_unbound(ENGINE)
    own = EngineSettings(Path("/x"), "::", 8453, 5353, trust_anchor=Path("/x/root.key"), include=Path("/etc/town.conf"))
    assert 'auto-trust-anchor-file: "/x/root.key"' in render_unbound(own)
    assert 'include: "/etc/town.conf"' in render_unbound(own)
