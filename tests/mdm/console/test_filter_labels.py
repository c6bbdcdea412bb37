"""The words for categories of sites: every category that is closed to every child has its own, in both languages."""

from __future__ import annotations

from cartable.i18n import find_language
from mdm.console.filters.labels import CATEGORIES, list_category_names
from profiles.filters.rules import LEGAL_CATEGORIES


def test_every_category_closed_to_every_child_has_words() -> None:
    assert set(CATEGORIES) == LEGAL_CATEGORIES


def test_a_category_is_shown_by_its_words_and_its_name_in_the_lists() -> None:
    french = find_language("fr")
    assert french is not None
    assert list_category_names(["sect", "arjel", "own_list"], french) == [
        "own_list",
        "paris en ligne agréés (arjel)",
        "sectes (sect)",
    ]
