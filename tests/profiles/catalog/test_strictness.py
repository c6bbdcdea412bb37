"""Strictness of every kind of setting: a partial order, and merging is never looser than what is merged."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profiles.catalog.kinds import MergeRule, ValueKind
from profiles.catalog.merge import merge
from profiles.catalog.settings import Setting, load_catalog
from tests.profiles.catalog.strictness import is_at_least_as_strict

#: One setting of each rule, and the values that it may have.
_OBJECTS = st.lists(st.sampled_from(["a", "b", "c"]), unique=True).map(lambda names: [{"SSID_STR": name} for name in names])
_STRINGS = st.lists(st.sampled_from(["a.a", "b.b", "c.c"]), unique=True)
_KINDS: dict[ValueKind, st.SearchStrategy[Any]] = {
    ValueKind.BOOLEAN: st.booleans(),
    ValueKind.INTEGER: st.integers(0, 5),
    ValueKind.REAL: st.integers(0, 5),
    ValueKind.STRINGS: _STRINGS,
    ValueKind.OBJECTS: _OBJECTS,
}
_SETTINGS = {
    rule: next(
        each
        for each in load_catalog().values()
        if each.merge_rule is rule and (rule is not MergeRule.EACH or each.key == "wifi.managed")
    )
    for rule in MergeRule
}


@st.composite
def settings_with_values(draw: st.DrawFn) -> tuple[Setting, Any, Any, Any]:
    """A setting and three of its values."""
    setting = _SETTINGS[draw(st.sampled_from(list(MergeRule)))]
    values = st.sampled_from(setting.choices) if setting.choices else _KINDS.get(setting.kind, st.sampled_from(["one", "other"]))
    return setting, draw(values), draw(values), draw(values)


def test_every_rule_is_used() -> None:
    assert {setting.merge_rule for setting in _SETTINGS.values()} == set(MergeRule)


@given(settings_with_values())
def test_strictness_is_a_partial_order(case: tuple[Setting, Any, Any, Any]) -> None:
    setting, one, two, three = case
    assert is_at_least_as_strict(setting, one, one)
    if is_at_least_as_strict(setting, one, two) and is_at_least_as_strict(setting, two, three):
        assert is_at_least_as_strict(setting, one, three)
    if is_at_least_as_strict(setting, one, two) and is_at_least_as_strict(setting, two, one):
        assert merge(setting, [one]) == merge(setting, [two])


@given(settings_with_values())
def test_merging_is_at_least_as_strict_as_each_value(case: tuple[Setting, Any, Any, Any]) -> None:
    setting, one, two, _ = case
    merged = merge(setting, [one, two])
    assert is_at_least_as_strict(setting, merged, one)
    # Where values must agree, the stronger one holds: no order says which of two home screens is stricter.
    if setting.merge_rule is not MergeRule.AGREE:
        assert is_at_least_as_strict(setting, merged, two)
