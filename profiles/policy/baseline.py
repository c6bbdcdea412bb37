"""The safety floor that every town starts with (schools.md section 5): present in every mode, lifted by nobody below."""

from __future__ import annotations

from typing import Any

from profiles.schedule.modes import Mode

DEFAULT_FLOOR: dict[str, Any] = {
    "allowAccountModification": False,
    "allowAppRemoval": False,
    "allowApplePersonalizedAdvertising": False,
    "allowCloudPrivateRelay": False,
    "allowDeviceNameModification": False,
    "allowEnablingRestrictions": False,
    "allowEraseContentAndSettings": False,
    "allowExplicitContent": False,
    "allowGameCenter": False,
    "allowInAppPurchases": False,
    "allowSafariPrivateBrowsing": False,
    "allowUIAppInstallation": False,
    "allowUIConfigurationProfileInstallation": False,
    "allowVPNCreation": False,
    "forceAutomaticDateAndTime": True,
    "safariForceFraudWarning": True,
}

#: Built-in apps that stay usable with every bundle (schools.md section 16), and the pseudo-app of web shortcuts.
BASE_APPS: tuple[str, ...] = (
    "com.apple.DocumentsApp",
    "com.apple.Preferences",
    "com.apple.calculator",
    "com.apple.camera",
    "com.apple.mobilenotes",
    "com.apple.mobilesafari",
    "com.apple.mobileslideshow",
    "com.apple.mobiletimer",
    "com.apple.webapp",
)

#: What a tablet shows while it rests or is held back: the clock, and the web shortcut to the emergency card.
CALM_APPS: tuple[str, ...] = ("com.apple.mobiletimer", "com.apple.webapp")
_CALM: dict[str, Any] = {
    "allowCamera": False,
    "allowListedAppBundleIDs": list(CALM_APPS),
    "allowSafari": False,
}

#: What each mode means wherever nobody wrote more (schools.md section 5). It binds, as the floor does.
MODE_FLOOR: dict[Mode, dict[str, Any]] = {
    Mode.NIGHT_REST: _CALM,
    Mode.QUARANTINE: _CALM,
    Mode.STORAGE: _CALM,
    Mode.LOST: _CALM,
    Mode.EXAM: {
        "allowCamera": False,
        "allowDictation": False,
        "allowListedAppBundleIDs": ["com.apple.mobilesafari", "com.apple.webapp"],
        "allowScreenShot": False,
    },
}
