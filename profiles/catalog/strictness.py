"""When one value of a setting is at least as strict as another: a partial order for each merge rule. Pure."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from profiles.catalog.settings import Merge, Setting


def is_at_least_as_strict(setting: Setting, value: Any, than: Any) -> bool:
    """Return whether `value` permits nothing that `than` forbids. Values of which neither is stricter give False both ways."""
    return _ORDERS[setting.merge](setting, value, than)


def _identities(setting: Setting, value: Any) -> set[str]:
    return {setting.identify(entry) for entry in value}


_ORDERS: dict[Merge, Callable[[Setting, Any, Any], bool]] = {
    Merge.ALL: lambda _, value, than: bool(not value or than),
    Merge.ANY: lambda _, value, than: bool(value or not than),
    Merge.SMALLEST: lambda _, value, than: bool(value <= than),
    Merge.SMALLEST_BUT_ZERO: lambda _, value, than: bool((value or inf) <= (than or inf)),
    Merge.LARGEST: lambda _, value, than: bool(value >= than),
    Merge.INTERSECTION: lambda _, value, than: set(value) <= set(than),
    Merge.UNION: lambda _, value, than: set(value) >= set(than),
    # An entry may be written in another way by a stronger source; that it is there is what counts.
    Merge.EACH: lambda setting, value, than: _identities(setting, value) >= _identities(setting, than),
    Merge.AGREE: lambda _, value, than: bool(value == than),
}
