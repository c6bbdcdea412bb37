"""The words for categories of sites: every category of which the rules speak has its own, in both languages."""

from __future__ import annotations

from cartable.i18n import find_language
from mdm.console.filters.labels import describe_deciding
from mdm.console.policy.labels import value_label
from mdm.console.web_categories import CATEGORIES, list_category_names
from profiles.catalog.composites import list_authorable_fields
from profiles.filters.rules import (
    BYPASS_CATEGORIES,
    LEGAL_CATEGORIES,
    RESCUING_CATEGORY,
    HostDecision,
    HostVerdict,
    VerdictReason,
)


def test_every_category_of_which_the_rules_speak_has_words() -> None:
    assert set(CATEGORIES) >= LEGAL_CATEGORIES | BYPASS_CATEGORIES | {RESCUING_CATEGORY}


def test_a_category_is_shown_by_its_words_and_its_name_in_the_lists() -> None:
    french = find_language("fr")
    assert french is not None
    assert list_category_names(["sect", "arjel", "own_list"], french) == [
        "own_list",
        "paris en ligne agréés (arjel)",
        "sectes (sect)",
    ]


def test_a_category_that_decided_is_named_in_words_and_an_entry_stays_as_it_is() -> None:
    french = find_language("fr")
    assert french is not None
    closed = HostVerdict(HostDecision.BLOCK, VerdictReason.CATEGORY, "social_networks")
    assert describe_deciding(closed, french) == "réseaux sociaux, social_networks"
    permitted = HostVerdict(HostDecision.ALLOW, VerdictReason.PERMITTED, "games")
    assert describe_deciding(permitted, french) == "games", "an entry of the town's list, not a category"


def test_the_settings_of_categories_are_shown_in_words() -> None:
    french = find_language("fr")
    assert french is not None
    field = list_authorable_fields()["web.blocked_categories"]
    assert value_label(field, ["vpn", "games"], french) == "jeux (games), réseaux privés virtuels (vpn)"
    every = value_label(field, sorted(CATEGORIES), french)
    assert all(f"({name})" in every for name in CATEGORIES), "none is cut off"
