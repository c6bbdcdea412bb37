"""Which apps a tablet should have, may have and must not show, from its resolved settings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EffectiveApps:
    """The apps of a tablet in a mode, by bundle identifier. Blocked goes before required, required before available."""

    required: tuple[str, ...] = ()
    available: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """The apps that a pupil may use."""
        return (*self.required, *self.available)


def compose_apps(values: Mapping[str, Any]) -> EffectiveApps:
    """Return the apps that resolved settings make."""
    blocked = set(values.get("apps.blocked", ()))
    required = set(values.get("apps.required", ())) - blocked
    available = set(values.get("apps.available", ())) - blocked - required
    return EffectiveApps(*(tuple(sorted(apps)) for apps in (required, available, blocked)))


def list_installed_apps(by_mode: Iterable[EffectiveApps], required: Iterable[str]) -> list[str]:
    """Return the required apps that a tablet has: what is blocked in every mode is not installed, what is hidden in some stays."""
    blocked_always = set.intersection(*(set(apps.blocked) for apps in by_mode))
    return sorted(set(required) - blocked_always)
