"""Merging the kinds of values that restrictions do not have: objects by identity, and zero that stands for no limit."""

from __future__ import annotations

from typing import Any

from profiles.catalog.merge import Constraint, PolicySource, Resolved, StepOutcome, resolve
from profiles.catalog.settings import load_catalog

CATALOG = load_catalog()


def merged(key: str, *sources: tuple[int, Any]) -> Resolved:
    """Resolve one setting from sources, each a depth and a value."""
    named = [PolicySource(f"source {number}", depth, {key: value}) for number, (depth, value) in enumerate(sources)]
    return resolve(named, (), CATALOG)[key]


def test_networks_of_all_places_add_up_and_the_narrowest_word_on_one_holds() -> None:
    town = [{"SSID_STR": "Ville", "Password": "de la ville"}, {"SSID_STR": "Ecole", "Password": "ancien mot"}]
    school = [{"SSID_STR": "Ecole", "Password": "nouveau mot"}]
    found = merged("wifi.managed", (1, town), (3, school))
    assert found.value == [school[0], town[0]]
    assert [step.outcome for step in found.steps] == [StepOutcome.ADDED] * 2


def test_a_constraint_is_stronger_than_a_narrower_choice() -> None:
    constraint = Constraint("baseline", {"wifi.managed": [{"SSID_STR": "Ecole", "HIDDEN_NETWORK": True}]})
    school = PolicySource("school", 3, {"wifi.managed": [{"SSID_STR": "Ecole", "HIDDEN_NETWORK": False}]})
    assert resolve([school], [constraint], CATALOG)["wifi.managed"].value == [{"SSID_STR": "Ecole", "HIDDEN_NETWORK": True}]


def test_no_limit_never_wins_over_a_limit() -> None:
    assert merged("maxInactivity", (2, 0), (2, 10), (2, 5)).value == 5
    assert merged("maxInactivity", (2, 0), (2, 0)).value == 0
    assert merged("maxFailedAttempts", (2, 11), (2, 6)).value == 6


def test_the_order_of_entries_never_matters() -> None:
    one, other = (
        [{"BundleIdentifier": "a.a"}, {"BundleIdentifier": "b.b"}],
        [{"BundleIdentifier": "b.b"}, {"BundleIdentifier": "a.a"}],
    )
    key = "notificationsettings.NotificationSettings"
    assert merged(key, (1, one)).value == merged(key, (1, other)).value
    assert merged(key, (1, other)).steps[0].outcome is StepOutcome.CHOSEN


def test_the_narrowest_layout_holds_and_keeps_its_order() -> None:
    town, school = {"Pages": [[{"Type": "App", "BundleID": "z.z"}]]}, {"Pages": [[], [{"Type": "App", "BundleID": "a.a"}]]}
    assert merged("homescreenlayout", (1, town), (3, school)).value == school
