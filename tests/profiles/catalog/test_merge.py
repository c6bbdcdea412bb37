"""Properties of the merge: order, denies, locks, the safety baseline, and an explanation that matches the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profiles.catalog.diff import diff
from profiles.catalog.merge import Layer, Standing, resolve
from profiles.catalog.settings import MergeRule, Setting, ValueKind, load_catalog

CATALOG = load_catalog()
_BOOLEANS = sorted(key for key, each in CATALOG.items() if each.merge_rule is MergeRule.ALL)[:6]
_FORCES = sorted(key for key, each in CATALOG.items() if each.merge_rule is MergeRule.ANY)[:3]
_NUMBERS = sorted(key for key, each in CATALOG.items() if each.merge_rule in (MergeRule.SMALLEST, MergeRule.LARGEST))[:3]
_LISTS = ["allowListedAppBundleIDs", "blockedAppBundleIDs"]
_APPS = st.lists(st.sampled_from(["a.a", "b.b", "c.c", "d.d"]), min_size=1, unique=True)


def _value(setting: Setting) -> st.SearchStrategy[Any]:
    if setting.kind is ValueKind.BOOLEAN:
        return st.booleans()
    return _APPS if setting.kind is ValueKind.STRINGS else st.integers(0, 5)


_VALUES = st.fixed_dictionaries({}, optional={key: _value(CATALOG[key]) for key in [*_BOOLEANS, *_FORCES, *_NUMBERS, *_LISTS]})


@st.composite
def layers(draw: st.DrawFn, count: int = 5) -> list[Layer]:
    made = []
    for number in range(draw(st.integers(1, count))):
        values = draw(_VALUES)
        locks = frozenset(draw(st.lists(st.sampled_from(sorted(values)), unique=True))) if values else frozenset()
        made.append(Layer(f"layer {number}", draw(st.integers(0, 4)), values, locks, binding=draw(st.booleans())))
    return made


_STRICTER: dict[MergeRule, Callable[[Any, Any], bool]] = {
    MergeRule.ALL: lambda value, than: not value or than,
    MergeRule.ANY: lambda value, than: value or not than,
    MergeRule.SMALLEST: lambda value, than: value <= than,
    MergeRule.LARGEST: lambda value, than: value >= than,
    MergeRule.INTERSECTION: lambda value, than: set(value) <= set(than),
    MergeRule.UNION: lambda value, than: set(value) >= set(than),
    MergeRule.AGREE: lambda value, than: value == than,
}


def stricter_or_equal(key: str, value: Any, than: Any) -> bool:
    """Whether a value permits nothing that the other forbids."""
    return _STRICTER[CATALOG[key].merge_rule](value, than)


@given(layers(), st.randoms())
def test_the_order_of_layers_never_matters(given_layers: list[Layer], random: Any) -> None:
    shuffled = list(given_layers)
    random.shuffle(shuffled)
    assert resolve(shuffled, CATALOG) == resolve(given_layers, CATALOG)


@given(layers(), st.sampled_from(_BOOLEANS), st.integers(0, 4), st.booleans())
def test_adding_a_deny_never_allows(given_layers: list[Layer], key: str, depth: int, binding: bool) -> None:
    before = resolve(given_layers, CATALOG)
    after = resolve([*given_layers, Layer("new", depth, {key: False}, binding=binding)], CATALOG)
    if key in before:
        assert stricter_or_equal(key, after[key].value, before[key].value)


@given(layers())
def test_a_lock_is_never_loosened_and_the_floor_always_holds(given_layers: list[Layer]) -> None:
    result = resolve(given_layers, CATALOG)
    for layer in given_layers:
        for key, value in layer.values.items():
            if layer.binds(key) and CATALOG[key].merge_rule is not MergeRule.AGREE:
                assert stricter_or_equal(key, result[key].value, value)


@given(layers())
def test_the_winner_of_the_explanation_is_the_value(given_layers: list[Layer]) -> None:
    for each in resolve(given_layers, CATALOG).values():
        wins = [voice for voice in each.voices if voice.standing is Standing.WINS]
        for voice in wins:
            assert voice.value == each.value or sorted(voice.value) == each.value
        if CATALOG[each.key].kind is not ValueKind.STRINGS:
            assert wins
        assert each.winners
        assert len(each.voices) == len({layer.name for layer in given_layers if each.key in layer.values})


@given(layers())
def test_an_open_choice_of_the_narrowest_holds_where_nothing_binds(given_layers: list[Layer]) -> None:
    for key, each in resolve(given_layers, CATALOG).items():
        said = [layer for layer in given_layers if key in layer.values]
        if any(layer.binds(key) for layer in said) or CATALOG[key].merge_rule is MergeRule.UNION:
            continue
        narrowest = max(layer.depth for layer in said)
        chosen = [layer for layer in said if layer.depth == narrowest]
        if len(chosen) == 1 and CATALOG[key].kind is not ValueKind.STRINGS:
            assert each.value == chosen[0].values[key]


@given(layers(), layers())
def test_a_difference_names_exactly_what_differs(one: list[Layer], other: list[Layer]) -> None:
    before, after = resolve(one, CATALOG), resolve(other, CATALOG)
    changed = {change.key for change in diff(before, after)}
    for key in {*before, *after}:
        same = key in before and key in after and before[key].value == after[key].value
        assert (key in changed) is not same


def test_a_class_may_open_what_the_town_closed_without_a_lock_and_not_what_it_locked() -> None:
    floor = Layer("operator", 0, {"allowVPNCreation": False}, binding=True)
    town = Layer("town", 1, {"allowCamera": False, "allowChat": False}, frozenset({"allowChat"}))
    school_class = Layer("class", 5, {"allowCamera": True, "allowChat": True, "allowVPNCreation": True})
    found = resolve([school_class, town, floor], CATALOG)
    assert {key: each.value for key, each in found.items()} == {
        "allowCamera": True,
        "allowChat": False,
        "allowVPNCreation": False,
    }
    assert found["allowCamera"].losers == ("town",)
    assert [voice.standing for voice in found["allowChat"].voices] == [Standing.WINS, Standing.LOOSER]
