"""One value and its schema: kind, bounds, choices, sub-keys, which systems take it, and what is wrong with a value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from cartable.i18n import ENGLISH, Message
from profiles.catalog.forms import TextFormat
from profiles.catalog.kinds import ValueKind

Version = tuple[int, ...]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Which tablets take something: from `minimum` on, until before `removed`."""

    minimum: Version = (4, 0)
    removed: Version | None = None
    supervised: bool = False
    shared_ipad: bool = True

    def is_supported_by(self, os: Version | None, *, supervised: bool | None, shared_ipad: bool | None = None) -> bool:
        """Whether a tablet with this system takes it. Unknown facts do not exclude it."""
        if (self.supervised and supervised is False) or (shared_ipad and not self.shared_ipad):
            return False
        if os is None:
            return self.removed is None
        return os >= self.minimum and (self.removed is None or os < self.removed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Support):
    """One key: of a payload, or below a key that is an object."""

    key: str
    kind: ValueKind
    words: Message
    default: Any = None
    required: bool = False
    #: Sibling and value with which this key must be there; without them it must not.
    required_when: tuple[str, Any] | None = None
    #: Bounds of numbers; `most` of bytes where the value is data.
    least: float | None = None
    most: float | None = None
    most_items: int = 500
    choices: tuple[Any, ...] = ()
    labels: Mapping[str, Message] = field(default_factory=lambda: _NOTHING)
    #: Choices that not every system knows.
    choice_support: Mapping[str, Support] = field(default_factory=lambda: _NOTHING)
    text_format: TextFormat = TextFormat.NAME
    #: The settings that bring what a reference names.
    reference_keys: tuple[str, ...] = ()
    secret: bool = False
    deprecated: Version | None = None
    successor: str | None = None
    #: The name by which systems older than `minimum` know it.
    former: str | None = None
    fields: Mapping[str, Field] = field(default_factory=lambda: _NOTHING)

    def describe_problem(self, value: Any) -> str | None:
        """Why `value` is not acceptable, in English and with the sub-key named, or None."""
        found = self.find_problem(value)
        return None if found is None else str(found)

    def find_problem(self, value: Any) -> ValueProblem | None:
        """The first thing that is wrong with `value`, and where; None: it is acceptable."""
        from profiles.catalog.check import find_problem

        return find_problem(self, value)


@dataclass(frozen=True, slots=True)
class ValueProblem:
    """What is wrong, and where: `path` leads to the sub-key, such as `[0].SSID_STR`; empty: the value itself."""

    path: str
    words: Message

    def __str__(self) -> str:
        where = self.path.removeprefix(".")
        return f"{where}: {self.words.translate(ENGLISH)}" if where else self.words.translate(ENGLISH)
