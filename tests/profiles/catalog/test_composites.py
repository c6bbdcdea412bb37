"""Composite settings: each expands to catalogue settings with acceptable values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from profiles.catalog.composites import Composite, expand_composites, list_authorable_fields, list_expanded_keys, load_composites
from profiles.catalog.kinds import ValueKind
from profiles.catalog.settings import load_catalog
from profiles.policy.kinds import locked_in, values_in
from profiles.policy.rules import wrong
from profiles.schedule.modes import Mode
from tests.profiles.catalog.test_settings import build_sample, iterate_fields

CATALOG = load_catalog()


def list_sample_values(composite: Composite) -> list[Any]:
    """Return values that cover every branch of the expansion."""
    if composite.kind is ValueKind.BOOLEAN:
        return [True, False]
    if composite.choices:
        return list(composite.choices)
    if composite.kind in (ValueKind.OBJECT, ValueKind.OBJECTS):
        bare = replace(composite, fields={k: f for k, f in composite.fields.items() if f.required})
        return [build_sample(composite), build_sample(bare)]
    return [build_sample(composite), *([0, 90] if composite.kind is ValueKind.INTEGER else [])]


@pytest.mark.parametrize("composite", load_composites().values(), ids=load_composites())
def test_every_composite_expands_to_acceptable_values(composite: Composite) -> None:
    for field in iterate_fields(composite):
        assert field.words.fr
        assert field.words.en
    for value in list_sample_values(composite):
        assert composite.describe_problem(value) is None
        expanded = composite.expand(value)
        assert expanded
        for key, each in expanded.items():
            assert CATALOG[key].describe_problem(each) is None, (key, each)


def test_no_composite_has_the_key_of_a_setting() -> None:
    assert not load_composites().keys() & CATALOG.keys()
    assert len(list_authorable_fields()) == len(load_composites()) + len(CATALOG)


def test_one_composite_switches_all_artificial_intelligence() -> None:
    expanded = expand_composites({"ai": False})
    assert {"allowGenmoji", "allowWritingTools", "allowSiriAI", "allowExternalIntelligenceIntegrations"} <= expanded.keys()
    assert set(expanded.values()) == {False}
    intelligent = {key for key, each in CATALOG.items() if each.successor == "com.apple.configuration.intelligence.settings"}
    assert intelligent - {"forceOnDeviceOnlyDictation", "forceOnDeviceOnlyTranslation"} <= expanded.keys()


def test_a_setting_set_directly_wins_and_of_two_composites_the_stricter() -> None:
    assert expand_composites({"ai": False, "allowGenmoji": True})["allowGenmoji"] is True
    assert expand_composites({"filter_bypass": True, "tamper": False})["allowUIConfigurationProfileInstallation"] is False
    assert expand_composites({"mixing_documents": False})["forceAirDropUnmanaged"] is True


def test_a_stored_value_that_is_no_longer_acceptable_is_ignored() -> None:
    assert expand_composites({"browser": "netscape", "allowCamera": True}) == {"allowCamera": True}


def test_a_composite_for_a_mode_wins_over_a_setting_for_all_modes() -> None:
    settings = {"all": {"allowCamera": True}, "exam": {"camera": False}}
    assert values_in(settings, Mode.EXAM) == {"allowCamera": False}
    assert values_in(settings, Mode.HOME) == {"allowCamera": True}


def test_a_lock_on_a_composite_locks_all_its_settings() -> None:
    settings = {"all": {"messages": False}, "home": {"facetime": True}}
    assert locked_in(settings, {"messages"}) == {"messages", "allowChat", "allowRCSMessaging"}
    assert list_expanded_keys("facetime", settings["all"]) == frozenset()


def test_validation_names_the_sub_key_of_a_composite() -> None:
    assert wrong({"all": {"ai": False, "wifi.managed": [{"SSID_STR": "Ecole"}]}}, ["ai"], list_authorable_fields()) is None
    assert wrong({"all": {"school_wifi": [{"password": "12345678"}]}}, [], list_authorable_fields()) == (
        "settings.all.school_wifi",
        "[0].name: is required",
    )


def test_the_home_screen_layout() -> None:
    page = {"apps": ["a.a"], "folders": [{"name": "Maths", "apps": ["b.b", "c.c"]}], "links": ["https://ville.example"]}
    expanded = expand_composites({"home_screen": {"dock": ["d.d"], "pages": [page]}})
    assert expanded["homescreenlayout"] == {
        "Dock": [{"Type": "App", "BundleID": "d.d"}],
        "Pages": [
            [
                {"Type": "App", "BundleID": "a.a"},
                {
                    "Type": "Folder",
                    "DisplayName": "Maths",
                    "Pages": [[{"Type": "App", "BundleID": "b.b"}, {"Type": "App", "BundleID": "c.c"}]],
                },
                {"Type": "WebClip", "URL": "https://ville.example"},
            ]
        ],
    }


def test_only_these_apps_keeps_web_shortcuts_alive() -> None:
    assert expand_composites({"allowed_apps": ["fr.ville.app"]}) == {
        "allowListedAppBundleIDs": ["com.apple.webapp", "fr.ville.app"]
    }
