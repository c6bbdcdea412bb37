"""Compares the catalogue of settings with Apple's published schema, where a copy of it stands beside the project. Writes nothing.

    python -m mdm.cli.catalog_check          finds ../shared/apple-schema, or CARTABLE_APPLE_SCHEMA

Every key of Apple's is in the catalogue, or in `left_out.json` with the reason why not.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mdm.cli.checks import ROOT
from profiles.catalog import settings as catalogue
from profiles.catalog.fields import Field
from profiles.catalog.kinds import ValueKind, MergeRule, PayloadCardinality, parse_version
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
_LISTS = {each.item_kind: each for each in (ValueKind.STRINGS, ValueKind.INTEGERS, ValueKind.DATAS, ValueKind.OBJECTS, ValueKind.PAGES)}
#: What the catalogue makes of a name or a dictionary of Apple's.
_AS = {ValueKind.REFERENCE: ValueKind.STRING, ValueKind.REFERENCES: ValueKind.STRINGS}


def main() -> int:
    """Report every difference. Returns 0 without one, 1 with one, 2 where there is no schema to compare with."""
    schema = find_schema()
    if schema is None:
        print("no schema: set CARTABLE_APPLE_SCHEMA, or put it at ../shared/apple-schema", file=sys.stderr)
        return 2
    found = list(differences(schema, load_catalog(), read_left_out()))
    for each in found:
        print(each, file=sys.stderr)
    print(f"catalogue: {len(load_catalog())} settings, {len(found)} differences from {schema}")
    return 1 if found else 0


def find_schema() -> Path | None:
    """The folder of the schema, if there is one."""
    told = os.environ.get("CARTABLE_APPLE_SCHEMA")
    folder = Path(told) if told else ROOT.parent / "shared" / "apple-schema"
    return folder if (folder / "mdm" / "profiles").is_dir() else None


def read_left_out() -> dict[str, dict[str, str]]:
    """What the catalogue leaves out on purpose: payload type to paths ("" for the whole payload) to reasons."""
    read: dict[str, dict[str, str]] = json.loads((Path(catalogue.__file__).parent / "left_out.json").read_text("utf-8"))
    return read


def differences(schema: Path, known: Mapping[str, Setting], left_out: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Everything that the catalogue lacks or contradicts, one line each."""
    yield from _tables(schema, known)
    said: set[tuple[str, str]] = set()
    for file in sorted((schema / "mdm" / "profiles").glob("*.yaml")):
        if file.stem not in _ENVELOPES:
            document = yaml.safe_load(file.read_text("utf-8"))
            if file.stem in left_out and "(" in file.stem:
                said.add((file.stem, ""))  # a second file of one payload type
                continue
            yield from _Payload(document, known, left_out, said).differences()
    skipped = schema / "other" / "skipkeys.yaml"
    if skipped.exists():
        yield from _setup_panes(yaml.safe_load(skipped.read_text("utf-8")), known["SetupAssistant.managed.SkipSetupItems"])
    for payload, paths in left_out.items():
        yield from (f"{payload} {path}: left out, but nobody asks for it" for path in paths if (payload, path) not in said)


def _tables(schema: Path, known: Mapping[str, Setting]) -> Iterator[str]:
    """The table of restrictions and passcode keys: complete for all versions, and with the rules of merging."""
    for table in yaml.safe_load_all((schema / "restrictions-merge.yaml").read_text("utf-8")):
        payload = table["payload_type"]
        ours = {key: setting for key, setting in known.items() if setting.payload_type == payload}
        yield from (f"{payload} {key}: missing" for key in table["keys"] if key not in ours)
        yield from (f"{payload} {key}: not in the table" for key in ours if key not in table["keys"])
        for key, row in table["keys"].items():
            if key in ours:
                yield from _row(f"{payload} {key}", ours[key], row, passcode=payload == PASSCODE)


def _row(name: str, setting: Setting, row: Mapping[str, Any], *, passcode: bool) -> Iterator[str]:
    kind = ValueKind.STRINGS if row["type"] == "array" else ValueKind(row["type"])
    low, high = row.get("range", (0 if kind is ValueKind.INTEGER and passcode else None, None))
    pairs: dict[str, tuple[Any, Any]] = {
        "type": (setting.kind, kind),
        "merge": (setting.merge_rule, _MERGES[row["merge"]]),
        "default": (setting.default, row.get("default")),
        "supervised": (setting.supervised, row.get("supervised", False)),
        "introduced": (setting.minimum, parse_version(str(row.get("introduced", "4.0")))),
        "deprecated": (setting.deprecated, _optional(row, "deprecated")),
        "removed": (setting.removed, _optional(row, "removed")),
        "range": ((setting.least, setting.most), (low, high)),
        "choices": (list(setting.choices), row.get("values", [])),
        "Shared iPad": (setting.shared_ipad, not passcode and row.get("shared_ipad") != "forbidden"),
    }
    if "max_items" in row:
        pairs["entries"] = (setting.most_items, row["max_items"])
    if "successor" in row:
        pairs["successor"] = (setting.successor, row["successor"])
    yield from _unequal(name, pairs)


def _unequal(name: str, pairs: Mapping[str, tuple[Any, Any]]) -> Iterator[str]:
    for what, (ours, theirs) in pairs.items():
        if ours != theirs:
            yield f"{name}: {what} is {_said(ours)}, Apple says {_said(theirs)}"


def _said(value: Any) -> str:
    """Versions as people write them."""
    return ".".join(map(str, value)) if isinstance(value, tuple) and all(isinstance(v, int) for v in value) else str(value)


