"""The catalogue: every setting once, with its type, merge rule, platform support and words. Pure; reads its data file once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from mdm.kit.words import Words
from profiles.catalog.labels import LABELS


class Kind(StrEnum):
    """Type of a setting's value."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    REAL = "real"
    STRING = "string"
    STRINGS = "strings"


class Merge(StrEnum):
    """How two opinions on one setting become one: always towards the stricter (design section 3.5)."""

    ALL = "all"  # booleans: false wins
    ANY = "any"  # booleans: true wins
    SMALLEST = "smallest"
    LARGEST = "largest"
    INTERSECTION = "intersection"
    UNION = "union"
    AGREE = "agree"  # the strongest layer's word holds


@dataclass(frozen=True, slots=True)
class Setting:
    """One restriction key of Apple's `com.apple.applicationaccess`."""

    key: str
    kind: Kind
    merge: Merge
    supervised: bool
    minimum: tuple[int, ...]
    removed: tuple[int, ...] | None
    deprecated: tuple[int, ...] | None
    successor: str | None
    default: Any
    words: Words

    def supports(self, os: tuple[int, ...] | None, *, supervised: bool | None) -> bool:
        """Whether a tablet with this system understands the setting. Unknown facts do not exclude it."""
        if self.supervised and supervised is False:
            return False
        if os is None:
            return self.removed is None
        return os >= self.minimum and (self.removed is None or os < self.removed)

    def problem(self, value: Any) -> str | None:
        """Why `value` is not acceptable, or None."""
        good = {
            Kind.BOOLEAN: isinstance(value, bool),
            Kind.INTEGER: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10_000,
            Kind.REAL: isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10_000,
            Kind.STRING: isinstance(value, str) and 0 < len(value) <= 255,
            Kind.STRINGS: isinstance(value, list)
            and len(value) <= 500
            and all(isinstance(item, str) and 0 < len(item) <= 255 for item in value),
        }
        return None if good[self.kind] else f"not a valid {self.kind.value}"


def version(text: str) -> tuple[int, ...]:
    """A version as numbers, so that 18.10 is later than 18.4."""
    return tuple(int(part) for part in text.split(" ", maxsplit=1)[0].split(".") if part.isdigit())


@cache
def catalog() -> dict[str, Setting]:
    """Every setting by its key."""
    rows = json.loads((Path(__file__).parent / "restrictions.json").read_text())
    return {key: _setting(key, row) for key, row in rows.items()}


def _setting(key: str, row: dict[str, Any]) -> Setting:
    return Setting(
        key=key,
        kind=Kind(row["type"]),
        merge=Merge(row["merge"]),
        supervised=row["supervised"],
        minimum=version(row["minimum"]),
        removed=version(row["removed"]) if "removed" in row else None,
        deprecated=version(row["deprecated"]) if "deprecated" in row else None,
        successor=row.get("successor"),
        default=row.get("default"),
        words=LABELS.get(key, Words(fr=key, en=key)),
    )
