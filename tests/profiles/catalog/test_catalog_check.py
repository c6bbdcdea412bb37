"""The comparison of the catalogue with Apple's schema: one line for every key that is missing or differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mdm.cli.catalog_check import find_differences, load_left_out, main
from profiles.catalog.settings import load_catalog

_KEYS = ("allowCamera", "ratingMovies", "blockedAppBundleIDs", "maxInactivity", "tvremote.AllowedTVs", "font")
KNOWN = {key: load_catalog()[key] for key in _KEYS}
Tree = dict[str, Any]


def build_schema() -> Tree:
    """Build a schema with which the catalogue agrees: file names to documents."""
    movies = {"type": "integer", "default": 1000, "merge": "min", "values": [0, 100, 200, 300, 400, 500, 1000]}
    blocked = {
        "type": "array", "supervised": True, "introduced": "15.0", "merge": "union", "deprecated": "27.0",
        "successor": "com.apple.configuration.app.settings",
    }  # fmt: skip
    inactivity = {"type": "integer", "default": None, "merge": "min_zero_is_infinite", "range": [0, 15]}
    television = {
        "key": "AllowedTVsItem", "type": "<dictionary>", "subkeys": [
            {"key": "TVDeviceID", "type": "<string>", "presence": "required"},
            {"key": "TVDeviceName", "type": "<string>", "presence": "optional", "supportedOS": {"iOS": {"introduced": "15.0"}}},
        ],
    }  # fmt: skip
    return {
        "restrictions-merge.yaml": [
            {
                "payload_type": "com.apple.applicationaccess",
                "keys": {
                    "allowCamera": {"type": "boolean", "default": True, "merge": "and"},
                    "ratingMovies": movies,
                    "blockedAppBundleIDs": blocked,
                },
            },
            {"payload_type": "com.apple.mobiledevice.passwordpolicy", "keys": {"maxInactivity": inactivity}},
        ],
        "mdm/profiles/com.apple.tvremote.yaml": build_payload_schema(
            "com.apple.tvremote",
            {"introduced": "11.3", "multiple": False, "supervised": True},
            {"key": "AllowedTVs", "type": "<array>", "presence": "optional", "subkeys": [television]},
            {"key": "OfComputers", "type": "<string>", "supportedOS": {"iOS": {"introduced": "n/a"}}},
        ),
        "mdm/profiles/com.apple.font.yaml": build_payload_schema(
            "com.apple.font",
            {"introduced": "7.0", "multiple": True, "supervised": False},
            {"key": "Name", "type": "<string>", "presence": "optional", "default": ""},
            {"key": "Font", "type": "<data>", "presence": "required"},
        ),
        "mdm/profiles/TopLevel.yaml": {"payloadkeys": []},
    }


def build_payload_schema(name: str, support: Tree, *keys: Tree) -> Tree:
    return {"payload": {"payloadtype": name, "supportedOS": {"iOS": support}}, "payloadkeys": list(keys)}


def run_check(folder: Path, tree: Tree, left_out: dict[str, dict[str, str]] | None = None) -> list[str]:
    for name, document in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        documents = document if isinstance(document, list) else [document]
        path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return list(find_differences(folder, KNOWN, left_out or {}))


def test_no_difference_where_catalogue_and_schema_agree(tmp_path: Path) -> None:
    assert run_check(tmp_path, build_schema()) == []


def _restriction(key: str, **changed: Any) -> Callable[[Tree], None]:
    return lambda tree: tree["restrictions-merge.yaml"][0]["keys"].setdefault(key, {}).update(changed)


def _television(**changed: Any) -> Callable[[Tree], None]:
    return lambda tree: tree["mdm/profiles/com.apple.tvremote.yaml"]["payloadkeys"][0]["subkeys"][0]["subkeys"][1].update(changed)


def _font(**changed: Any) -> Callable[[Tree], None]:
    return lambda tree: tree["mdm/profiles/com.apple.font.yaml"]["payloadkeys"].append({"type": "<string>", **changed})


def _support(**changed: Any) -> Callable[[Tree], None]:
    return lambda tree: tree["mdm/profiles/com.apple.font.yaml"]["payload"]["supportedOS"]["iOS"].update(changed)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (_restriction("allowTeleport", type="boolean", merge="and"), "com.apple.applicationaccess allowTeleport: missing"),
        (_restriction("allowCamera", merge="or"), "com.apple.applicationaccess allowCamera: merge is all, Apple says any"),
        (_restriction("allowCamera", default=False), "com.apple.applicationaccess allowCamera: default is True, Apple says False"),
        (_restriction("allowCamera", introduced="18.10"), "com.apple.applicationaccess allowCamera: introduced is 4.0, Apple says 18.10"),
        (_restriction("allowCamera", supervised=True), "com.apple.applicationaccess allowCamera: supervised is False, Apple says True"),
        (_restriction("allowCamera", removed="28.0"), "com.apple.applicationaccess allowCamera: removed is None, Apple says 28.0"),
        (_restriction("blockedAppBundleIDs", successor="x"), "com.apple.applicationaccess blockedAppBundleIDs: successor is com.apple.configuration.app.settings, Apple says x"),
        (_television(type="<integer>"), "com.apple.tvremote AllowedTVs.TVDeviceName: type is string, Apple says integer"),
        (_television(presence="required"), "com.apple.tvremote AllowedTVs.TVDeviceName: optional, Apple requires it"),
        (_television(default="A"), "com.apple.tvremote AllowedTVs.TVDeviceName: default is None, Apple says A"),
        (_television(rangelist=["A"]), "com.apple.tvremote AllowedTVs.TVDeviceName: A is missing"),
        (_television(supportedOS={"iOS": {"introduced": "16.0"}}), "com.apple.tvremote AllowedTVs.TVDeviceName: introduced is 15.0, Apple says 16.0"),
        (_television(key="TVName"), "com.apple.tvremote AllowedTVs.TVDeviceName: unknown to Apple"),
        (_font(key="Licence"), "com.apple.font Licence: missing"),
        (_support(multiple=False), "font: many per tablet, Apple says one"),
        (_support(introduced="9.0"), "font: introduced 7.0, Apple says 9.0"),
        (_support(supervised=True), "font: supervised is False, Apple says True"),
        (_support(sharedipad={"mode": "forbidden"}), "font: Shared iPad is True, Apple says False"),
        (lambda tree: tree.update({"mdm/profiles/com.apple.new.yaml": build_payload_schema("com.apple.new", {"introduced": "27.0"})}), "com.apple.new: missing"),
    ],
)  # fmt: skip
def test_each_difference_is_one_line(tmp_path: Path, change: Callable[[Tree], None], line: str) -> None:
    tree = build_schema()
    change(tree)
    assert line in run_check(tmp_path, tree)


def test_an_omission_with_a_reason_is_no_difference_and_a_stale_one_is(tmp_path: Path) -> None:
    tree = build_schema()
    _font(key="Licence")(tree)
    assert run_check(tmp_path, tree, {"com.apple.font": {"Licence": "not for tablets"}}) == []
    stale = {"com.apple.font": {"Licence": "not for tablets", "Gone": "was there once"}}
    assert run_check(tmp_path, tree, stale) == ["com.apple.font Gone: left out, but nobody asks for it"]


def test_a_payload_cannot_be_both_omitted_and_in_the_catalogue(tmp_path: Path) -> None:
    assert run_check(tmp_path, build_schema(), {"com.apple.font": {"": "not wanted"}}) == [
        "com.apple.font: left out, and in the catalogue"
    ]


def test_every_omission_has_a_reason() -> None:
    for paths in load_left_out().values():
        assert paths
        assert all(reason.endswith(".") for reason in paths.values())


def test_without_a_schema_the_check_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARTABLE_APPLE_SCHEMA", str(tmp_path))
    assert main() == 2
    assert "CARTABLE_APPLE_SCHEMA" in capsys.readouterr().err
