"""Finds the settings of rules by words, for the page of rules and for the search in the bar."""

from __future__ import annotations

from cartable.i18n import Language
from enrollment.people.text import make_label_key
from profiles.catalog.composites import Composite, list_authorable_fields
from profiles.catalog.fields import Field
from profiles.catalog.settings import Setting


def find_settings(text: str, language: Language, limit: int) -> list[dict[str, str]]:
    """Return the settings whose name, group or key has every word of a text; plain questions before keys of Apple's payloads."""
    words = make_label_key(text).split()
    rows = []
    for field in list_authorable_fields().values():
        name, group = field.label.translate(language), get_group(field, language)
        haystack = make_label_key(f"{name} {group} {field.key}")
        if words and all(word in haystack for word in words):
            rows.append({"key": field.key, "name": name, "group": group, "rank": "0" if isinstance(field, Composite) else "1"})
    return sorted(rows, key=lambda each: (each["rank"], each["name"].casefold()))[:limit]


def get_group(field: Field, language: Language) -> str:
    """Return the name of the group to which a setting belongs."""
    return field.group.label.translate(language) if isinstance(field, Composite | Setting) else ""
