"""Secret values, such as passwords of networks: hidden where values are shown, and put back when a form returns them hidden. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiles.catalog.composites import list_authorable_fields
from profiles.catalog.fields import Field

#: Stands for a secret where values are shown.
HIDDEN = "••••••"


def hide_secrets(field: Field, value: Any) -> Any:
    """Return a value in which every secret is replaced by `HIDDEN`."""
    if value is None:
        return None
    if field.secret:
        return HIDDEN
    if isinstance(value, list):
        return [hide_secrets(field, entry) for entry in value]
    if isinstance(value, Mapping):
        return {key: hide_secrets(field.fields[key], part) if key in field.fields else part for key, part in value.items()}
    return value


def restore_secrets(field: Field, value: Any, former: Any) -> Any:
    """Return a value in which `HIDDEN` is the former secret at the same place; a list is compared entry by entry."""
    if field.secret:
        return former if value == HIDDEN else value
    if isinstance(value, list):
        entries = former if isinstance(former, list) else []
        return [
            restore_secrets(field, entry, entries[index] if index < len(entries) else None) for index, entry in enumerate(value)
        ]
    if isinstance(value, Mapping):
        parts = former if isinstance(former, Mapping) else {}
        return {
            key: restore_secrets(field.fields[key], part, parts.get(key)) if key in field.fields else part
            for key, part in value.items()
        }
    return value


def hide_secrets_of(key: str, value: Any) -> Any:
    """Return the value of the setting with this key without its secrets. A value of an unknown setting is not shown at all."""
    field = list_authorable_fields().get(key)
    return HIDDEN if field is None else hide_secrets(field, value)
