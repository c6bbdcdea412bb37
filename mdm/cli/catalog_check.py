"""Compares the catalogue of settings with a copy of Apple's published schema. Writes nothing.

    python -m mdm.cli.catalog_check          reads CARTABLE_APPLE_SCHEMA, else ../shared/apple-schema

Every key of Apple's must be in the catalogue, or in `left_out.json` with a reason.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from cartable.versions import parse_version
from mdm.cli.checks import ROOT
from profiles.catalog import settings as catalogue
from profiles.catalog.fields import Field
from profiles.catalog.kinds import MergeRule, PayloadCardinality, ValueKind
from profiles.catalog.settings import RESTRICTIONS_TYPE, Setting, load_catalog

PASSCODE = "com.apple.mobiledevice.passwordpolicy"
_ENVELOPES = {"CommonPayloadKeys", "TopLevel"}
_MERGES = {
    "and": MergeRule.ALL, "or": MergeRule.ANY, "min": MergeRule.SMALLEST, "max": MergeRule.LARGEST, "equal": MergeRule.AGREE,
    "min_zero_is_infinite": MergeRule.SMALLEST_BUT_ZERO, "intersection": MergeRule.INTERSECTION, "union": MergeRule.UNION,
}  # fmt: skip
_KINDS = {
    "<boolean>": ValueKind.BOOLEAN, "<integer>": ValueKind.INTEGER, "<real>": ValueKind.REAL, "<string>": ValueKind.STRING, "<data>": ValueKind.DATA,
    "<any>": ValueKind.MAP,
}  # fmt: skip
_LIST_KIND_BY_ITEM = {
    each.item_kind: each for each in (ValueKind.STRINGS, ValueKind.INTEGERS, ValueKind.DATAS, ValueKind.OBJECTS, ValueKind.PAGES)
}
#: Apple's kind of the values that the catalogue treats as references to other settings.
_RAW_KIND = {ValueKind.REFERENCE: ValueKind.STRING, ValueKind.REFERENCES: ValueKind.STRINGS}


def main() -> int:
    """Print every difference. Returns 0 without one, 1 with one, 2 without a schema to compare with."""
    schema = find_schema()
    if schema is None:
        print("no schema: set CARTABLE_APPLE_SCHEMA, or put it at ../shared/apple-schema", file=sys.stderr)
        return 2
    found_differences = list(find_differences(schema, load_catalog(), load_left_out()))
    for difference in found_differences:
        print(difference, file=sys.stderr)
    print(f"catalogue: {len(load_catalog())} settings, {len(found_differences)} differences from {schema}")
    return 1 if found_differences else 0


def find_schema() -> Path | None:
    """Return the folder of the schema, if there is one."""
    configured = os.environ.get("CARTABLE_APPLE_SCHEMA")
    folder = Path(configured) if configured else ROOT.parent / "shared" / "apple-schema"
    return folder if (folder / "mdm" / "profiles").is_dir() else None


def load_left_out() -> dict[str, dict[str, str]]:
    """Return what the catalogue leaves out on purpose: reasons by payload type and path ("" for the entire payload)."""
    reasons: dict[str, dict[str, str]] = json.loads((Path(catalogue.__file__).parent / "left_out.json").read_text("utf-8"))
    return reasons


def find_differences(schema: Path, known: Mapping[str, Setting], left_out: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield what the catalogue lacks or contradicts, one line each."""
    yield from _compare_tables(schema, known)
    used: set[tuple[str, str]] = set()
    for file in sorted((schema / "mdm" / "profiles").glob("*.yaml")):
        if file.stem not in _ENVELOPES:
            document = yaml.safe_load(file.read_text("utf-8"))
            if file.stem in left_out and "(" in file.stem:
                used.add((file.stem, ""))  # a second file of one payload type
                continue
            yield from _PayloadComparison(document, known, left_out, used).find_differences()
    skipped = schema / "other" / "skipkeys.yaml"
    if skipped.exists():
        yield from _compare_setup_panes(
            yaml.safe_load(skipped.read_text("utf-8")), known["SetupAssistant.managed.SkipSetupItems"]
        )
    for payload, paths in left_out.items():
        yield from (f"{payload} {path}: left out, but nobody asks for it" for path in paths if (payload, path) not in used)


def _compare_tables(schema: Path, known: Mapping[str, Setting]) -> Iterator[str]:
    """Yield differences from the table of restrictions and passcode keys, which has all versions and the merge rules."""
    for table in yaml.safe_load_all((schema / "restrictions-merge.yaml").read_text("utf-8")):
        payload = table["payload_type"]
        ours = {key: setting for key, setting in known.items() if setting.payload_type == payload}
        yield from (f"{payload} {key}: missing" for key in table["keys"] if key not in ours)
        yield from (f"{payload} {key}: not in the table" for key in ours if key not in table["keys"])
        for key, row in table["keys"].items():
            if key in ours:
                yield from _compare_row(f"{payload} {key}", ours[key], row, passcode=payload == PASSCODE)


