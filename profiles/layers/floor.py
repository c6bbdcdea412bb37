"""The safety floor that every town starts with (schools.md section 5): present in every mode, lifted by nobody below."""

from __future__ import annotations

from typing import Any

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
    "com.apple.webapp",
)
