"""Which web shortcuts of the home screen a person can open on the tablet, under the rules that are on it."""

from __future__ import annotations

from typing import Any

from simulator.commands.restrictions import compute_effective_restrictions
from simulator.device import DeviceState
from simulator.errors import ShortcutClosed

WEB_SHORTCUT, WEB_FILTER, SINGLE_APP = "com.apple.webClip.managed", "com.apple.webcontent-filter", "com.apple.app.lock"
#: The pseudo-app in which shortcuts open.
_WEB_APP = "com.apple.webapp"


def list_web_shortcuts(device: DeviceState) -> list[dict[str, Any]]:
    """Return the shortcuts on the home screen."""
    return [payload for payload in device.installed_payloads if payload["PayloadType"] == WEB_SHORTCUT]


def require_openable(device: DeviceState, url: str) -> None:
    """Raise `ShortcutClosed` with the reason if a person cannot open this shortcut."""
    reason = _find_obstacle(device, url)
    if reason is not None:
        raise ShortcutClosed(url, reason)


def _find_obstacle(device: DeviceState, url: str) -> str | None:
    restrictions = compute_effective_restrictions(device)
    allowed, blocked = restrictions.get("allowListedAppBundleIDs"), restrictions.get("blockedAppBundleIDs")
    if url not in [shortcut["URL"] for shortcut in list_web_shortcuts(device)]:
        return "it is not on the home screen"
    if device.lost_mode is not None:
        return "lost mode covers the screen"
    if any(payload["PayloadType"] == SINGLE_APP for payload in device.installed_payloads):
        return "the tablet stays in one app"
    if restrictions.get("allowSafari") is False:
        return "without Safari no shortcut opens"
    if (isinstance(allowed, list) and _WEB_APP not in allowed) or (isinstance(blocked, list) and _WEB_APP in blocked):
        return "shortcuts are not among the allowed apps"
    return None if _is_let_through(device, url) else "the built-in filter does not let it through"


def _is_let_through(device: DeviceState, url: str) -> bool:
    """Return whether the built-in filter opens an address: where it has bookmarks, these alone are open."""
    filters = [payload for payload in device.installed_payloads if payload["PayloadType"] == WEB_FILTER]
    lists = [payload["AllowListBookmarks"] for payload in filters if "AllowListBookmarks" in payload]
    return all(any(url.startswith(bookmark["URL"]) for bookmark in bookmarks) for bookmarks in lists)