def _compare_row(name: str, setting: Setting, row: Mapping[str, Any], *, passcode: bool) -> Iterator[str]:
    kind = ValueKind.STRINGS if row["type"] == "array" else ValueKind(row["type"])
    low, high = row.get("range", (0 if kind is ValueKind.INTEGER and passcode else None, None))
    pairs: dict[str, tuple[Any, Any]] = {
        "type": (setting.kind, kind),
        "merge": (setting.merge_rule, _MERGES[row["merge"]]),
        "default": (setting.default, row.get("default")),
        "supervised": (setting.supervised, row.get("supervised", False)),
        "introduced": (setting.minimum, parse_version(str(row.get("introduced", "4.0")))),
        "deprecated": (setting.deprecated, _read_version(row, "deprecated")),
        "removed": (setting.removed, _read_version(row, "removed")),
        "range": ((setting.least, setting.most), (low, high)),
        "choices": (list(setting.choices), row.get("values", [])),
        "Shared iPad": (setting.shared_ipad, not passcode and row.get("shared_ipad") != "forbidden"),
    }
    if "max_items" in row:
        pairs["entries"] = (setting.most_items, row["max_items"])
    if "successor" in row:
        pairs["successor"] = (setting.successor, row["successor"])
    yield from _report_unequal(name, pairs)


def _report_unequal(name: str, pairs: Mapping[str, tuple[Any, Any]]) -> Iterator[str]:
    for what, (ours, theirs) in pairs.items():
        if ours != theirs:
            yield f"{name}: {what} is {_format_value(ours)}, Apple says {_format_value(theirs)}"


def _format_value(value: Any) -> str:
    """Return a value as text; a version as `major.minor`."""
    return ".".join(map(str, value)) if isinstance(value, tuple) and all(isinstance(v, int) for v in value) else str(value)


def _read_version(row: Mapping[str, Any], key: str) -> tuple[int, ...] | None:
    return parse_version(str(row[key])) if key in row else None


def _compare_setup_panes(document: Mapping[str, Any], setting: Setting) -> Iterator[str]:
    for row in document["payloadkeys"]:
        support = (row.get("supportedOS") or {}).get("iOS") or {}
        name = f"{setting.key}.{row['key']}"
        if support.get("introduced") == "n/a":
            continue
        if row["key"] not in setting.choices:
            yield f"{name}: missing"
            continue
        ours = setting.choice_support.get(row["key"])
        if "introduced" in support:
            yield from _report_unequal(name, {"introduced": (ours and ours.minimum, parse_version(str(support["introduced"])))})
        yield from _report_unequal(name, {"removed": (ours and ours.removed, _read_version(support, "removed"))})


