"""The schema of one value: kind, bounds, choices, sub-keys and the systems that support it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from cartable.i18n import ENGLISH, Message
from profiles.catalog.kinds import ValueKind
from profiles.catalog.text_formats import TextFormat

Version = tuple[int, ...]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Which tablets support something: systems from `minimum` (included) to `removed` (excluded)."""

    minimum: Version = (4, 0)
    removed: Version | None = None
    supervised: bool = False
    shared_ipad: bool = True

    def is_supported_by(self, os: Version | None, *, supervised: bool | None, shared_ipad: bool | None = None) -> bool:
        """Return whether a tablet supports it. A fact that is not known excludes nothing."""
        if (self.supervised and supervised is False) or (shared_ipad and not self.shared_ipad):
            return False
        if os is None:
            return self.removed is None
        return os >= self.minimum and (self.removed is None or os < self.removed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Support):
    """One key of a payload, or a sub-key of an object."""

    key: str
    kind: ValueKind
    label: Message
    default: Any = None
    required: bool = False
    #: A sibling key and its value: with that value this key is required, otherwise it is not allowed.
    required_when: tuple[str, Any] | None = None
    #: Bounds of numbers; for data, `most` is the largest number of bytes.
    least: float | None = None
    most: float | None = None
    most_items: int = 500
    choices: tuple[Any, ...] = ()
    labels: Mapping[str, Message] = field(default_factory=lambda: _NOTHING)
    #: Support of the choices that not every system knows.
    choice_support: Mapping[str, Support] = field(default_factory=lambda: _NOTHING)
    text_format: TextFormat = TextFormat.NAME
    #: For a reference: keys of the settings that define what it may name.
    reference_keys: tuple[str, ...] = ()
    secret: bool = False
    deprecated: Version | None = None
    successor: str | None = None
    #: The name of this key on systems older than `minimum`.
    former: str | None = None
    fields: Mapping[str, Field] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class ValueProblem:
    """A problem of a value. `path` leads to the sub-key, such as `[0].SSID_STR`; it is empty for the value itself."""

    path: str
    message: Message

    def __str__(self) -> str:
        where = self.path.removeprefix(".")
        return f"{where}: {self.message.translate(ENGLISH)}" if where else self.message.translate(ENGLISH)
