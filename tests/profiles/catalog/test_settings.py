"""The catalogue as data: every setting has its words, its place, its group, and a value that it accepts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from profiles.catalog.fields import Field
from profiles.catalog.forms import Form
from profiles.catalog.settings import RESTRICTIONS, Group, Kind, Merge, Setting, Slot, catalog
from profiles.policy.kinds import PlaceKind

CATALOG = catalog()
_SAMPLES = {
    Form.TEXT: "texte", Form.NAME: "nom", Form.SECRET: "secret", Form.BUNDLE_ID: "fr.ville.app", Form.BUNDLE_MATCH: "fr.ville.*",
    Form.URL: "http://ville.example/page", Form.HTTPS: "https://ville.example", Form.HOST: "ville.example",
    Form.DOMAIN: "ville.example", Form.IP: "192.0.2.1", Form.EMAIL: "a@ville.example",
    Form.UUID: "5E0C6B0E-3D1C-4B0A-9E2A-6B0D6A3F0001", Form.MAC: "00:11:22:33:44:55", Form.ICCID: "8933010000000000001",
    Form.SSID: "Ecole", Form.WIFI_PASSWORD: "mot de passe", Form.FILTER_HOST: "ville.example", Form.CATEGORY: "games",
}  # fmt: skip
_PLAIN: dict[Kind, Any] = {Kind.BOOLEAN: True, Kind.MAP: {"a": [1, {"b": "c"}]}, Kind.DATA: base64.b64encode(b"x").decode()}


def sample(field: Field) -> Any:
    """A value that the field must accept, with every sub-key that may stand together."""
    if field.kind.one is not field.kind:
        return [sample(replace(field, kind=field.kind.one))]
    if field.kind is Kind.OBJECT:
        made = {key: sample(below) for key, below in field.fields.items() if below.when is None}
        for key, below in field.fields.items():
            if below.when is not None and made.get(below.when[0]) == below.when[1]:
                made[key] = sample(below)
        return made
    if field.choices:
        return field.choices[0]
    if field.kind in (Kind.STRING, Kind.REFERENCE):
        return _SAMPLES[field.form]
    return _PLAIN.get(field.kind, field.least or 0)


def every_field(field: Field) -> Iterator[Field]:
    yield field
    for below in field.fields.values():
        yield from every_field(below)


@pytest.mark.parametrize("setting", CATALOG.values(), ids=CATALOG)
def test_a_setting_has_words_a_place_and_accepts_a_value(setting: Setting) -> None:
    for field in every_field(setting):
        assert field.words.fr.strip()
        assert field.words.en.strip()
        assert len(field.words.fr) <= 70
        assert field.kind is not Kind.OBJECT or field.fields
        assert {*field.labels} <= {str(choice) for choice in field.choices}
        assert {*field.choice_support} <= {str(choice) for choice in field.choices}
        assert field.default is None or field.problem(field.default) is None
        assert field.removed is None or field.removed > field.minimum
        for choice in field.to:
            assert CATALOG[choice].identity == ("PayloadDisplayName",)
        for key, below in field.fields.items():
            assert key == below.key
            assert below.when is None or below.when[0] in field.fields
    assert setting.key not in (setting.words.fr, setting.words.en)
    assert setting.problem(sample(setting)) is None
    assert setting.group in Group
    assert setting.group.words.fr


@pytest.mark.parametrize("setting", CATALOG.values(), ids=CATALOG)
def test_a_setting_refuses_what_is_no_value_and_never_raises(setting: Setting) -> None:
    for wrong in (None, object(), {"x\x00": 1}, [[None]], [{"x": 1}], "\x00", -1, float("nan"), 2**40, [1, 1], [True]):
        assert setting.problem(wrong) is not None, wrong


def test_the_merge_rule_fits_the_kind_of_value() -> None:
    for setting in CATALOG.values():
        allowed = {
            Kind.BOOLEAN: {Merge.ALL, Merge.ANY},
            Kind.INTEGER: {Merge.SMALLEST, Merge.LARGEST, Merge.SMALLEST_BUT_ZERO},
            Kind.REAL: {Merge.SMALLEST, Merge.LARGEST},
            Kind.STRINGS: {Merge.INTERSECTION, Merge.UNION},
            Kind.OBJECTS: {Merge.EACH},
        }.get(setting.kind, {Merge.AGREE})
        assert setting.merge in allowed, setting.key
        assert bool(setting.identity) == (setting.merge is Merge.EACH), setting.key
        assert setting.place is not None or setting.kind in (Kind.OBJECT, Kind.OBJECTS)
        assert (setting.slot is Slot.MANY) == (setting.place is None and setting.kind is Kind.OBJECTS), setting.key


def test_opposites_name_each_other_and_offers_are_lists_that_narrow() -> None:
    for setting in CATALOG.values():
        if setting.opposite is not None:
            assert CATALOG[setting.opposite].opposite == setting.key
        assert not setting.is_offered or setting.merge is Merge.INTERSECTION, setting.key
        assert set(setting.places) <= {*PlaceKind}, setting.key


def test_a_payload_has_one_short_name_and_the_restrictions_and_passcodes_are_complete() -> None:
    names = {setting.payload: setting.name for setting in CATALOG.values()}
    assert len(set(names.values())) == len(names)
    assert sum(setting.payload == RESTRICTIONS for setting in CATALOG.values()) == 176
    assert sum(setting.name == "passcode" for setting in CATALOG.values()) == 10


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
    assert CATALOG[key].problem(value) == problem


def test_a_problem_is_told_in_french_too() -> None:
    found = CATALOG["wifi.managed"].trouble([{}])
    assert found is not None
    assert (found.path, found.words.fr) == ("[0].SSID_STR", "est obligatoire")


def test_a_setting_inherits_what_its_payload_needs() -> None:
    assert CATALOG["allowScreenShot"].minimum == (3, 1)
    assert CATALOG["domains.WebDomains"].minimum == (8, 0)
    assert CATALOG["domains.SafariPasswordAutoFillDomains"].minimum == (9, 3)
    assert CATALOG["homescreenlayout"].supervised
    assert not CATALOG["homescreenlayout"].supports((18, 0), supervised=False)
    assert CATALOG["minLength"].supports((18, 0), supervised=True)
    assert not CATALOG["minLength"].supports((18, 0), supervised=True, shared_ipad=True)
    assert not CATALOG["enforcedSoftwareUpdateDelay"].supports((27, 0), supervised=True)
    assert not CATALOG["enforcedSoftwareUpdateDelay"].supports(None, supervised=True)
    assert CATALOG["allowSiriAI"].supports(None, supervised=None)