class _PayloadComparison:
    """Compares one payload of Apple's with the settings that belong to it."""

    def __init__(
        self,
        document: Mapping[str, Any],
        known: Mapping[str, Setting],
        left_out: Mapping[str, Mapping[str, str]],
        used: set[tuple[str, str]],
    ) -> None:
        self.type: str = document["payload"]["payloadtype"]
        self.support = document["payload"]["supportedOS"]["iOS"]
        self.keys = [row for row in document.get("payloadkeys", ()) if not _is_other_platform(row)]
        self.settings = [setting for setting in known.values() if setting.payload_type == self.type]
        self.left_out = left_out.get(self.type, {})
        self.used = used

    def find_differences(self) -> Iterator[str]:
        if self._is_left_out(""):
            if self.settings:
                yield f"{self.type}: left out, and in the catalogue"
            return
        if not self.settings:
            yield f"{self.type}: missing"
            return
        if self.type in (RESTRICTIONS_TYPE, PASSCODE):
            ours = {setting.key for setting in self.settings}
            yield from (f"{self.type} {row['key']}: missing" for row in self.keys if row["key"] not in ours)
            return
        yield from self._compare_attributes()
        minimum, supervised = parse_version(str(self.support["introduced"])), bool(self.support.get("supervised"))
        payload_setting = next((setting for setting in self.settings if setting.payload_key is None), None)
        if payload_setting is not None:
            fields: Mapping[str, Field] = payload_setting.fields
            # The catalogue may require more than Apple for an entire payload.
            minimum, supervised = max(minimum, payload_setting.minimum), supervised or payload_setting.supervised
        else:
            fields = {setting.payload_key or setting.key: setting for setting in self.settings}
        yield from self._compare_fields("", fields, self.keys, minimum, supervised=supervised, theirs=(minimum, supervised))

    def _compare_attributes(self) -> Iterator[str]:
        for setting in self.settings:
            if setting.cardinality is PayloadCardinality.MANY and not self.support.get("multiple"):
                yield f"{setting.key}: many per tablet, Apple says one"
            if setting.minimum < parse_version(str(self.support["introduced"])):
                yield f"{setting.key}: introduced {_format_value(setting.minimum)}, Apple says {self.support['introduced']}"
            if self.support.get("supervised") and not setting.supervised:
                yield f"{setting.key}: supervised is False, Apple says True"
            if (self.support.get("sharedipad") or {}).get("mode") == "forbidden" and setting.shared_ipad:
                yield f"{setting.key}: Shared iPad is True, Apple says False"

    def _is_left_out(self, path: str) -> bool:
        if path in self.left_out:
            self.used.add((self.type, path))
            return True
        return False

    def _compare_fields(
        self,
        path: str,
        fields: Mapping[str, Field],
        keys: list[Mapping[str, Any]],
        minimum: tuple[int, ...],
        *,
        supervised: bool,
        theirs: tuple[tuple[int, ...], bool],
    ) -> Iterator[str]:
        names = {row["key"] for row in keys}
        former_names = {field.former for field in fields.values()}
        yield from (
            f"{self.type} {path}{key}: unknown to Apple" for key in fields if key not in names and not key.startswith("PayloadD")
        )
        for row in keys:
            key_path = f"{path}{row['key']}"
            if row["key"] not in fields:
                if row["key"] not in former_names and not self._is_left_out(key_path):
                    yield f"{self.type} {key_path}: missing"
                continue
            field = fields[row["key"]]
            support = (row.get("supportedOS") or {}).get("iOS") or {}
            introduced = max(theirs[0], parse_version(str(support.get("introduced", "4.0"))))
            is_supervised = theirs[1] or bool(support.get("supervised")) or self._is_left_out(f"{key_path}!supervised")
            own_minimum, own_supervised = max(minimum, field.minimum), supervised or field.supervised
            pairs = {
                "introduced": (own_minimum, introduced),
                "supervised": (own_supervised, is_supervised),
                "deprecated": (field.deprecated, _read_version(support, "deprecated")),
                "removed": (field.removed, _read_version(support, "removed")),
            }
            yield from _report_unequal(f"{self.type} {key_path}", pairs)
            yield from self._compare_field(key_path, field, row)
            yield from self._compare_fields(
                f"{key_path}.",
                field.fields,
                _list_subkeys(row) if field.fields else [],
                own_minimum,
                supervised=own_supervised,
                theirs=(introduced, is_supervised),
            )

    def _compare_field(self, path: str, field: Field, row: Mapping[str, Any]) -> Iterator[str]:
        kind, item = _read_kind(row), _read_item(row)
        if _RAW_KIND.get(field.kind, field.kind) is not kind and not (field.kind is ValueKind.MAP and kind is ValueKind.OBJECT):
            yield f"{self.type} {path}: type is {field.kind}, Apple says {kind}"
        if (
            row.get("presence") == "required"
            and not field.required
            and field.required_when is None
            and not isinstance(field, Setting)
        ):
            yield f"{self.type} {path}: optional, Apple requires it"
        default = row.get("default")
        if field.default != default and not field.required and default != "":
            yield f"{self.type} {path}: default is {field.default}, Apple says {default}"
        for choice in item.get("rangelist", ()):
            if choice not in field.choices and not self._is_left_out(f"{path}={choice}"):
                yield f"{self.type} {path}: {choice} is missing"
        if "rangelist" in item:
            yield from (f"{self.type} {path}: {c} is unknown to Apple" for c in field.choices if c not in item["rangelist"])
        bounds = item.get("range")
        if bounds and not (bounds["min"] <= (field.least or 0) and field.most is not None and field.most <= bounds["max"]):
            yield f"{self.type} {path}: bounds are {field.least} to {field.most}, Apple says {bounds['min']} to {bounds['max']}"


def _is_other_platform(row: Mapping[str, Any]) -> bool:
    """Return whether a key exists only on other platforms."""
    return ((row.get("supportedOS") or {}).get("iOS") or {}).get("introduced") == "n/a"


def _read_kind(row: Mapping[str, Any]) -> ValueKind | None:
    if row["type"] == "<dictionary>":
        subkeys = row.get("subkeys", [])
        return ValueKind.MAP if [each["key"] for each in subkeys] == ["ANY"] else ValueKind.OBJECT
    if row["type"] == "<array>":
        item_kind = _read_kind(row["subkeys"][0])
        return None if item_kind is None else _LIST_KIND_BY_ITEM.get(item_kind)
    return _KINDS.get(row["type"])


def _read_item(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the definition of a single value: for an array, that of its items."""
    definition: Mapping[str, Any] = row["subkeys"][0] if row["type"] == "<array>" else row
    return definition


def _list_subkeys(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the sub-keys of an object, or of the objects of a list."""
    while row["type"] == "<array>":
        row = row["subkeys"][0]
    return [each for each in row.get("subkeys", ()) if not _is_other_platform(each)]


if __name__ == "__main__":
    sys.exit(main())
