"""The catalogue: every setting once, with its type, merge rule, platform support and words. Pure; reads its data files once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cartable.i18n import Message, read_message
from profiles.catalog.fields import Field, Support, ValueProblem
from profiles.catalog.forms import TextFormat
from profiles.catalog.kinds import SettingGroup, ValueKind, MergeRule, PayloadCardinality, parse_version

__all__ = ["RESTRICTIONS_TYPE", "Field", "SettingGroup", "ValueKind", "MergeRule", "Setting", "PayloadCardinality", "ValueProblem", "load_catalog", "parse_version"]

#: In the order in which people read them.
CATALOG_FILES = (
    "restrictions", "passcode", "home_screen", "web", "network", "cellular", "classroom", "certificates", "accounts", "own",
)  # fmt: skip
RESTRICTIONS_TYPE = "com.apple.applicationaccess"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting(Field):
    """One setting that a layer may hold: a key of an Apple payload, or a payload as a whole."""

    merge_rule: MergeRule
    setting_group: SettingGroup
    #: Apple's payload type, how often it may stand on a tablet, and its short name in identifiers of ours.
    payload_type: str
    cardinality: PayloadCardinality
    slot_name: str
    #: The key in the payload; None: the value's own sub-keys are the payload's, an object per payload.
    payload_key: str | None
    #: Paths of sub-keys that make two entries of a list the same.
    identity_paths: tuple[str, ...] = ()

    def get_entry_identity(self, entry: Mapping[str, Any]) -> str:
        """What makes an entry of the list this one: the same text, the same entry."""
        return json.dumps([_get_at_path(entry, path) for path in self.identity_paths], ensure_ascii=False, sort_keys=True)

    def find_problem(self, value: Any) -> ValueProblem | None:
        """The first thing that is wrong with `value`, and where; None: it is acceptable."""
        found = Field.find_problem(self, value)
        if found is not None or not self.identity_paths:
            return found
        seen: set[str] = set()
        for index, entry in enumerate(value):
            if (which := self.get_entry_identity(entry)) in seen:
                return ValueProblem(f"[{index}]", Message("is there already"))
            seen.add(which)
        return None


def _get_at_path(entry: Any, path: str) -> Any:
    """The value at a path such as `Relays.0.URL`; None where there is none."""
    for part in path.split("."):
        if isinstance(entry, list):
            entry = entry[int(part)] if int(part) < len(entry) else None
        else:
            entry = entry.get(part) if isinstance(entry, Mapping) else None
    return entry


@cache
def load_catalog() -> dict[str, Setting]:
    """Every setting by its key. Raises `ValueError` when two files say the same key."""
    found: dict[str, Setting] = {}
    for file in CATALOG_FILES:
        for payload, rows in json.loads((Path(__file__).parent / f"{file}.json").read_text(encoding="utf-8")).items():
            for key, row in rows["settings"].items():
                if key in found:
                    raise ValueError(f"{key} stands twice in the catalogue")
                found[key] = _parse_setting(payload, rows, key, row)
    return found


def _parse_setting(payload: str, rows: Mapping[str, Any], key: str, row: Mapping[str, Any]) -> Setting:
    short = payload.removeprefix("com.apple.")
    common = _parse_field(key, row)
    inherited = _parse_support(rows)
    values = {
        **common,
        "minimum": max(inherited.minimum, common["minimum"]) if "minimum" in rows else common["minimum"],
        "supervised": inherited.supervised or common["supervised"],
        "shared_ipad": inherited.shared_ipad and common["shared_ipad"],
    }
    return Setting(
        **values,
        merge_rule=MergeRule(row["merge"]),
        setting_group=SettingGroup(row["group"]),
        payload_type=payload,
        cardinality=PayloadCardinality(rows["slot"]),
        slot_name=rows["name"],
        payload_key=None if key == short else key.removeprefix(f"{short}."),
        identity_paths=tuple(row.get("identity", ())),
    )


def _parse_field(key: str, row: Mapping[str, Any]) -> dict[str, Any]:
    when = row.get("when")
    made: dict[str, Any] = {
        "key": key,
        "kind": ValueKind(row["type"]),
        "words": read_message(row["label"]),
        "when": next(iter(when.items())) if when else None,
        "choices": tuple(row.get("choices", ())),
        "labels": {choice: read_message(label) for choice, label in row.get("labels", {}).items()},
        "choice_support": {choice: Support(**_parse_versions(each)) for choice, each in row.get("choice_versions", {}).items()},
        "to": tuple(row.get("to", ())),
        "deprecated": parse_version(row["deprecated"]) if "deprecated" in row else None,
        "fields": {name: Field(**_parse_field(name, below)) for name, below in row.get("fields", {}).items()},
        **_parse_versions(row),
        "supervised": row.get("supervised", False),
        "shared_ipad": row.get("shared_ipad", True),
    }
    made |= {name: row[name] for name in _COPIED_KEYS if name in row}
    return made | ({"form": TextFormat(row["form"])} if "form" in row else {})


_COPIED_KEYS = ("default", "required", "least", "most", "most_items", "secret", "successor", "former")


def _parse_support(row: Mapping[str, Any]) -> Support:
    return Support(**_parse_versions(row), supervised=row.get("supervised", False), shared_ipad=row.get("shared_ipad", True))


def _parse_versions(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "minimum": parse_version(row.get("minimum", "4.0")),
        "removed": parse_version(row["removed"]) if "removed" in row else None,
    }
