"""The emergency card: the web shortcut and the line of the lock screen that every tablet has. Pure; the page it opens is in the console.

The server sets it for every town and in every mode. A home screen may place it, nothing removes it. See docs/domain/policy.md#emergency-card.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from profiles.catalog.merge import Constraint, PolicySource

EMERGENCY_CARD = "emergency card"
#: In the language of the country whose numbers these are, like the numbers themselves.
CARD_LABEL = "Urgence 3018"
LOCK_SCREEN_TEXT = "Urgence 112 · SMS 114 · Enfance en danger 119 · Harcèlement 3018"
SHORTCUTS = "webClip.managed"
BLOCKED_APPS = "blockedAppBundleIDs"
_FOOTNOTE = "shareddeviceconfiguration.LockScreenFootnote"
#: Wider than every place: what any place writes on the lock screen takes its place.
_WIDEST = -1


def build_card_url(own_url: str, town_id: UUID) -> str:
    """Return the address of the card of a town. It has the town's id, so that nobody lists towns by trying names."""
    return f"{own_url.rstrip('/')}/emergency/{town_id}"


def build_card_constraint(own_url: str, town_id: UUID) -> Constraint:
    """Return what puts the card on a tablet: a shortcut of the town with the same address is replaced by it."""
    card: dict[str, Any] = {
        "Label": CARD_LABEL, "URL": build_card_url(own_url, town_id), "Icon": _load_icon(), "IsRemovable": False, "FullScreen": True,
    }  # fmt: skip
    return Constraint(EMERGENCY_CARD, {SHORTCUTS: [card]})


def build_lock_screen_source() -> PolicySource:
    """Return the line of the lock screen for towns that write none of their own."""
    return PolicySource(EMERGENCY_CARD, _WIDEST, {_FOOTNOTE: LOCK_SCREEN_TEXT})


def keep_web_shortcuts_open(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that hide Safari instead of forbidding it.

    Where Safari is forbidden, iPadOS opens no web shortcut either, and the card could not be opened.
    """
    adjusted = dict(values)
    if adjusted.get("allowSafari") is False:
        del adjusted["allowSafari"]
        adjusted[BLOCKED_APPS] = sorted({*adjusted.get(BLOCKED_APPS, ()), "com.apple.mobilesafari"})
    return adjusted


@cache
def _load_icon() -> str:
    return base64.b64encode((Path(__file__).parent / "emergency_card.png").read_bytes()).decode()
