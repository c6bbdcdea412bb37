"""The filter's order and its verdicts, with the vectors of docs/domain/filters.md#order."""

from __future__ import annotations

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from profiles.filters.models import DeliveryKind
from profiles.filters.render import DNS, FILTER, payloads
from profiles.filters.rules import FLOOR, MAX_BUILT_IN, Decision, Ground, Words, clean_host, compose, verdict
from profiles.policy.kinds import ALWAYS, LayerKind

TOWN = uuid4()


def words(kind: LayerKind = LayerKind.TOWN, mode: str = ALWAYS, **said: object) -> Words:
    given_words: dict[str, object] = {
        "denied": frozenset(), "permitted": frozenset(), "openable": frozenset(), "categories": {}, "only_permitted": False, **said,
    }  # fmt: skip
    return Words(TOWN, kind, "", mode, **given_words)  # type: ignore[arg-type]


def test_a_host_in_adult_and_in_the_towns_allowances_is_blocked() -> None:
    found = verdict(compose([words(permitted=frozenset({"site.example"}))]), "site.example", ["adult"])
    assert (found.decision, found.ground, found.by) == (Decision.BLOCK, Ground.FLOOR, "adult")


def test_a_sub_domain_of_a_listed_domain_is_blocked() -> None:
    effective = compose([words(denied=frozenset({"jeux.example"}))])
    assert verdict(effective, "www.a.jeux.example", []).by == "jeux.example"
    assert verdict(effective, "autrejeux.example", []).decision is Decision.ALLOW


def test_sexual_education_is_open_by_the_towns_choice_alone() -> None:
    lists = ["adult", "sexual_education"]
    assert verdict(compose([]), "sante.example", lists).decision is Decision.BLOCK
    chosen = compose([words(LayerKind.GRADE, categories={"sexual_education": "allow"})])
    assert verdict(chosen, "sante.example", lists).decision is Decision.ALLOW


def test_a_category_is_blocked_by_the_town_and_opened_by_a_grade_and_never_the_floor() -> None:
    said = [
        words(categories={"games": "block"}),
        words(LayerKind.GRADE, categories={"games": "allow", "adult": "allow", "vpn": "allow"}),
    ]
    effective = compose(said)
    assert verdict(effective, "jeu.example", ["games"]).decision is Decision.ALLOW
    assert verdict(effective, "x.example", ["adult"]).decision is Decision.BLOCK
    assert verdict(effective, "v.example", ["vpn"]).decision is Decision.BLOCK


def test_a_town_permits_what_a_category_blocks_and_a_teacher_only_what_was_marked() -> None:
    base = words(
        categories={"audio-video": "block"}, permitted=frozenset({"lumni.example"}), openable=frozenset({"film.example"})
    )
    effective = compose([base], opened=["film.example", "tube.example"])
    for host, decision in (("lumni.example", Decision.ALLOW), ("film.example", Decision.ALLOW), ("tube.example", Decision.BLOCK)):
        assert verdict(effective, host, ["audio-video"]).decision is decision


def test_only_permitted_hosts_where_a_place_says_so() -> None:
    effective = compose([words(), words(LayerKind.GRADE, only_permitted=True, permitted=frozenset({"ecole.example"}))])
    assert verdict(effective, "www.ecole.example", []).decision is Decision.ALLOW
    assert verdict(effective, "autre.example", []).ground is Ground.NOT_LISTED


_HOSTS = st.frozensets(st.sampled_from(["a.example", "b.example", "c.example"]))


@given(_HOSTS, _HOSTS, st.sampled_from(sorted(FLOOR)), st.sampled_from(["a.example", "b.example"]))
def test_the_floor_always_holds_and_a_denial_is_never_permitted(
    denied: frozenset[str], permitted: frozenset[str], category: str, host: str
) -> None:
    effective = compose([words(denied=denied), words(LayerKind.CLASS, permitted=permitted, categories={category: "allow"})])
    assert verdict(effective, host, [category]).decision is Decision.BLOCK
    if host in denied:
        assert verdict(effective, host, []).decision is Decision.BLOCK
    assert not set(effective.denied) & set(effective.permitted)


def test_the_built_in_filter_says_what_it_cannot_bear() -> None:
    many = frozenset(f"h{number}.example" for number in range(MAX_BUILT_IN + 7))
    made, left_out = payloads(compose([words(denied=many)]), auto=True, kind=DeliveryKind.BUILT_IN, options={}, supervised=True)
    assert len(made[FILTER]["DenyListURLs"]) == 2 * MAX_BUILT_IN
    assert left_out == [f"webFilter: 7 denied hosts beyond {MAX_BUILT_IN}"]


def test_a_list_of_nothing_opens_nothing() -> None:
    made, _ = payloads(compose([words(only_permitted=True)]), auto=True, kind=DeliveryKind.BUILT_IN, options={}, supervised=True)
    assert len(made[FILTER]["AllowListBookmarks"]) == 1


def test_plug_in_and_dns() -> None:
    plugin = {"name": "Filtre", "plugin_bundle_id": "com.vendor.filter", "server_address": "f.example"}
    made, _ = payloads(compose([]), auto=True, kind=DeliveryKind.PLUGIN, options=plugin, supervised=True)
    assert (made[FILTER]["FilterType"], made[FILTER]["FilterBrowsers"]) == ("Plugin", True)
    made, _ = payloads(
        compose([]),
        auto=True,
        kind=DeliveryKind.DNS,
        options={"protocol": "HTTPS", "server": "https://d.example/q"},
        supervised=True,
    )
    assert made[DNS] == {"DNSSettings": {"DNSProtocol": "HTTPS", "ServerURL": "https://d.example/q"}, "ProhibitDisablement": True}
    assert made[FILTER]["FilterType"] == "BuiltIn"


def test_hosts_are_cleaned_or_refused() -> None:
    assert clean_host(" HTTPS://Www.Example.org/path ") == "www.example.org"
    assert [clean_host(text) for text in ("", "no host", "a..b", "-a.example", "x" * 300 + ".fr")] == [None] * 5
