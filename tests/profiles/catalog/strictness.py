"""When one value of a setting is at least as strict as another: a partial order for each merge rule, against which merging is tested."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from profiles.catalog.settings import MergeRule, Setting


def is_at_least_as_strict(setting: Setting, value: Any, than: Any) -> bool:
    """Return whether `value` permits nothing that `than` forbids. Values of which neither is stricter give False both ways."""
    return _ORDERS[setting.merge_rule](setting, value, than)


def _list_identities(setting: Setting, value: Any) -> set[str]:
    return {setting.get_entry_identity(entry) for entry in value}


_ORDERS: dict[MergeRule, Callable[[Setting, Any, Any], bool]] = {
    MergeRule.ALL: lambda _, value, than: bool(not value or than),
    MergeRule.ANY: lambda _, value, than: bool(value or not than),
    MergeRule.SMALLEST: lambda _, value, than: bool(value <= than),
    MergeRule.SMALLEST_BUT_ZERO: lambda _, value, than: bool((value or inf) <= (than or inf)),
    MergeRule.LARGEST: lambda _, value, than: bool(value >= than),
    MergeRule.INTERSECTION: lambda _, value, than: set(value) <= set(than),
    MergeRule.UNION: lambda _, value, than: set(value) >= set(than),
    # An entry may be written in another way by a stronger source; that it is there is what counts.
    MergeRule.EACH: lambda setting, value, than: _list_identities(setting, value) >= _list_identities(setting, than),
    MergeRule.STRICTEST: lambda setting, value, than: setting.choices.index(value) <= setting.choices.index(than),
    MergeRule.AGREE: lambda _, value, than: bool(value == than),
}
