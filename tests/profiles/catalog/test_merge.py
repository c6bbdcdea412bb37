"""The walk from the widest place to the narrowest, by its properties: order, denies, locks, the baseline, and its explanation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profiles.catalog.diff import diff
from profiles.catalog.merge import Constraint, PolicySource, StepOutcome, resolve
from profiles.catalog.settings import MergeRule, Setting, ValueKind, load_catalog
from tests.profiles.catalog.strictness import is_at_least_as_strict

CATALOG = load_catalog()
_BOOLEANS = sorted(key for key, each in CATALOG.items() if each.merge_rule is MergeRule.ALL)[:6]
_FORCES = sorted(key for key, each in CATALOG.items() if each.merge_rule is MergeRule.ANY)[:3]
_NUMBERS = sorted(key for key, each in CATALOG.items() if each.merge_rule in (MergeRule.SMALLEST, MergeRule.LARGEST))[:3]
_LISTS = ["allowListedAppBundleIDs", "blockedAppBundleIDs", "web.denied", "web.permitted", "apps.available"]
_CATEGORIES = ["web.blocked_categories", "web.permitted_categories"]
_KEYS = [*_BOOLEANS, *_FORCES, *_NUMBERS, *_LISTS, *_CATEGORIES]
#: Denying a category takes it out of what is permitted, and permitting it out of what is blocked: neither is a plain choice.
_PLAIN_KEYS = [*_BOOLEANS, *_FORCES, *_NUMBERS, *_LISTS]
_ENTRIES = st.lists(st.sampled_from(["a.a", "b.b", "c.c", "d.d"]), min_size=1, unique=True)


def value_of(setting: Setting) -> st.SearchStrategy[Any]:
    """Values of a setting."""
    if setting.kind is ValueKind.BOOLEAN:
        return st.booleans()
    return _ENTRIES if setting.kind is ValueKind.STRINGS else st.integers(0, 5)


_VALUES = st.fixed_dictionaries({}, optional={key: value_of(CATALOG[key]) for key in _KEYS})


@st.composite
def policies(draw: st.DrawFn, count: int = 5) -> list[PolicySource]:
    """Sources of several widths, some of them equal, with locks."""
    sources = []
    for number in range(draw(st.integers(1, count))):
        values = draw(_VALUES)
        locks = frozenset(draw(st.lists(st.sampled_from(sorted(values)), unique=True))) if values else frozenset()
        sources.append(PolicySource(f"source {number}", draw(st.integers(0, 4)), values, locks))
    return sources


def resolve_values(sources: list[PolicySource], *constraints: Constraint) -> dict[str, Any]:
    """The values in force."""
    return {key: resolved.value for key, resolved in resolve(sources, constraints, CATALOG).items()}


@given(policies(), st.randoms())
def test_the_order_of_sources_never_matters(sources: list[PolicySource], random: Any) -> None:
    shuffled = list(sources)
    random.shuffle(shuffled)
    assert resolve(shuffled, (), CATALOG) == resolve(sources, (), CATALOG)


@given(policies(), st.sampled_from(_BOOLEANS), st.integers(0, 4), st.booleans())
def test_adding_a_deny_never_allows(sources: list[PolicySource], key: str, depth: int, locked: bool) -> None:
    before = resolve_values(sources)
    deny = PolicySource("new", depth, {key: False}, frozenset({key}) if locked else frozenset())
    after = resolve_values([*sources, deny])
    if key in before:
        assert is_at_least_as_strict(CATALOG[key], after[key], before[key])


@given(policies(), _ENTRIES, st.sampled_from(["web.denied", "web.blocked_categories"]), st.integers(0, 4))
def test_adding_to_a_list_that_forbids_never_permits(
    sources: list[PolicySource], entries: list[str], key: str, depth: int
) -> None:
    before, after = resolve_values(sources), resolve_values([*sources, PolicySource("new", depth, {key: entries})])
    assert is_at_least_as_strict(CATALOG[key], after[key], before.get(key, []))
    permitted = "web.permitted_categories"
    assert is_at_least_as_strict(CATALOG[permitted], after.get(permitted, []), before.get(permitted, []))


@given(policies(), st.data())
def test_adding_a_lock_never_loosens_and_changes_nothing_for_its_own_place(
    sources: list[PolicySource], data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(sources) - 1))
    source = sources[number]
    if not source.values:
        return
    key = data.draw(st.sampled_from(sorted(source.values)))
    locked = [*sources[:number], replace(source, locks=source.locks | {key}), *sources[number + 1 :]]
    before, after = resolve_values(sources), resolve_values(locked)
    assert is_at_least_as_strict(CATALOG[key], after[key], before[key])
    up_to = [each for each in locked if each.depth <= source.depth]
    assert resolve_values(up_to) == resolve_values([each for each in sources if each.depth <= source.depth])


@given(policies(), st.data())
def test_a_locked_value_is_never_loosened_by_a_narrower_place(sources: list[PolicySource], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(_PLAIN_KEYS))
    value = data.draw(value_of(CATALOG[key]))
    widest = PolicySource("widest", -1, {key: value}, frozenset({key}))
    assert is_at_least_as_strict(CATALOG[key], resolve_values([widest, *sources])[key], value)


@given(policies(), _VALUES)
def test_a_constraint_always_holds(sources: list[PolicySource], values: dict[str, Any]) -> None:
    bounded = resolve_values(sources, Constraint("baseline", values))
    for key, value in values.items():
        assert is_at_least_as_strict(CATALOG[key], bounded[key], value)


@given(policies())
def test_what_the_catalogue_does_not_know_adds_nothing(sources: list[PolicySource]) -> None:
    unknown = PolicySource("unknown", 9, {"allowTimeTravel": False}, frozenset({"allowTimeTravel"}))
    assert resolve([*sources, unknown], (), CATALOG) == resolve(sources, (), CATALOG)


@given(policies(), _VALUES)
def test_the_explanation_has_a_step_for_every_source_and_names_who_decides(
    sources: list[PolicySource], values: dict[str, Any]
) -> None:
    for resolved in resolve(sources, (Constraint("baseline", values),), CATALOG).values():
        named = [source.name for source in sources if resolved.key in source.values]
        named += ["baseline"] if resolved.key in values else []
        assert sorted(step.source for step in resolved.steps) == sorted(named)
        for step in resolved.steps:
            if step.outcome is StepOutcome.CHOSEN:
                assert step.value == resolved.value or sorted(step.value) == resolved.value
            if step.outcome in (StepOutcome.REPLACED, StepOutcome.BOUNDED):
                assert step.by, (resolved, step)
        if CATALOG[resolved.key].kind is not ValueKind.STRINGS and resolved.steps:
            assert any(step.outcome is StepOutcome.CHOSEN for step in resolved.steps)


@given(policies())
def test_the_narrowest_chooses_where_nothing_is_locked(sources: list[PolicySource]) -> None:
    unlocked = [replace(source, locks=frozenset()) for source in sources]
    for key, value in resolve_values(unlocked).items():
        naming = [source for source in unlocked if key in source.values]
        if CATALOG[key].adds_up or CATALOG[key].opposite or not naming:
            continue
        narrowest = max(source.depth for source in naming)
        chosen = [source.values[key] for source in naming if source.depth == narrowest]
        if len(chosen) == 1:
            assert value == (sorted(chosen[0]) if isinstance(chosen[0], list) else chosen[0])


@given(policies(), policies())
def test_a_difference_names_exactly_what_differs(one: list[PolicySource], other: list[PolicySource]) -> None:
    before, after = resolve(one, (), CATALOG), resolve(other, (), CATALOG)
    changed = {change.key for change in diff(before, after)}
    for key in {*before, *after}:
        same = key in before and key in after and before[key].value == after[key].value
        assert (key in changed) is not same


def test_a_class_may_open_what_the_town_closed_without_a_lock_and_not_what_it_locked() -> None:
    baseline = Constraint("baseline", {"allowVPNCreation": False})
    town = PolicySource("town", 1, {"allowCamera": False, "allowChat": False}, frozenset({"allowChat"}))
    school_class = PolicySource("class", 5, {"allowCamera": True, "allowChat": True, "allowVPNCreation": True})
    found = resolve([school_class, town], [baseline], CATALOG)
    assert {key: each.value for key, each in found.items()} == {
        "allowCamera": True,
        "allowChat": False,
        "allowVPNCreation": False,
    }
    assert found["allowCamera"].overruled == ("town",)
    outcomes = [(step.source, step.outcome, step.by) for step in found["allowChat"].steps]
    assert outcomes == [("town", StepOutcome.CHOSEN, ()), ("class", StepOutcome.BOUNDED, ("town",))]


def test_a_category_is_decided_by_the_narrowest_place_that_names_it() -> None:
    town = PolicySource("town", 1, {"web.blocked_categories": ["games", "press"]}, frozenset())
    grade = PolicySource("grade", 4, {"web.permitted_categories": ["games"]})
    school_class = PolicySource("class", 5, {"web.blocked_categories": ["games"]})
    assert resolve_values([town, grade]) == {"web.blocked_categories": ["press"], "web.permitted_categories": ["games"]}
    assert resolve_values([town, grade, school_class]) == {
        "web.blocked_categories": ["games", "press"],
        "web.permitted_categories": [],
    }
    locked = replace(town, locks=frozenset({"web.blocked_categories"}))
    assert resolve_values([locked, grade])["web.blocked_categories"] == ["games", "press"]


def test_of_equal_places_and_of_locks_the_stricter_restriction_of_videos_holds() -> None:
    key = "web.restricted_video"
    equal = [PolicySource("A", 3, {key: "moderate"}), PolicySource("B", 3, {key: "off"})]
    assert resolve_values(equal) == {key: "moderate"}
    town = PolicySource("town", 1, {key: "moderate"}, frozenset({key}))
    assert resolve_values([town, PolicySource("class", 5, {key: "off"})]) == {key: "moderate"}
    assert resolve_values([town, PolicySource("class", 5, {key: "strict"})]) == {key: "strict"}
