"""Functions that turn the value of a composite setting into values of catalogue settings. Pure; values are already validated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Values = dict[str, Any]


def make_switch(*keys: str) -> Callable[[bool], Values]:
    """Return a function that switches all keys on or off together; `!` marks a key that forbids when it is true."""
    return lambda is_on: {key.removeprefix("!"): is_on is not key.startswith("!") for key in keys}


def make_list(key: str, always: Sequence[str] = ()) -> Callable[[Sequence[str]], Values]:
    """Return a function that sets a list as the value of `key`, with the entries of `always` added."""
    return lambda entries: {key: sorted({*entries, *always})}


def expand_single_app(bundle_identifier: str) -> Values:
    """Return what keeps the tablet in one app."""
    return {"app.lock": {"App": {"Identifier": bundle_identifier}}}


def expand_lock_screen(text: str) -> Values:
    """Return a footnote on the lock screen, for whoever finds the tablet."""
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


def expand_home_screen(layout: Mapping[str, Any]) -> Values:
    """Return the home screen's dock and pages: on each page the apps, then folders, then web shortcuts."""
    payload: Values = {"Pages": [_page(page) for page in layout["pages"]]}
    if "dock" in layout:
        payload["Dock"] = [_app(app) for app in layout["dock"]]
    return {"homescreenlayout": payload}


def expand_web_shortcuts(entries: Sequence[Mapping[str, Any]]) -> Values:
    """Return web shortcuts that the pupil cannot delete."""
    clips = {
        entry["url"]: {
            "Label": entry["name"], "URL": entry["url"], "IsRemovable": False, "FullScreen": entry.get("full_screen", False),
        }
        for entry in entries
    }  # fmt: skip
    return {"webClip.managed": list(clips.values())}


def expand_wifi(networks: Sequence[Mapping[str, Any]]) -> Values:
    """Return networks that the tablet joins automatically: WPA2 or better with a password, open without one."""
    payloads: dict[str, Values] = {}
    for network in networks:
        encryption = {"EncryptionType": "None"}
        if "password" in network:
            encryption = {"EncryptionType": "WPA2", "Password": network["password"]}
        payloads[network["name"]] = {
            "SSID_STR": network["name"], "AutoJoin": True, "HIDDEN_NETWORK": network.get("hidden", False),
            "DisableAssociationMACRandomization": network.get("fixed_address", False), **encryption,
        }  # fmt: skip
    return {"wifi.managed": list(payloads.values())}


def expand_printers(entries: Sequence[Mapping[str, Any]]) -> Values:
    """Return AirPrint queues."""
    queues: dict[tuple[str, str], Values] = {}
    for printer in entries:
        path = printer.get("path", "ipp/print")
        queues[printer["address"], path] = {
            "IPAddress": printer["address"], "ResourcePath": path, "ForceTLS": printer.get("encrypted", False),
        }  # fmt: skip
    return {"airprint.AirPrint": list(queues.values())}


def expand_browser(choice: str) -> Values:
    """Return no browser (`off`), Safari without private browsing (`guarded`), or no limits (`free`)."""
    free = choice == "free"
    return {
        "allowSafari": choice != "off",
        "allowSafariPrivateBrowsing": free,
        "allowSafariHistoryClearing": free,
        "allowDefaultBrowserModification": free,
        "allowUntrustedTLSPrompt": free,
        "safariForceFraudWarning": not free,
    }


def expand_screen_viewing(choice: str) -> Values:
    """Return whether the teacher's app may show a pupil's screen, and whether it asks the pupil first."""
    return {"allowRemoteScreenObservation": choice != "off", "forceClassroomUnpromptedScreenObservation": choice == "always"}


#: Apple's codes of the age ratings of apps.
_APPS_UP_TO = {4: 100, 9: 200, 12: 300, 13: 313, 16: 416, 18: 618}
_ADULT = 18


def expand_content_age(age: int) -> Values:
    """Return the limit of apps up to an age rating; explicit content and adult books only for adults."""
    adult = age >= _ADULT
    return {"ratingApps": _APPS_UP_TO[age], "allowExplicitContent": adult, "allowBookstoreErotica": adult}


def expand_passcode(choice: str) -> Values:
    """Return a passcode that children can handle. Wrong attempts never erase the tablet, since a playing child would cause that."""
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


def expand_update_delay(days: int) -> Values:
    """Return for how many days a new system version is delayed; 0 for no delay."""
    return (
        {"forceDelayedSoftwareUpdates": True, "enforcedSoftwareUpdateDelay": days}
        if days
        else {"forceDelayedSoftwareUpdates": False}
    )
