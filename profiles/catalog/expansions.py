"""How each composite becomes catalogue keys. Pure functions of one acceptable value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Values = dict[str, Any]


def switch(*keys: str) -> Callable[[bool], Values]:
    """On and off for all keys together; `!` marks one whose truth forbids."""
    return lambda on: {key.removeprefix("!"): on is not key.startswith("!") for key in keys}


def listed(key: str, always: Sequence[str] = ()) -> Callable[[Sequence[str]], Values]:
    """One list under another name; `always` belongs to it whatever was said."""
    return lambda entries: {key: sorted({*entries, *always})}


def single_app(bundle_identifier: str) -> Values:
    """The tablet stays in one app."""
    return {"app.lock": {"App": {"Identifier": bundle_identifier}}}


def lock_screen(text: str) -> Values:
    """A footnote for whoever finds the tablet."""
    return {"shareddeviceconfiguration.LockScreenFootnote": text}


def _app(bundle_identifier: str) -> Values:
    return {"Type": "App", "BundleID": bundle_identifier}


def _page(page: Mapping[str, Any]) -> list[Values]:
    folders = [
        {"Type": "Folder", "DisplayName": folder["name"], "Pages": [[_app(app) for app in folder["apps"]]]}
        for folder in page.get("folders", ())
    ]
    links = [{"Type": "WebClip", "URL": url} for url in page.get("links", ())]
    return [*(_app(app) for app in page.get("apps", ())), *folders, *links]


def home_screen(layout: Mapping[str, Any]) -> Values:
    """Dock and pages: on each page the apps, then folders, then web shortcuts."""
    made: Values = {"Pages": [_page(page) for page in layout["pages"]]}
    if "dock" in layout:
        made["Dock"] = [_app(app) for app in layout["dock"]]
    return {"homescreenlayout": made}


def shortcuts(entries: Sequence[Mapping[str, Any]]) -> Values:
    """Web shortcuts that the pupil cannot delete."""
    clips = {
        each["url"]: {
            "Label": each["name"], "URL": each["url"], "IsRemovable": False, "FullScreen": each.get("full_screen", False),
        }
        for each in entries
    }  # fmt: skip
    return {"webClip.managed": list(clips.values())}


def wifi(networks: Sequence[Mapping[str, Any]]) -> Values:
    """Networks that are joined by themselves. With a password WPA2 at least, without one an open network."""
    found: dict[str, Values] = {}
    for each in networks:
        secured = {"EncryptionType": "WPA2", "Password": each["password"]} if "password" in each else {"EncryptionType": "None"}
        found[each["name"]] = {
            "SSID_STR": each["name"], "AutoJoin": True, "HIDDEN_NETWORK": each.get("hidden", False),
            "DisableAssociationMACRandomization": each.get("fixed_address", False), **secured,
        }  # fmt: skip
    return {"wifi.managed": list(found.values())}


def printers(entries: Sequence[Mapping[str, Any]]) -> Values:
    """AirPrint queues."""
    found: dict[tuple[str, str], Values] = {}
    for each in entries:
        path = each.get("path", "ipp/print")
        found[each["address"], path] = {
            "IPAddress": each["address"], "ResourcePath": path, "ForceTLS": each.get("encrypted", False),
        }  # fmt: skip
    return {"airprint.AirPrint": list(found.values())}


def browser(choice: str) -> Values:
    """No browser; Safari whose traces remain; or as the pupil likes."""
    free = choice == "free"
    return {
        "allowSafari": choice != "off",
        "allowSafariPrivateBrowsing": free,
        "allowSafariHistoryClearing": free,
        "allowDefaultBrowserModification": free,
        "allowUntrustedTLSPrompt": free,
        "safariForceFraudWarning": not free,
    }


def screen_viewing(choice: str) -> Values:
    """Whether the teacher's app may show a pupil's screen, and whether it asks."""
    return {"allowRemoteScreenObservation": choice != "off", "forceClassroomUnpromptedScreenObservation": choice == "always"}


#: Apple's codes of the age ratings of apps.
_APPS_UP_TO = {4: 100, 9: 200, 12: 300, 13: 313, 16: 416, 18: 618}
_ADULT = 18


def content_age(age: int) -> Values:
    """Apps up to an age; explicit content and adult books only for adults."""
    adult = age >= _ADULT
    return {"ratingApps": _APPS_UP_TO[age], "allowExplicitContent": adult, "allowBookstoreErotica": adult}


def passcode(choice: str) -> Values:
    """A passcode that children bear. No number of attempts erases the tablet: a playing child would do it."""
    if choice == "none":
        return {"allowPasscodeModification": False}
    strong = choice == "strong"
    return {
        "allowPasscodeModification": True,
        "allowSimple": choice == "four",
        "forcePIN": True,
        "minLength": {"four": 4, "six": 6, "strong": 8}[choice],
        "requireAlphanumeric": strong,
    }


def system_updates(days: int) -> Values:
    """How long a new system is held back; none is zero."""
    return (
        {"forceDelayedSoftwareUpdates": True, "enforcedSoftwareUpdateDelay": days}
        if days
        else {"forceDelayedSoftwareUpdates": False}
    )
