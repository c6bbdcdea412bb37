"""The catalogue as data: every setting has its words, its place, its group, and a value that it accepts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cartable.i18n import ENGLISH, FRENCH
from profiles.catalog.fields import Field
from profiles.catalog.settings import (
    RESTRICTIONS_TYPE,
    MergeRule,
    PayloadCardinality,
    Setting,
    SettingGroup,
    ValueKind,
    find_value_problem,
    load_catalog,
)
from profiles.catalog.text_formats import TextFormat
from profiles.policy.kinds import PlaceKind

CATALOG = load_catalog()
_SAMPLES = {
    TextFormat.TEXT: "texte", TextFormat.NAME: "nom", TextFormat.SECRET: "secret", TextFormat.BUNDLE_ID: "fr.ville.app", TextFormat.BUNDLE_MATCH: "fr.ville.*",
    TextFormat.URL: "http://ville.example/page", TextFormat.HTTPS: "https://ville.example", TextFormat.HOST: "ville.example",
    TextFormat.DOMAIN: "ville.example", TextFormat.IP: "192.0.2.1", TextFormat.EMAIL: "a@ville.example",
    TextFormat.UUID: "5E0C6B0E-3D1C-4B0A-9E2A-6B0D6A3F0001", TextFormat.MAC: "00:11:22:33:44:55", TextFormat.ICCID: "8933010000000000001",
    TextFormat.SSID: "Ecole", TextFormat.WIFI_PASSWORD: "mot de passe", TextFormat.FILTER_HOST: "ville.example",
    TextFormat.CATEGORY: "games", TextFormat.OS_VERSION: "26.2", TextFormat.LOCAL_TIME: "2027-01-31T19:00:00",
}  # fmt: skip
_PLAIN: dict[ValueKind, Any] = {
    ValueKind.BOOLEAN: True,
    ValueKind.MAP: {"a": [1, {"b": "c"}]},
    ValueKind.DATA: base64.b64encode(b"x").decode(),
}


def build_sample(field: Field) -> Any:
    """A value that the field must accept, with every sub-key that may stand together."""
    if field.kind.item_kind is not field.kind:
        return [build_sample(replace(field, kind=field.kind.item_kind))]
    if field.kind is ValueKind.OBJECT:
        made = {key: build_sample(below) for key, below in field.fields.items() if below.required_when is None}
        for key, below in field.fields.items():
            if below.required_when is not None and made.get(below.required_when[0]) == below.required_when[1]:
                made[key] = build_sample(below)
        return made
    if field.choices:
        return field.choices[0]
    if field.kind in (ValueKind.STRING, ValueKind.REFERENCE):
        return _SAMPLES[field.text_format]
    return _PLAIN.get(field.kind, field.least or 0)


def iterate_fields(field: Field) -> Iterator[Field]:
    yield field
    for below in field.fields.values():
        yield from iterate_fields(below)


@pytest.mark.parametrize("setting", CATALOG.values(), ids=CATALOG)
def test_a_setting_has_texts_and_a_payload_and_accepts_a_sample(setting: Setting) -> None:
    for field in iterate_fields(setting):
        assert field.label.translate(FRENCH).strip()
        assert field.label.translate(ENGLISH).strip()
        assert len(field.label.translate(FRENCH)) <= 70
        assert field.kind is not ValueKind.OBJECT or field.fields
        assert {*field.labels} <= {str(choice) for choice in field.choices}
        assert {*field.choice_support} <= {str(choice) for choice in field.choices}
        assert field.default is None or find_value_problem(field, field.default) is None
        assert field.removed is None or field.removed > field.minimum
        for choice in field.reference_keys:
            assert CATALOG[choice].identity_paths == ("PayloadDisplayName",)
        for key, below in field.fields.items():
            assert key == below.key
            assert below.required_when is None or below.required_when[0] in field.fields
    assert setting.key not in (setting.label.translate(FRENCH), setting.label.translate(ENGLISH))
    assert find_value_problem(setting, build_sample(setting)) is None
    assert setting.group in SettingGroup
    assert setting.group.label.translate(FRENCH)


@pytest.mark.parametrize("setting", CATALOG.values(), ids=CATALOG)
def test_a_setting_refuses_any_other_value_and_never_raises(setting: Setting) -> None:
    for wrong in (None, object(), {"x\x00": 1}, [[None]], [{"x": 1}], "\x00", -1, float("nan"), 2**40, [1, 1], [True]):
        assert find_value_problem(setting, wrong) is not None, wrong


def test_the_merge_rule_fits_the_kind_of_value() -> None:
    for setting in CATALOG.values():
        allowed = {
            ValueKind.BOOLEAN: {MergeRule.ALL, MergeRule.ANY},
            ValueKind.INTEGER: {MergeRule.SMALLEST, MergeRule.LARGEST, MergeRule.SMALLEST_BUT_ZERO},
            ValueKind.REAL: {MergeRule.SMALLEST, MergeRule.LARGEST},
            ValueKind.STRINGS: {MergeRule.INTERSECTION, MergeRule.UNION},
            ValueKind.OBJECTS: {MergeRule.EACH},
        }.get(setting.kind, {MergeRule.AGREE, *([MergeRule.STRICTEST] if setting.choices else [])})
        assert setting.merge_rule in allowed, setting.key
        assert bool(setting.identity_paths) == (setting.merge_rule is MergeRule.EACH), setting.key
        assert setting.payload_key is not None or setting.kind in (ValueKind.OBJECT, ValueKind.OBJECTS)
        assert (setting.cardinality is PayloadCardinality.MANY) == (
            setting.payload_key is None and setting.kind is ValueKind.OBJECTS
        ), setting.key


def test_opposites_name_each_other_and_offers_are_lists_that_narrow() -> None:
    for setting in CATALOG.values():
        if setting.opposite is not None:
            assert CATALOG[setting.opposite].opposite == setting.key
        assert not setting.is_offered or setting.merge_rule is MergeRule.INTERSECTION, setting.key
        assert set(setting.places) <= {*PlaceKind}, setting.key


def test_payload_names_are_unique_and_restrictions_and_passcode_are_complete() -> None:
    names = {setting.payload_type: setting.slot_name for setting in CATALOG.values()}
    assert len(set(names.values())) == len(names)
    assert sum(setting.payload_type == RESTRICTIONS_TYPE for setting in CATALOG.values()) == 176
    assert sum(setting.slot_name == "passcode" for setting in CATALOG.values()) == 10


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("allowCamera", 1, "not true or false"),
        ("minLength", 17, "not between 0 and 16"),
        ("ratingRegion", "xx", "not one of: us, au, ca, de, fr, ie, jp, nz, gb"),
        ("blockedAppBundleIDs", ["fr.ville.app", "deux mots"], "[1]: not an app's identifier (com.example.app)"),
        ("wifi.managed", [{"Password": "12345678"}], "[0].SSID_STR: is required"),
        ("wifi.managed", [{"SSID_STR": "é" * 17}], "[0].SSID_STR: not a Wi-Fi name of 1 to 32 bytes"),
        ("wifi.managed", [{"SSID_STR": "a", "SSID": "b"}], "[0].SSID: unknown key"),
        ("wifi.managed", [{"SSID_STR": "a"}, {"SSID_STR": "a"}], "[1]: is there already"),
        ("wifi.managed", [{"SSID_STR": "a", "ProxyServer": "p"}], "[0].ProxyServer: only when ProxyType is Manual"),
        ("wifi.managed", [{"SSID_STR": "a", "ProxyType": "Manual"}], "[0].ProxyServer: is required when ProxyType is Manual"),
        (
            "homescreenlayout",
            {"Pages": [[{"Type": "Folder", "DisplayName": "D", "Pages": [[{"Type": "Folder"}]]}]]},
            "Pages[0][0].Pages[0][0].Type: not one of: App, WebClip",
        ),
        ("app.lock", {"App": {"Identifier": "fr.ville.app", "Options": {"EnableZoom": "yes"}}}, "App.Options.EnableZoom: not true or false"),
        ("font", [{"Name": "Luciole", "Font": "not base64!"}], "[0].Font: not base64"),
        ("domains.CrossSiteTrackingPreventionRelaxedDomains", ["a.fr"] * 11, "more than 10 entries"),
    ],
)  # fmt: skip
def test_a_problem_names_the_sub_key_and_what_is_wrong(key: str, value: Any, problem: str) -> None:
    assert str(find_value_problem(CATALOG[key], value)) == problem


def test_a_problem_has_a_french_text() -> None:
    found = find_value_problem(CATALOG["wifi.managed"], [{}])
    assert found is not None
    assert (found.path, found.message.translate(FRENCH)) == ("[0].SSID_STR", "est obligatoire")


def test_a_setting_needs_what_its_payload_needs() -> None:
    assert CATALOG["allowScreenShot"].minimum == (3, 1)
    assert CATALOG["domains.WebDomains"].minimum == (8, 0)
    assert CATALOG["domains.SafariPasswordAutoFillDomains"].minimum == (9, 3)
    assert CATALOG["homescreenlayout"].supervised
    assert not CATALOG["homescreenlayout"].is_supported_by((18, 0), supervised=False)
    assert CATALOG["minLength"].is_supported_by((18, 0), supervised=True)
    assert not CATALOG["minLength"].is_supported_by((18, 0), supervised=True, shared_ipad=True)
    assert not CATALOG["enforcedSoftwareUpdateDelay"].is_supported_by((27, 0), supervised=True)
    assert not CATALOG["enforcedSoftwareUpdateDelay"].is_supported_by(None, supervised=True)
    assert CATALOG["allowSiriAI"].is_supported_by(None, supervised=None)
