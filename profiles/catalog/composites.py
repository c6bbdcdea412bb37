"""Composite settings: one setting that people understand, which stands for several of Apple's. Pure.

`expand_composites` turns them into values of catalogue settings. A catalogue setting that a policy also sets directly wins
over the value that a composite gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cartable.i18n import Message
from profiles.catalog import expansions
from profiles.catalog.fields import Field
from profiles.catalog.kinds import SettingGroup, ValueKind
from profiles.catalog.merge import merge
from profiles.catalog.settings import find_value_problem, load_catalog
from profiles.catalog.text_formats import TextFormat

Values = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite(Field):
    """A composite setting. `expand` turns an acceptable value into values of catalogue settings by key."""

    group: SettingGroup
    expand: Callable[[Any], Values]


def _composite(
    key: str, kind: ValueKind, group: SettingGroup, label: Message, expand: Callable[[Any], Values], **more: Any
) -> Composite:
    return Composite(key=key, kind=kind, group=group, label=label, expand=expand, **more)


def _switch(key: str, group: SettingGroup, label: Message, *keys: str) -> Composite:
    return _composite(key, ValueKind.BOOLEAN, group, label, expansions.make_switch(*keys))


def _choice(key: str, group: SettingGroup, label: Message, expand: Callable[[Any], Values], **labels: Message) -> Composite:
    return _composite(key, ValueKind.STRING, group, label, expand, choices=tuple(labels), labels=labels)


def _list(
    key: str, group: SettingGroup, label: Message, expand: Callable[[Any], Values], *fields: Field, **more: Any
) -> Composite:
    return _composite(key, ValueKind.OBJECTS, group, label, expand, fields={field.key: field for field in fields}, **more)


def _sub_field(key: str, kind: ValueKind, label: Message, *fields: Field, **more: Any) -> Field:
    return Field(key=key, kind=kind, label=label, fields={field.key: field for field in fields}, **more)


def _apps_field(key: str, label: Message, **more: Any) -> Field:
    return _sub_field(key, ValueKind.STRINGS, label, text_format=TextFormat.BUNDLE_ID, **more)


_NAME = _sub_field("name", ValueKind.STRING, Message("Name"), required=True)
_URL = _sub_field("url", ValueKind.STRING, Message("Address"), text_format=TextFormat.URL, required=True)
_APP = {"text_format": TextFormat.BUNDLE_ID}

_COMPOSITES: tuple[Composite, ...] = (
    _composite("allowed_apps", ValueKind.STRINGS, SettingGroup.APPS, Message("Only these apps"),
               expansions.make_list("allowListedAppBundleIDs", always=("com.apple.webapp",)), **_APP),
    _composite("blocked_apps", ValueKind.STRINGS, SettingGroup.APPS, Message("Apps not allowed"),
               expansions.make_list("blockedAppBundleIDs"), **_APP),
    _composite("single_app", ValueKind.STRING, SettingGroup.APPS, Message("One app only"), expansions.expand_single_app, **_APP),
    _composite("exam_apps", ValueKind.STRINGS, SettingGroup.CLASSROOM, Message("Exam apps"),
               expansions.make_list("autonomousSingleAppModePermittedAppIDs"), **_APP),
    _switch("delete_apps", SettingGroup.APPS, Message("Delete or hide apps"),
            "allowAppRemoval", "allowSystemAppRemoval", "allowAppsToBeHidden", "allowAppsToBeLocked"),
    _switch("store", SettingGroup.STORE, Message("App Store and purchases"),
            "allowUIAppInstallation", "allowInAppPurchases", "allowAppClips", "allowAutomaticAppDownloads",
            "allowMarketplaceAppInstallation", "allowWebDistributionAppInstallation"),
    _composite("home_screen", ValueKind.OBJECT, SettingGroup.HOME, Message("Home screen"), expansions.expand_home_screen, fields={
        "dock": _apps_field("dock", Message("Dock"), most_items=12),
        "pages": _sub_field("pages", ValueKind.OBJECTS, Message("Pages"), _apps_field("apps", Message("Apps")),
                      _sub_field("folders", ValueKind.OBJECTS, Message("Folders"), _NAME,
                           _apps_field("apps", Message("Apps"), required=True)),
                      _sub_field("links", ValueKind.STRINGS, Message("Web shortcuts"), text_format=TextFormat.URL),
                      required=True, most_items=15),
    }),
    _list("web_shortcuts", SettingGroup.HOME, Message("Shortcuts to websites"), expansions.expand_web_shortcuts, _NAME, _URL,
          _sub_field("full_screen", ValueKind.BOOLEAN, Message("Full screen"), default=False), most_items=100),
    _composite("lock_screen_text", ValueKind.STRING, SettingGroup.HOME, Message("Text on the lock screen"),
               expansions.expand_lock_screen, text_format=TextFormat.TEXT),
    _switch("personalise", SettingGroup.HOME, Message("Personalise the tablet"),
            "allowWallpaperModification", "allowDeviceNameModification", "allowNotificationsModification"),
    _choice("browser", SettingGroup.WEB, Message("Browser"), expansions.expand_browser, off=Message("None"),
            guarded=Message("Safari, without private browsing"), free=Message("Free")),
    _switch("filter_bypass", SettingGroup.WEB, Message("Ways round the filter"),
            "allowVPNCreation", "allowCloudPrivateRelay", "allowUIConfigurationProfileInstallation"),
    _switch("camera", SettingGroup.CAMERA, Message("Camera"), "allowCamera"),
    _switch("screen_capture", SettingGroup.CAMERA, Message("Screen capture"), "allowScreenShot"),
    _choice("screen_viewing", SettingGroup.CLASSROOM, Message("Screen seen by the teacher"), expansions.expand_screen_viewing,
            off=Message("Never"), ask=Message("When the pupil agrees"), always=Message("Always")),
    _switch("ai", SettingGroup.AI, Message("Artificial intelligence"),
            "allowAppleIntelligenceReport", "allowExternalIntelligenceIntegrations",
            "allowExternalIntelligenceIntegrationsSignIn", "allowGenmoji", "allowImagePlayground", "allowImageWand",
            "allowMailSmartReplies", "allowMailSummary", "allowNotesTranscription", "allowNotesTranscriptionSummary",
            "allowPersonalizedHandwritingResults", "allowSafariSummary", "allowSiriAI", "allowVisualIntelligenceSummary",
            "allowWritingTools"),
    _switch("siri", SettingGroup.AI, Message("Voice assistant"),
            "allowAssistant", "allowAssistantUserGeneratedContent", "allowAssistantWhileLocked"),
    _switch("typing_aids", SettingGroup.KEYBOARD, Message("Typing aids"),
            "allowAutoCorrection", "allowSpellCheck", "allowPredictiveKeyboard", "allowDefinitionLookup"),
    _switch("dictation", SettingGroup.KEYBOARD, Message("Dictate instead of writing"), "allowDictation"),
    _switch("airdrop", SettingGroup.TALK, Message("Exchange by AirDrop"), "allowAirDrop"),
    _switch("messages", SettingGroup.TALK, Message("Messaging"), "allowChat", "allowRCSMessaging"),
    _switch("facetime", SettingGroup.TALK, Message("Video calls (FaceTime)"),
            "allowVideoConferencing", "allowVideoConferencingRemoteControl"),
    _switch("games", SettingGroup.MEDIA, Message("Network games"),
            "allowGameCenter", "allowMultiplayerGaming", "allowAddingGameCenterFriends"),
    _switch("entertainment", SettingGroup.MEDIA, Message("Music, podcasts, news"),
            "allowMusicService", "allowRadioService", "allowPodcasts", "allowNews", "allowiTunes", "allowBookstore"),
    _composite("content_age", ValueKind.INTEGER, SettingGroup.MEDIA, Message("Content up to this age"), expansions.expand_content_age,
               choices=(4, 9, 12, 13, 16, 18)),
    _switch("personal_account", SettingGroup.ACCOUNTS, Message("Personal account"),
            "allowAccountModification", "allowCloudBackup", "allowCloudDocumentSync", "allowCloudKeychainSync",
            "allowCloudPhotoLibrary", "allowSharedStream", "allowActivityContinuation"),
    _switch("mixing_documents", SettingGroup.DATA, Message("Documents into private apps"),
            "allowOpenFromManagedToUnmanaged", "allowOpenFromUnmanagedToManaged",
            "!forceAirDropUnmanaged", "!requireManagedPasteboard"),
    _switch("usb_storage", SettingGroup.DATA, Message("USB drives and computers"),
            "allowFilesUSBDriveAccess", "allowHostPairing"),
    _switch("printing", SettingGroup.PRINTING, Message("Printing"),
            "allowAirPrint", "allowAirPrintCredentialsStorage", "allowAirPrintiBeaconDiscovery"),
    _list("printers", SettingGroup.PRINTING, Message("The school's printers"), expansions.expand_printers,
          _sub_field("address", ValueKind.STRING, Message("Address"), text_format=TextFormat.HOST, required=True),
          _sub_field("path", ValueKind.STRING, Message("Path of the queue"), text_format=TextFormat.TEXT, default="ipp/print"),
          _sub_field("encrypted", ValueKind.BOOLEAN, Message("Encryption required"), default=False), most_items=50),
    _choice("passcode", SettingGroup.SECURITY, Message("Passcode of the tablet"), expansions.expand_passcode,
            none=Message("None, and the pupil sets none"), four=Message("Four digits"),
            six=Message("Six digits"), strong=Message("Letters and digits")),
    _list("school_wifi", SettingGroup.NETWORK, Message("The school's Wi-Fi"), expansions.expand_wifi,
          _sub_field("name", ValueKind.STRING, Message("Network name"), text_format=TextFormat.SSID, required=True),
          _sub_field("password", ValueKind.STRING, Message("Password"), text_format=TextFormat.WIFI_PASSWORD, secret=True),
          _sub_field("hidden", ValueKind.BOOLEAN, Message("Hidden network"), default=False),
          _sub_field("fixed_address", ValueKind.BOOLEAN, Message("Fixed hardware address"), default=False), most_items=20),
    _switch("other_wifi", SettingGroup.NETWORK, Message("Other Wi-Fi networks"), "!forceWiFiToAllowedNetworksOnly"),
    _switch("tamper", SettingGroup.SYSTEM, Message("Erase or set up the tablet oneself"),
            "allowEraseContentAndSettings", "allowEnablingRestrictions", "allowUIConfigurationProfileInstallation",
            "!forceAutomaticDateAndTime"),
    _switch("tracking", SettingGroup.SYSTEM, Message("Targeted advertising and diagnostics"),
            "allowApplePersonalizedAdvertising", "allowDiagnosticSubmission", "!forceLimitAdTracking"),
    _composite("update_delay", ValueKind.INTEGER, SettingGroup.SYSTEM, Message("Days before an update is offered"), expansions.expand_update_delay, least=0, most=90),
)  # fmt: skip


@cache
def load_composites() -> dict[str, Composite]:
    """Return every composite by its key."""
    return {composite.key: composite for composite in _COMPOSITES}


@cache
def list_authorable_fields() -> dict[str, Field]:
    """Return every field that a policy may set, by key: composites and catalogue settings."""
    return {**load_composites(), **load_catalog()}


def expand_composites(values: Mapping[str, Any]) -> Values:
    """Return values of catalogue settings only: composites are expanded, other values are kept.

    When two composites set the same setting, the stricter value wins; a value that is set directly wins over both. A stored
    value of a composite that is no longer acceptable is left out, so that it never breaks a tablet's configuration.
    """
    composites = load_composites()
    expanded: dict[str, list[Any]] = {}
    for key in sorted(composites.keys() & values.keys()):
        if find_value_problem(composites[key], values[key]) is None:
            for name, value in composites[key].expand(values[key]).items():
                expanded.setdefault(name, []).append(value)
    merged = {name: merge(load_catalog()[name], candidates) for name, candidates in expanded.items()}
    return {**merged, **{key: value for key, value in values.items() if key not in composites}}


def list_expanded_keys(key: str, values: Mapping[str, Any]) -> frozenset[str]:
    """Return the catalogue keys that a key stands for with its value in `values`: what a lock on the key locks."""
    return frozenset(expand_composites({key: values[key]})) if key in values else frozenset()
