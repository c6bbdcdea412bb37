"""The catalogue of settings: each with its type, merge rule, platform support and texts. Pure; the data files are read once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cartable.i18n import Message, read_message
from cartable.versions import parse_version
from profiles.catalog import check
from profiles.catalog.fields import Field, Support, ValueProblem
from profiles.catalog.kinds import MergeRule, PayloadCardinality, SettingGroup, ValueKind
from profiles.catalog.text_formats import TextFormat

__all__ = [
    "PRODUCT_PREFIX",
    "RESTRICTIONS_TYPE",
    "Field",
    "MergeRule",
    "PayloadCardinality",
    "Setting",
    "SettingGroup",
    "ValueKind",
    "ValueProblem",
    "find_value_problem",
    "load_catalog",
    "parse_version",
]

#: The data files, in the order in which people see the settings.
CATALOG_FILES = (
    "restrictions", "passcode", "home_screen", "web", "network", "cellular", "classroom", "certificates", "accounts", "product",
)  # fmt: skip
RESTRICTIONS_TYPE = "com.apple.applicationaccess"
#: Payload types of settings that no payload of Apple's carries as they are: apps and the web filter.
PRODUCT_PREFIX = "fr.cartable."


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting(Field):
    """One setting that a policy may set: a key of an Apple payload, or a whole payload."""

    merge_rule: MergeRule
    group: SettingGroup
    #: Apple's payload type, how many payloads of it a tablet may have, and its short name in payload identifiers.
    payload_type: str
    cardinality: PayloadCardinality
    slot_name: str
    #: The key in the payload; None when the value is the whole payload (an object, or a list of one object per payload).
    payload_key: str | None
    #: Paths of the sub-keys that identify an entry of a list; empty for values that are not such a list.
    identity_paths: tuple[str, ...] = ()
    #: The list that takes entries out of this one where a narrower place names them there.
    opposite: str | None = None
    #: The kinds of places that may set it; none: all.
    places: tuple[str, ...] = ()
    #: Whether it is set for all modes together, never for one.
    all_modes_only: bool = False
    #: Whether a list that narrows is filled by places of every width (offers) instead of replaced by the narrowest.
    is_offered: bool = False

    @property
    def adds_up(self) -> bool:
        """Whether a narrower place adds to the list of a wider one instead of replacing it."""
        return self.is_offered or self.merge_rule in (MergeRule.UNION, MergeRule.EACH)

    def get_entry_identity(self, entry: Mapping[str, Any]) -> str:
        """Return the identity of an entry of the list: two entries with the same text are the same entry."""
        return json.dumps([_get_at_path(entry, path) for path in self.identity_paths], ensure_ascii=False, sort_keys=True)

    def find_repeated_entry(self, value: Any) -> ValueProblem | None:
        """Return the first entry of an acceptable list that is there twice; None when there is none."""
        if not self.identity_paths:
            return None
        identities: set[str] = set()
        for index, entry in enumerate(value):
            identity = self.get_entry_identity(entry)
            if identity in identities:
                return ValueProblem(f"[{index}]", Message("is there already"))
            identities.add(identity)
        return None


def find_value_problem(field: Field, value: Any) -> ValueProblem | None:
    """Return the first problem of a value with its path, a repeated entry included; None when it is acceptable."""
    problem = check.find_problem(field, value)
    if problem is None and isinstance(field, Setting):
        return field.find_repeated_entry(value)
    return problem


def _get_at_path(entry: Any, path: str) -> Any:
    """Return the value at a path such as `Relays.0.URL`; None when there is none."""
    for part in path.split("."):
        if isinstance(entry, list):
            entry = entry[int(part)] if int(part) < len(entry) else None
        else:
            entry = entry.get(part) if isinstance(entry, Mapping) else None
    return entry


@cache
def load_catalog() -> dict[str, Setting]:
    """Load every setting by its key. Raises `ValueError` when a key is defined twice."""
    settings: dict[str, Setting] = {}
    for file in CATALOG_FILES:
        for payload, rows in json.loads((Path(__file__).parent / f"{file}.json").read_text(encoding="utf-8")).items():
            for key, row in rows["settings"].items():
                if key in settings:
                    raise ValueError(f"{key} is defined twice in the catalogue")
                settings[key] = _parse_setting(payload, rows, key, row)
    return settings


def _parse_setting(payload: str, rows: Mapping[str, Any], key: str, row: Mapping[str, Any]) -> Setting:
    short_type = payload.removeprefix("com.apple.")
    field_values = _parse_field(key, row)
    payload_support = _parse_support(rows)
    # A setting needs what its payload needs.
    field_values |= {
        "minimum": max(payload_support.minimum, field_values["minimum"]) if "minimum" in rows else field_values["minimum"],
        "supervised": payload_support.supervised or field_values["supervised"],
        "shared_ipad": payload_support.shared_ipad and field_values["shared_ipad"],
    }
    return Setting(
        **field_values,
        merge_rule=MergeRule(row["merge"]),
        group=SettingGroup(row["group"]),
        payload_type=payload,
        cardinality=PayloadCardinality(rows["slot"]),
        slot_name=rows["name"],
        payload_key=None if key == short_type else key.removeprefix(f"{short_type}."),
        identity_paths=tuple(row.get("identity", ())),
        opposite=row.get("opposite"),
        places=tuple(row.get("places", ())),
        all_modes_only=row.get("all_modes_only", False),
        is_offered=row.get("offer", False),
    )


def _parse_field(key: str, row: Mapping[str, Any]) -> dict[str, Any]:
    when = row.get("when")
    values: dict[str, Any] = {
        "key": key,
        "kind": ValueKind(row["type"]),
        "label": read_message(row["label"]),
        "required_when": next(iter(when.items())) if when else None,
        "choices": tuple(row.get("choices", ())),
        "labels": {choice: read_message(label) for choice, label in row.get("labels", {}).items()},
        "choice_support": {
            choice: Support(**_parse_versions(versions)) for choice, versions in row.get("choice_versions", {}).items()
        },
        "reference_keys": tuple(row.get("to", ())),
        "deprecated": parse_version(row["deprecated"]) if "deprecated" in row else None,
        "fields": {name: Field(**_parse_field(name, sub_row)) for name, sub_row in row.get("fields", {}).items()},
        **_parse_versions(row),
        "supervised": row.get("supervised", False),
        "shared_ipad": row.get("shared_ipad", True),
    }
    values |= {name: row[name] for name in _COPIED_KEYS if name in row}
    return values | ({"text_format": TextFormat(row["form"])} if "form" in row else {})


#: Keys of the data files that are fields of `Field` under the same name.
_COPIED_KEYS = ("default", "required", "least", "most", "most_items", "secret", "successor", "former")


def _parse_support(row: Mapping[str, Any]) -> Support:
    return Support(**_parse_versions(row), supervised=row.get("supervised", False), shared_ipad=row.get("shared_ipad", True))


def _parse_versions(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "minimum": parse_version(row.get("minimum", "4.0")),
        "removed": parse_version(row["removed"]) if "removed" in row else None,
    }