def _optional(row: Mapping[str, Any], key: str) -> tuple[int, ...] | None:
    return parse_version(str(row[key])) if key in row else None


def _setup_panes(document: Mapping[str, Any], setting: Setting) -> Iterator[str]:
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
            yield from _unequal(name, {"introduced": (ours and ours.minimum, parse_version(str(support["introduced"])))})
        yield from _unequal(name, {"removed": (ours and ours.removed, _optional(support, "removed"))})


class _Payload:
    """One payload of Apple's against the settings that belong to it."""

    def __init__(
        self,
        document: Mapping[str, Any],
        known: Mapping[str, Setting],
        left_out: Mapping[str, Mapping[str, str]],
        said: set[tuple[str, str]],
    ) -> None:
        self.type: str = document["payload"]["payloadtype"]
        self.support = document["payload"]["supportedOS"]["iOS"]
        self.keys = [row for row in document.get("payloadkeys", ()) if not _elsewhere(row)]
        self.settings = [setting for setting in known.values() if setting.payload_type == self.type]
        self.left_out = left_out.get(self.type, {})
        self.said = said

    def differences(self) -> Iterator[str]:
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
        yield from self._as_a_whole()
        minimum, supervised = parse_version(str(self.support["introduced"])), bool(self.support.get("supervised"))
        whole = next((setting for setting in self.settings if setting.payload_key is None), None)
        if whole is not None:
            fields: Mapping[str, Field] = whole.fields
            # What a whole payload needs beyond Apple's word is the product's own decision.
            minimum, supervised = max(minimum, whole.minimum), supervised or whole.supervised
        else:
            fields = {setting.payload_key or setting.key: setting for setting in self.settings}
        yield from self._compare("", fields, self.keys, minimum, supervised=supervised, theirs=(minimum, supervised))

    def _as_a_whole(self) -> Iterator[str]:
        for setting in self.settings:
            if setting.cardinality is PayloadCardinality.MANY and not self.support.get("multiple"):
                yield f"{setting.key}: many per tablet, Apple says one"
            if setting.minimum < parse_version(str(self.support["introduced"])):
                yield f"{setting.key}: introduced {_said(setting.minimum)}, Apple says {self.support['introduced']}"
            if self.support.get("supervised") and not setting.supervised:
                yield f"{setting.key}: supervised is False, Apple says True"
            if (self.support.get("sharedipad") or {}).get("mode") == "forbidden" and setting.shared_ipad:
                yield f"{setting.key}: Shared iPad is True, Apple says False"

    def _is_left_out(self, path: str) -> bool:
        if path in self.left_out:
            self.said.add((self.type, path))
            return True
        return False

    def _compare(
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
        formers = {field.former for field in fields.values()}
        yield from (
            f"{self.type} {path}{key}: unknown to Apple" for key in fields if key not in names and not key.startswith("PayloadD")
        )
        for row in keys:
            here = f"{path}{row['key']}"
            if row["key"] not in fields:
                if row["key"] not in formers and not self._is_left_out(here):
                    yield f"{self.type} {here}: missing"
                continue
            field = fields[row["key"]]
            support = (row.get("supportedOS") or {}).get("iOS") or {}
            introduced = max(theirs[0], parse_version(str(support.get("introduced", "4.0"))))
            guarded = theirs[1] or bool(support.get("supervised")) or self._is_left_out(f"{here}!supervised")
            now, held = max(minimum, field.minimum), supervised or field.supervised
            pairs = {
                "introduced": (now, introduced),
                "supervised": (held, guarded),
                "deprecated": (field.deprecated, _optional(support, "deprecated")),
                "removed": (field.removed, _optional(support, "removed")),
            }
            yield from _unequal(f"{self.type} {here}", pairs)
            yield from self._one(here, field, row)
            yield from self._compare(
                f"{here}.", field.fields, _below(row) if field.fields else [], now, supervised=held, theirs=(introduced, guarded)
            )

    def _one(self, path: str, field: Field, row: Mapping[str, Any]) -> Iterator[str]:
        kind, item = _kind(row), _item(row)
        if _AS.get(field.kind, field.kind) is not kind and not (field.kind is ValueKind.MAP and kind is ValueKind.OBJECT):
            yield f"{self.type} {path}: type is {field.kind}, Apple says {kind}"
        if row.get("presence") == "required" and not field.required and field.required_when is None and not isinstance(field, Setting):
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


def _elsewhere(row: Mapping[str, Any]) -> bool:
    """Whether a key is of other platforms alone."""
    return ((row.get("supportedOS") or {}).get("iOS") or {}).get("introduced") == "n/a"


def _kind(row: Mapping[str, Any]) -> ValueKind | None:
    if row["type"] == "<dictionary>":
        below = row.get("subkeys", [])
        return ValueKind.MAP if [each["key"] for each in below] == ["ANY"] else ValueKind.OBJECT
    if row["type"] == "<array>":
        one = _kind(row["subkeys"][0])
        return None if one is None else _LISTS.get(one)
    return _KINDS.get(row["type"])


def _item(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The definition of one value: of an array its items'."""
    found: Mapping[str, Any] = row["subkeys"][0] if row["type"] == "<array>" else row
    return found


def _below(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sub-keys of an object, of the objects of a list, or of a page."""
    while row["type"] == "<array>":
        row = row["subkeys"][0]
    return [each for each in row.get("subkeys", ()) if not _elsewhere(each)]


if __name__ == "__main__":
    sys.exit(main())
