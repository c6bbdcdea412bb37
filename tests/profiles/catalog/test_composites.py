"""Composite settings: each expands to catalogue settings with acceptable values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cartable.i18n import ENGLISH, FRENCH
from profiles.catalog.composites import Composite, expand_composites, list_authorable_fields, list_expanded_keys, load_composites
from profiles.catalog.kinds import ValueKind
from profiles.catalog.settings import find_value_problem, load_catalog
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind
from profiles.policy.validation import find_problem
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
        assert field.label.translate(FRENCH)
        assert field.label.translate(ENGLISH)
    for value in list_sample_values(composite):
        assert find_value_problem(composite, value) is None
        expanded = composite.expand(value)
        assert expanded
        for key, each in expanded.items():
            assert find_value_problem(CATALOG[key], each) is None, (key, each)


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


def test_what_is_set_for_a_mode_goes_before_what_is_set_for_all() -> None:
    content = PolicyContent({"all": {"allowCamera": True}, "exam": {"camera": False}})
    assert content.get_values(Mode.EXAM) == {"allowCamera": False}
    assert content.get_values(Mode.HOME) == {"allowCamera": True}


def test_a_lock_on_a_composite_locks_all_that_it_stands_for() -> None:
    content = PolicyContent({"all": {"messages": False}, "home": {"facetime": True}}, {"all": ["messages"]})
    assert content.get_locks(Mode.SCHOOL) == {"messages", "allowChat", "allowRCSMessaging"}
    in_home = PolicyContent(content.values, {"home": ["facetime"]})
    assert in_home.get_locks(Mode.SCHOOL) == frozenset()
    assert "allowVideoConferencing" in in_home.get_locks(Mode.HOME)
    assert list_expanded_keys("facetime", content.values["all"]) == frozenset()


def test_a_document_may_hold_composites_and_is_refused_with_the_sub_key_named() -> None:
    good = PolicyContent({"all": {"ai": False, "wifi.managed": [{"SSID_STR": "Ecole"}]}}, {"all": ["ai"]})
    assert find_problem(good, PlaceKind.TOWN) is None
    bad = PolicyContent({"all": {"school_wifi": [{"password": "12345678"}]}})
    assert find_problem(bad, PlaceKind.TOWN) == ("values.all.school_wifi", "[0].name: is required")


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
