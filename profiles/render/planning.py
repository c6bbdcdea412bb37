"""Which payloads a tablet takes of which settings, and in what form: plist types, older names, certificates by reference. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from profiles.catalog.fields import Field, Support, Version
from profiles.catalog.kinds import Kind, Merge, Slot
from profiles.catalog.settings import Setting

_APPLE = "com.apple."


class Why(StrEnum):
    """Why something was left out."""

    UNKNOWN = "unknown"
    INVALID = "invalid"
    TOO_OLD = "too_old"
    REMOVED = "removed"
    UNSUPERVISED = "unsupervised"
    SHARED_IPAD = "shared_ipad"
    NO_CERTIFICATE = "no_certificate"


@dataclass(frozen=True, slots=True)
class Omission:
    """A setting, or a sub-key of one (`wifi.managed[0].EnableIPv6`), that this tablet is not sent."""

    path: str
    why: Why

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class Tablet:
    """What decides on which payloads a tablet takes. None: not known, and then nothing is left out for it."""

    os: Version | None = None
    supervised: bool | None = None
    shared_ipad: bool | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """Stands for the UUID of another payload of the same profile, by the name of its slot."""

    slot: str


class _Left(Exception):
    """A key that its entry cannot do without was left out: the entry goes with it."""


@dataclass(slots=True)
class Planner:
    """Fills slots with what a tablet takes, setting by setting; keeps what it left out."""

    catalog: Mapping[str, Setting]
    tablet: Tablet
    contents: dict[str, dict[str, Any]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    certificates: dict[tuple[str, str], str] = field(default_factory=dict)
    left_out: list[Omission] = field(default_factory=list)
    own: dict[str, Any] = field(default_factory=dict)

    def add(self, key: str, values: Mapping[str, Any]) -> None:
        """Put one setting into its slot."""
        setting, value = self.catalog.get(key), values[key]
        if setting is None:
            self._leave(key, Why.UNKNOWN)
            return
        trouble = setting.trouble(value)
        if trouble is not None:
            self._leave(f"{key}{trouble.path}", Why.INVALID)
        elif not setting.payload.startswith(_APPLE):
            self.own[key] = value
        elif (name := self._name(setting, key, values)) is not None:
            self._place(setting, name, value)

    def _place(self, setting: Setting, name: str, value: Any) -> None:
        if setting.slot is Slot.MANY:
            for index, entry in enumerate(value):
                self._entry(setting, entry, f"{setting.key}[{index}]")
            return
        try:
            content = self.convert(setting, value, setting.key)
        except _Left:
            return
        slot = self.contents.setdefault(setting.name, {})
        self.types[setting.name] = setting.payload
        slot.update(content if setting.place is None else {setting.place if name == setting.key else name: content})

    def _entry(self, setting: Setting, entry: Mapping[str, Any], path: str) -> None:
        """A payload of its own."""
        try:
            content = self.as_object(setting, entry, path)
        except _Left:
            return
        slot = f"{setting.name}.{hashlib.sha256(setting.identify(entry).encode()).hexdigest()[:16]}"
        self.contents[slot], self.types[slot] = content, setting.payload
        if "PayloadDisplayName" in content:
            self.certificates[setting.key, content["PayloadDisplayName"]] = slot

    def _name(self, field: Field, path: str, siblings: Mapping[str, Any]) -> str | None:
        """The name by which this tablet knows a key; None: it does not, and that is noted."""
        why = self._refused(field)
        if why is Why.TOO_OLD and field.former is not None and field.former not in siblings:
            older = self.catalog.get(field.former)
            if older is None or self._refused(older) is None:
                return field.former
        if why is not None:
            self._leave(path, why)
            return None
        return field.key

    def _refused(self, support: Support) -> Why | None:
        tablet = self.tablet
        if support.supports(tablet.os, supervised=tablet.supervised, shared_ipad=tablet.shared_ipad):
            return None
        if support.supervised and tablet.supervised is False:
            return Why.UNSUPERVISED
        if tablet.shared_ipad and not support.shared_ipad:
            return Why.SHARED_IPAD
        return Why.TOO_OLD if tablet.os is not None and tablet.os < support.minimum else Why.REMOVED

    def _leave(self, path: str, why: Why) -> None:
        self.left_out.append(Omission(path, why))

    def convert(self, field: Field, value: Any, path: str) -> Any:
        convert = _CONVERT.get(field.kind)
        return value if convert is None else convert(self, field, value, path)

    def as_pages(self, field: Field, pages: list[Any], path: str) -> list[Any]:
        """Pages of entries."""
        return [self.as_objects(field, page, f"{path}[{index}]") for index, page in enumerate(pages)]

    def as_references(self, field: Field, names: list[str], path: str) -> list[Reference]:
        """Several certificates."""
        return [self.as_reference(field, name, f"{path}[{index}]") for index, name in enumerate(names)]

    def as_strings(self, field: Field, items: list[str], path: str) -> list[str]:
        """The items that the system knows."""
        return [item for item in items if self._known(field, item, path)]

    def as_objects(self, field: Field, entries: Iterable[Mapping[str, Any]], path: str) -> list[dict[str, Any]]:
        """The entries that the tablet can take."""
        made = []
        for index, entry in enumerate(entries):
            try:
                made.append(self.as_object(field, entry, f"{path}[{index}]"))
            except _Left:
                continue
        if field.required and not made:
            raise _Left
        return made

    def as_object(self, field: Field, value: Mapping[str, Any], path: str) -> dict[str, Any]:
        """The sub-keys that the tablet takes, by the names it knows."""
        made: dict[str, Any] = {}
        for key, below in field.fields.items():
            if key not in value:
                continue
            name = self._name(below, f"{path}.{key}", value)
            if name is not None:
                made[name] = self.convert(below, value[key], f"{path}.{key}")
            elif below.required or below.when is not None:
                raise _Left
        return made

    def as_choice(self, field: Field, value: Any, path: str) -> Any:
        """A choice that the system does not know yet becomes the next stricter one that it does, where smaller is stricter."""
        if self._known(field, value, path, quietly=True):
            return value
        smaller = [choice for choice in field.choices if choice < value and self._known(field, choice, path, quietly=True)]
        stricter = isinstance(field, Setting) and field.merge is Merge.SMALLEST
        if not stricter or not smaller:
            self._leave(path, Why.TOO_OLD)
            raise _Left
        return max(smaller)

    def _known(self, field: Field, choice: Any, path: str, *, quietly: bool = False) -> bool:
        support = field.choice_support.get(str(choice))
        why = None if support is None else self._refused(support)
        if why is not None and not quietly:
            self._leave(f"{path}.{choice}", why)
        return why is None

    def as_reference(self, field: Field, name: str, path: str) -> Reference:
        """A certificate of the same plan. Without it the entry is not sent: it would trust anybody, or not connect."""
        for key in field.to:
            if (key, name) in self.certificates:
                return Reference(self.certificates[key, name])
        self._leave(path, Why.NO_CERTIFICATE)
        raise _Left


_CONVERT: dict[Kind, Callable[[Planner, Field, Any, str], Any]] = {
    Kind.OBJECT: Planner.as_object,
    Kind.OBJECTS: Planner.as_objects,
    Kind.PAGES: Planner.as_pages,
    Kind.REAL: lambda planner, field, value, path: float(planner.as_choice(field, value, path)),
    Kind.INTEGER: lambda planner, field, value, path: int(planner.as_choice(field, value, path)),
    Kind.STRINGS: Planner.as_strings,
    Kind.DATA: lambda _, _field, value, _path: base64.b64decode(value),
    Kind.DATAS: lambda _, _field, value, _path: [base64.b64decode(item) for item in value],
    Kind.REFERENCE: Planner.as_reference,
    Kind.REFERENCES: Planner.as_references,
}
