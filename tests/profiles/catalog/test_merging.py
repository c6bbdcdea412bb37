"""Merging the kinds of values that restrictions do not have: objects by identity, and zero that stands for no limit."""

from __future__ import annotations

from typing import Any

from profiles.catalog.merge import Layer, Standing, resolve
from profiles.catalog.settings import load_catalog

CATALOG = load_catalog()


def merge_layers(key: str, *layers: tuple[int, Any]) -> Any:
    return resolve([Layer(f"layer {n}", depth, {key: value}) for n, (depth, value) in enumerate(layers)], CATALOG)[key]


def test_networks_of_all_layers_are_merged_and_the_narrowest_layer_wins_for_each() -> None:
    town = [{"SSID_STR": "Ville", "Password": "de la ville"}, {"SSID_STR": "Ecole", "Password": "ancien mot"}]
    school = [{"SSID_STR": "Ecole", "Password": "nouveau mot"}]
    found = merge_layers("wifi.managed", (1, town), (3, school))
    assert found.value == [school[0], town[0]]
    assert [voice.standing for voice in found.voices] == [Standing.CONTRIBUTES] * 2


def test_a_binding_value_is_stronger_than_a_narrower_choice() -> None:
    binding = Layer("operator", 0, {"wifi.managed": [{"SSID_STR": "Ecole", "HIDDEN_NETWORK": True}]}, binding=True)
    school = Layer("school", 3, {"wifi.managed": [{"SSID_STR": "Ecole", "HIDDEN_NETWORK": False}]})
    assert resolve([school, binding], CATALOG)["wifi.managed"].value == [{"SSID_STR": "Ecole", "HIDDEN_NETWORK": True}]


def test_no_limit_never_wins_over_a_limit() -> None:
    assert merge_layers("maxInactivity", (2, 0), (2, 10), (2, 5)).value == 5
    assert merge_layers("maxInactivity", (2, 0), (2, 0)).value == 0
    assert merge_layers("maxFailedAttempts", (2, 11), (2, 6)).value == 6


def test_the_order_of_entries_never_matters() -> None:
    one, other = (
        [{"BundleIdentifier": "a.a"}, {"BundleIdentifier": "b.b"}],
        [{"BundleIdentifier": "b.b"}, {"BundleIdentifier": "a.a"}],
    )
    key = "notificationsettings.NotificationSettings"
    assert merge_layers(key, (1, one)).value == merge_layers(key, (1, other)).value
    assert merge_layers(key, (1, other)).voices[0].standing is Standing.WINS


def test_the_narrowest_layout_wins_and_keeps_its_order() -> None:
    town, school = {"Pages": [[{"Type": "App", "BundleID": "z.z"}]]}, {"Pages": [[], [{"Type": "App", "BundleID": "a.a"}]]}
    assert merge_layers("homescreenlayout", (1, town), (3, school)).value == school
