"""What differs between two resolved policies. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from profiles.catalog.merge import Resolved


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that becomes another; None: no source sets it."""

    key: str
    before: Any
    after: Any


def diff(before: Mapping[str, Resolved], after: Mapping[str, Resolved]) -> list[Change]:
    """Return the settings whose value changes, by key."""
    changes = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if (old and old.value) != (new and new.value) or (old is None) != (new is None):
            changes.append(Change(key, old.value if old else None, new.value if new else None))
    return changes
