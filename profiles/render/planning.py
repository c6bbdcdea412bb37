"""Converts settings to payload contents that one tablet supports: plist types, older key names, references to certificates. Pure.

See docs/domain/payloads.md#combination.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from profiles.catalog.fields import Field, Support, Version
from profiles.catalog.kinds import MergeRule, PayloadCardinality, ValueKind
from profiles.catalog.settings import Setting, find_value_problem

_APPLE = "com.apple."


class OmissionReason(StrEnum):
    """Why a setting is not sent to a tablet."""

    UNKNOWN = "unknown"
    INVALID = "invalid"
    TOO_OLD = "too_old"
    REMOVED = "removed"
    UNSUPERVISED = "unsupervised"
    SHARED_IPAD = "shared_ipad"
    NO_CERTIFICATE = "no_certificate"


@dataclass(frozen=True, slots=True)
class Omission:
    """A setting, or a sub-key of one (`wifi.managed[0].EnableIPv6`), that is not sent to this tablet."""

    path: str
    reason: OmissionReason

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class TabletCapabilities:
    """The facts that decide which payloads a tablet supports. None: not known; then nothing is omitted because of it."""

    os: Version | None = None
    supervised: bool | None = None
    shared_ipad: bool | None = None


@dataclass(frozen=True, slots=True)
class PayloadReference:
    """Stands for the UUID of another payload of the same profile, named by its slot."""

    slot: str


class _EntryOmitted(Exception):
    """A key that its entry requires was omitted, so the whole entry is omitted."""


@dataclass(slots=True)
class PayloadPlanner:
    """Fills payload slots with what a tablet supports, setting by setting, and records what it omits."""

    catalog: Mapping[str, Setting]
    tablet: TabletCapabilities
    contents: dict[str, dict[str, Any]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    certificates: dict[tuple[str, str], str] = field(default_factory=dict)
    omissions: list[Omission] = field(default_factory=list)
    product_settings: dict[str, Any] = field(default_factory=dict)

    def add_setting(self, key: str, values: Mapping[str, Any]) -> None:
        """Convert one setting and put it into its slot, or record why it is omitted."""
        setting, value = self.catalog.get(key), values[key]
        if setting is None:
            self._omit(key, OmissionReason.UNKNOWN)
            return
        problem = find_value_problem(setting, value)
        if problem is not None:
            self._omit(f"{key}{problem.path}", OmissionReason.INVALID)
        elif not setting.payload_type.startswith(_APPLE):
            self.product_settings[key] = value
        elif (name := self._get_supported_name(setting, key, values)) is not None:
            self._fill_slot(setting, name, value)

    def _fill_slot(self, setting: Setting, name: str, value: Any) -> None:
        if setting.cardinality is PayloadCardinality.MANY:
            for index, entry in enumerate(value):
                self._add_entry_payload(setting, entry, f"{setting.key}[{index}]")
            return
        try:
            content = self.convert_value(setting, value, setting.key)
        except _EntryOmitted:
            return
        slot = self.contents.setdefault(setting.slot_name, {})
        self.types[setting.slot_name] = setting.payload_type
        slot.update(content if setting.payload_key is None else {setting.payload_key if name == setting.key else name: content})

    def _add_entry_payload(self, setting: Setting, entry: Mapping[str, Any], path: str) -> None:
        """Add an entry of a list as a payload of its own."""
        try:
            content = self.convert_object(setting, entry, path)
        except _EntryOmitted:
            return
        slot = f"{setting.slot_name}.{hashlib.sha256(setting.get_entry_identity(entry).encode()).hexdigest()[:16]}"
        self.contents[slot], self.types[slot] = content, setting.payload_type
        if "PayloadDisplayName" in content:
            self.certificates[setting.key, content["PayloadDisplayName"]] = slot

    def _get_supported_name(self, field: Field, path: str, siblings: Mapping[str, Any]) -> str | None:
        """Return the name by which this tablet knows a key; None when it does not, which is recorded as an omission."""
        reason = self._find_omission_reason(field)
        if reason is OmissionReason.TOO_OLD and field.former is not None and field.former not in siblings:
            older = self.catalog.get(field.former)
            if older is None or self._find_omission_reason(older) is None:
                return field.former
        if reason is not None:
            self._omit(path, reason)
            return None
        return field.key

    def _find_omission_reason(self, support: Support) -> OmissionReason | None:
        tablet = self.tablet
        if support.is_supported_by(tablet.os, supervised=tablet.supervised, shared_ipad=tablet.shared_ipad):
            return None
        if support.supervised and tablet.supervised is False:
            return OmissionReason.UNSUPERVISED
        if tablet.shared_ipad and not support.shared_ipad:
            return OmissionReason.SHARED_IPAD
        return OmissionReason.TOO_OLD if tablet.os is not None and tablet.os < support.minimum else OmissionReason.REMOVED

    def _omit(self, path: str, reason: OmissionReason) -> None:
        self.omissions.append(Omission(path, reason))

    def convert_value(self, field: Field, value: Any, path: str) -> Any:
        convert = _CONVERTERS.get(field.kind)
        return value if convert is None else convert(self, field, value, path)

    def convert_pages(self, field: Field, pages: list[Any], path: str) -> list[Any]:
        """Convert a list of lists of entries."""
        return [self.convert_objects(field, page, f"{path}[{index}]") for index, page in enumerate(pages)]

    def convert_references(self, field: Field, names: list[str], path: str) -> list[PayloadReference]:
        """Convert the names of several certificates."""
        return [self.convert_reference(field, name, f"{path}[{index}]") for index, name in enumerate(names)]

    def convert_strings(self, field: Field, items: list[str], path: str) -> list[str]:
        """Return the items that the system knows."""
        return [item for item in items if self._is_choice_supported(field, item, path)]

    def convert_objects(self, field: Field, entries: Iterable[Mapping[str, Any]], path: str) -> list[dict[str, Any]]:
        """Return the entries that the tablet supports. Raises `_EntryOmitted` when a required list becomes empty."""
        converted = []
        for index, entry in enumerate(entries):
            try:
                converted.append(self.convert_object(field, entry, f"{path}[{index}]"))
            except _EntryOmitted:
                continue
        if field.required and not converted:
            raise _EntryOmitted
        return converted

    def convert_object(self, field: Field, value: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return the sub-keys that the tablet supports, by the names it knows. Raises `_EntryOmitted` without a required one."""
        converted: dict[str, Any] = {}
        for key, sub_field in field.fields.items():
            if key not in value:
                continue
            name = self._get_supported_name(sub_field, f"{path}.{key}", value)
            if name is not None:
                converted[name] = self.convert_value(sub_field, value[key], f"{path}.{key}")
            elif sub_field.required or sub_field.required_when is not None:
                raise _EntryOmitted
        return converted

    def convert_choice(self, field: Field, value: Any, path: str) -> Any:
        """Return a choice that the system knows: the value itself or, where smaller is stricter, the next stricter choice.

        Raises `_EntryOmitted` when there is none.
        """
        if self._is_choice_supported(field, value, path, silent=True):
            return value
        smaller_choices = [
            choice for choice in field.choices if choice < value and self._is_choice_supported(field, choice, path, silent=True)
        ]
        smaller_is_stricter = isinstance(field, Setting) and field.merge_rule is MergeRule.SMALLEST
        if not smaller_is_stricter or not smaller_choices:
            self._omit(path, OmissionReason.TOO_OLD)
            raise _EntryOmitted
        return max(smaller_choices)

    def _is_choice_supported(self, field: Field, choice: Any, path: str, *, silent: bool = False) -> bool:
        support = field.choice_support.get(str(choice))
        reason = None if support is None else self._find_omission_reason(support)
        if reason is not None and not silent:
            self._omit(f"{path}.{choice}", reason)
        return reason is None

    def convert_reference(self, field: Field, name: str, path: str) -> PayloadReference:
        """Return the reference to a certificate of the same plan.

        Raises `_EntryOmitted` without it: a network without its certificate would trust any server or not connect.
        """
        for key in field.reference_keys:
            if (key, name) in self.certificates:
                return PayloadReference(self.certificates[key, name])
        self._omit(path, OmissionReason.NO_CERTIFICATE)
        raise _EntryOmitted


_CONVERTERS: dict[ValueKind, Callable[[PayloadPlanner, Field, Any, str], Any]] = {
    ValueKind.OBJECT: PayloadPlanner.convert_object,
    ValueKind.OBJECTS: PayloadPlanner.convert_objects,
    ValueKind.PAGES: PayloadPlanner.convert_pages,
    ValueKind.REAL: lambda planner, field, value, path: float(planner.convert_choice(field, value, path)),
    ValueKind.INTEGER: lambda planner, field, value, path: int(planner.convert_choice(field, value, path)),
    ValueKind.STRINGS: PayloadPlanner.convert_strings,
    ValueKind.DATA: lambda _, _field, value, _path: base64.b64decode(value),
    ValueKind.DATAS: lambda _, _field, value, _path: [base64.b64decode(item) for item in value],
    ValueKind.REFERENCE: PayloadPlanner.convert_reference,
    ValueKind.REFERENCES: PayloadPlanner.convert_references,
}
