"""What a status report proves of the declarations of a manifest: pure rules, on the documents that the server renders."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mdm.devices.declaration_rules import check_declarations, find_named_mode
from mdm.devices.manifests import build_manifest_contents
from mdm.devices.models import Manifest
from mdm.protocol import ddm
from profiles.render.declarations import (
    ALWAYS_IDENTIFIER,
    BASE_IDENTIFIER,
    PROPERTIES_IDENTIFIER,
    build_declarations,
    build_set_items,
    select_effective_identifiers,
)
from profiles.schedule.modes import Mode

SCHOOL, HOME = "a" * 64, "b" * 64
SHARED = [
    {"Kind": each.kind.value, **each.to_document()}
    for each in build_declarations(
        "https://mdm.test", "Cartable", "c" * 64, {Mode.SCHOOL: SCHOOL, Mode.EXAM: SCHOOL, Mode.HOME: HOME, Mode.TRIP: None}
    )
]
IN_SCHOOL, FOR_SCHOOL = f"fr.cartable.in.{SCHOOL[:16]}", f"fr.cartable.mode.{SCHOOL[:16]}"
FOR_HOME = f"fr.cartable.mode.{HOME[:16]}"


def report(mode: Mode, changes: dict[str, dict[str, Any]] | None = None, repairs: dict[str, int] | None = None) -> Any:
    """Return what a tablet in this mode reports, with changed rows by identifier; None removes a row."""
    items = build_set_items(SHARED, mode, repairs)
    effective = select_effective_identifiers(items, mode)
    rows: dict[str, list[dict[str, Any]]] = {key: [] for key in ("activations", "configurations", "assets", "management")}
    for item in items:
        row = {"identifier": item["Identifier"], "server-token": item["ServerToken"], "valid": "valid", "reasons": []}
        row["active"] = item["Identifier"] in effective
        change = (changes or {}).get(item["Identifier"], {})
        if change is not None:
            rows[ddm.MANIFEST_KEYS[item["Kind"]].lower()].append({**row, **change})
    return rows


def check(mode: Mode, reported: Any, repairs: dict[str, int] | None = None) -> Any:
    return check_declarations(build_manifest_contents(SHARED, Manifest("e" * 64, mode, repairs or {})), reported)


def test_active_and_valid_is_confirmed() -> None:
    for mode in (Mode.SCHOOL, Mode.EXAM, Mode.HOME, Mode.TRIP):
        assert check(mode, report(mode)).is_confirmed
        assert check(mode, report(mode)).troubled == ()


@pytest.mark.parametrize(
    "change",
    [{"valid": "unknown"}, {"active": False}, {"active": False, "valid": "unknown"}],
    ids=["unknown", "inactive", "both"],
)
@pytest.mark.parametrize("identifier", [ALWAYS_IDENTIFIER, BASE_IDENTIFIER, IN_SCHOOL, FOR_SCHOOL])
def test_what_the_mode_wants_and_is_not_applied_is_in_progress(identifier: str, change: dict[str, Any]) -> None:
    checked = check(Mode.SCHOOL, report(Mode.SCHOOL, {identifier: change}))
    assert (checked.is_confirmed, checked.pending, checked.invalid) == (False, (identifier,), ())


def test_configurations_of_other_modes_may_be_of_unknown_validity() -> None:
    assert check(Mode.SCHOOL, report(Mode.SCHOOL, {FOR_HOME: {"valid": "unknown"}})).is_confirmed


def test_an_invalid_configuration_of_another_mode_is_told_and_does_not_deny_the_present_one() -> None:
    checked = check(Mode.SCHOOL, report(Mode.SCHOOL, {FOR_HOME: {"valid": "invalid"}}))
    assert (checked.is_confirmed, checked.troubled) == (True, (FOR_HOME,))


def test_a_row_of_another_version_proves_nothing() -> None:
    checked = check(Mode.SCHOOL, report(Mode.SCHOOL, {BASE_IDENTIFIER: {"server-token": "former", "valid": "invalid"}}))
    assert (checked.is_confirmed, checked.missing, checked.invalid) == (False, (BASE_IDENTIFIER,), ())


def test_a_kind_that_was_never_reported_is_neither_confirmed_nor_missing() -> None:
    reported = {kind: rows for kind, rows in report(Mode.SCHOOL).items() if kind != "configurations"}
    checked = check(Mode.SCHOOL, reported)
    assert (checked.is_confirmed, checked.missing) == (False, ())


def test_the_mode_that_a_tablet_names_is_found_by_its_properties() -> None:
    assert find_named_mode({}, report(Mode.EXAM)) is Mode.EXAM
    assert find_named_mode({}, report(Mode.LOST, {BASE_IDENTIFIER: {"valid": "invalid"}})) is Mode.LOST
    assert find_named_mode({}, {}) is None


def test_a_repair_renews_the_token_of_what_is_broken_and_of_nothing_else() -> None:
    before, after = build_set_items(SHARED, Mode.HOME), build_set_items(SHARED, Mode.HOME, {BASE_IDENTIFIER: 1})
    changed = [new["Identifier"] for old, new in zip(before, after, strict=True) if old["ServerToken"] != new["ServerToken"]]
    assert changed == [BASE_IDENTIFIER]
    assert ddm.compute_declarations_token(before) != ddm.compute_declarations_token(after)
    again = build_set_items(SHARED, Mode.HOME, {BASE_IDENTIFIER: 2})
    assert (
        len({item["ServerToken"] for items in (before, after, again) for item in items if item["Identifier"] == BASE_IDENTIFIER})
        == 3
    )
    assert all(len(item["ServerToken"]) == 64 for item in again)
    assert not check(Mode.HOME, report(Mode.HOME), {BASE_IDENTIFIER: 1}).is_confirmed, "a report on the former version"
    assert find_named_mode({PROPERTIES_IDENTIFIER: 3}, report(Mode.HOME, repairs={PROPERTIES_IDENTIFIER: 3})) is Mode.HOME


@pytest.mark.parametrize("spell", [str, str.title, str.upper], ids=["lower", "Title", "UPPER"])
def test_reasons_are_read_in_every_spelling_of_their_keys(spell: Any) -> None:
    reason = {
        spell("code"): "Error.ConfigurationIsInvalid",
        spell("description"): "is invalid",
        spell("details"): {"Identifier": "x"},
    }
    row = {"identifier": "base", "server-token": "t", "active": False, "valid": "invalid", spell("reasons"): [reason]}
    body = {"StatusItems": {"management": {"declarations": {"configurations": [row]}}}}
    parsed = ddm.parse_status_report(json.dumps(body).encode())
    assert parsed.declarations is not None
    assert list(parsed.declarations) == ["configurations"], "the other kinds were not carried"
    [read] = parsed.declarations["configurations"]
    assert ddm.describe_reasons(read) == "base: Error.ConfigurationIsInvalid, is invalid, Identifier x"
