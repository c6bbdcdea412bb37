"""Settings as a town thinks of them: one word that stands for several of Apple's. Pure: `expand` turns them into catalogue keys.

What a composite says is a plain opinion on each of its keys; a layer that also names a key itself means that key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cartable.i18n import Words
from profiles.catalog import expansions as to
from profiles.catalog.fields import Field
from profiles.catalog.forms import Form
from profiles.catalog.kinds import Group, Kind
from profiles.catalog.merge import merge
from profiles.catalog.settings import catalog

Values = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite(Field):
    """One word of a town. `expand` takes an acceptable value and gives catalogue keys with theirs."""

    group: Group
    expand: Callable[[Any], Values]


def _composite(key: str, kind: Kind, group: Group, fr: str, en: str, expand: Callable[[Any], Values], **more: Any) -> Composite:
    return Composite(key=key, kind=kind, group=group, words=Words(fr=fr, en=en), expand=expand, **more)


def _switch(key: str, group: Group, fr: str, en: str, *keys: str) -> Composite:
    return _composite(key, Kind.BOOLEAN, group, fr, en, to.switch(*keys))


def _choice(key: str, group: Group, fr: str, en: str, expand: Callable[[Any], Values], **labels: tuple[str, str]) -> Composite:
    words = {choice: Words(fr=each[0], en=each[1]) for choice, each in labels.items()}
    return _composite(key, Kind.STRING, group, fr, en, expand, choices=tuple(labels), labels=words)


def _list(key: str, group: Group, fr: str, en: str, expand: Callable[[Any], Values], *fields: Field, **more: Any) -> Composite:
    return _composite(key, Kind.OBJECTS, group, fr, en, expand, fields={each.key: each for each in fields}, **more)


def _sub(key: str, kind: Kind, fr: str, en: str, *fields: Field, **more: Any) -> Field:
    return Field(key=key, kind=kind, words=Words(fr=fr, en=en), fields={each.key: each for each in fields}, **more)


def _apps(key: str, fr: str, en: str, **more: Any) -> Field:
    return _sub(key, Kind.STRINGS, fr, en, form=Form.BUNDLE_ID, **more)


_NAME = _sub("name", Kind.STRING, "Nom", "Name", required=True)
_URL = _sub("url", Kind.STRING, "Adresse", "Address", form=Form.URL, required=True)
_APP = {"form": Form.BUNDLE_ID}

_ALL: tuple[Composite, ...] = (
    _composite("allowed_apps", Kind.STRINGS, Group.APPS, "Seulement ces applications", "Only these apps",
               to.listed("allowListedAppBundleIDs", always=("com.apple.webapp",)), **_APP),
    _composite("blocked_apps", Kind.STRINGS, Group.APPS, "Applications interdites", "Apps not allowed",
               to.listed("blockedAppBundleIDs"), **_APP),
    _composite("single_app", Kind.STRING, Group.APPS, "Une seule application", "One app only", to.single_app, **_APP),
    _composite("exam_apps", Kind.STRINGS, Group.CLASSROOM, "Applications d'examen", "Exam apps",
               to.listed("autonomousSingleAppModePermittedAppIDs"), **_APP),
    _switch("delete_apps", Group.APPS, "Supprimer ou cacher des applications", "Delete or hide apps",
            "allowAppRemoval", "allowSystemAppRemoval", "allowAppsToBeHidden", "allowAppsToBeLocked"),
    _switch("store", Group.STORE, "App Store et achats", "App Store and purchases",
            "allowUIAppInstallation", "allowInAppPurchases", "allowAppClips", "allowAutomaticAppDownloads",
            "allowMarketplaceAppInstallation", "allowWebDistributionAppInstallation"),
    _composite("home_screen", Kind.OBJECT, Group.HOME, "Écran d'accueil", "Home screen", to.home_screen, fields={
        "dock": _apps("dock", "Dock", "Dock", most_items=12),
        "pages": _sub("pages", Kind.OBJECTS, "Pages", "Pages", _apps("apps", "Applications", "Apps"),
                      _sub("folders", Kind.OBJECTS, "Dossiers", "Folders", _NAME,
                           _apps("apps", "Applications", "Apps", required=True)),
                      _sub("links", Kind.STRINGS, "Raccourcis web", "Web shortcuts", form=Form.URL),
                      required=True, most_items=15),
    }),
    _list("web_shortcuts", Group.HOME, "Raccourcis vers des sites", "Shortcuts to websites", to.shortcuts, _NAME, _URL,
          _sub("full_screen", Kind.BOOLEAN, "Plein écran", "Full screen", default=False), most_items=100),
    _composite("lock_screen_text", Kind.STRING, Group.HOME, "Texte sur l'écran verrouillé", "Text on the lock screen",
               to.lock_screen, form=Form.TEXT),
    _switch("personalise", Group.HOME, "Personnaliser la tablette", "Personalise the tablet",
            "allowWallpaperModification", "allowDeviceNameModification", "allowNotificationsModification"),
    _choice("browser", Group.WEB, "Navigateur", "Browser", to.browser, off=("Aucun", "None"),
            guarded=("Safari, sans navigation privée", "Safari, without private browsing"), free=("Libre", "Free")),
    _switch("filter_bypass", Group.WEB, "Moyens de contourner le filtre", "Ways round the filter",
            "allowVPNCreation", "allowCloudPrivateRelay", "allowUIConfigurationProfileInstallation"),
    _switch("camera", Group.CAMERA, "Appareil photo", "Camera", "allowCamera"),
    _switch("screen_capture", Group.CAMERA, "Captures d'écran", "Screen capture", "allowScreenShot"),
    _choice("screen_viewing", Group.CLASSROOM, "Écran vu par l'enseignant", "Screen seen by the teacher", to.screen_viewing,
            off=("Jamais", "Never"), ask=("Après accord de l'élève", "When the pupil agrees"), always=("Toujours", "Always")),
    _switch("ai", Group.AI, "Intelligence artificielle", "Artificial intelligence",
            "allowAppleIntelligenceReport", "allowExternalIntelligenceIntegrations",
            "allowExternalIntelligenceIntegrationsSignIn", "allowGenmoji", "allowImagePlayground", "allowImageWand",
            "allowMailSmartReplies", "allowMailSummary", "allowNotesTranscription", "allowNotesTranscriptionSummary",
            "allowPersonalizedHandwritingResults", "allowSafariSummary", "allowSiriAI", "allowVisualIntelligenceSummary",
            "allowWritingTools"),
    _switch("siri", Group.AI, "Assistant vocal", "Voice assistant",
            "allowAssistant", "allowAssistantUserGeneratedContent", "allowAssistantWhileLocked"),
    _switch("typing_aids", Group.KEYBOARD, "Aides à la frappe", "Typing aids",
            "allowAutoCorrection", "allowSpellCheck", "allowPredictiveKeyboard", "allowDefinitionLookup"),
    _switch("dictation", Group.KEYBOARD, "Dicter au lieu d'écrire", "Dictate instead of writing", "allowDictation"),
    _switch("airdrop", Group.TALK, "Échanger par AirDrop", "Exchange by AirDrop", "allowAirDrop"),
    _switch("messages", Group.TALK, "Messagerie", "Messaging", "allowChat", "allowRCSMessaging"),
    _switch("facetime", Group.TALK, "Appels vidéo (FaceTime)", "Video calls (FaceTime)",
            "allowVideoConferencing", "allowVideoConferencingRemoteControl"),
    _switch("games", Group.MEDIA, "Jeux en réseau", "Network games",
            "allowGameCenter", "allowMultiplayerGaming", "allowAddingGameCenterFriends"),
    _switch("entertainment", Group.MEDIA, "Musique, podcasts, actualités", "Music, podcasts, news",
            "allowMusicService", "allowRadioService", "allowPodcasts", "allowNews", "allowiTunes", "allowBookstore"),
    _composite("content_age", Kind.INTEGER, Group.MEDIA, "Contenus jusqu'à cet âge", "Content up to this age", to.content_age,
               choices=(4, 9, 12, 13, 16, 18)),
    _switch("personal_account", Group.ACCOUNTS, "Compte personnel", "Personal account",
            "allowAccountModification", "allowCloudBackup", "allowCloudDocumentSync", "allowCloudKeychainSync",
            "allowCloudPhotoLibrary", "allowSharedStream", "allowActivityContinuation"),
    _switch("mixing_documents", Group.DATA, "Documents vers des applications privées", "Documents into private apps",
            "allowOpenFromManagedToUnmanaged", "allowOpenFromUnmanagedToManaged",
            "!forceAirDropUnmanaged", "!requireManagedPasteboard"),
    _switch("usb_storage", Group.DATA, "Clés USB et ordinateurs", "USB drives and computers",
            "allowFilesUSBDriveAccess", "allowHostPairing"),
    _switch("printing", Group.PRINTING, "Imprimer", "Printing",
            "allowAirPrint", "allowAirPrintCredentialsStorage", "allowAirPrintiBeaconDiscovery"),
    _list("printers", Group.PRINTING, "Imprimantes de l'école", "The school's printers", to.printers,
          _sub("address", Kind.STRING, "Adresse", "Address", form=Form.HOST, required=True),
          _sub("path", Kind.STRING, "Chemin de la file", "Path of the queue", form=Form.TEXT, default="ipp/print"),
          _sub("encrypted", Kind.BOOLEAN, "Chiffrement obligatoire", "Encryption required", default=False), most_items=50),
    _choice("passcode", Group.SECURITY, "Code de la tablette", "Passcode of the tablet", to.passcode,
            none=("Aucun, et l'élève n'en choisit pas", "None, and the pupil sets none"), four=("Quatre chiffres", "Four digits"),
            six=("Six chiffres", "Six digits"), strong=("Lettres et chiffres", "Letters and digits")),
    _list("school_wifi", Group.NETWORK, "Wi-Fi de l'école", "The school's Wi-Fi", to.wifi,
          _sub("name", Kind.STRING, "Nom du réseau", "Network name", form=Form.SSID, required=True),
          _sub("password", Kind.STRING, "Mot de passe", "Password", form=Form.WIFI_PASSWORD, secret=True),
          _sub("hidden", Kind.BOOLEAN, "Réseau masqué", "Hidden network", default=False),
          _sub("fixed_address", Kind.BOOLEAN, "Adresse matérielle fixe", "Fixed hardware address", default=False), most_items=20),
    _switch("other_wifi", Group.NETWORK, "Autres réseaux Wi-Fi", "Other Wi-Fi networks", "!forceWiFiToAllowedNetworksOnly"),
    _switch("tamper", Group.SYSTEM, "Effacer ou régler la tablette soi-même", "Erase or set up the tablet oneself",
            "allowEraseContentAndSettings", "allowEnablingRestrictions", "allowUIConfigurationProfileInstallation",
            "!forceAutomaticDateAndTime"),
    _switch("tracking", Group.SYSTEM, "Publicité ciblée et diagnostics", "Targeted advertising and diagnostics",
            "allowApplePersonalizedAdvertising", "allowDiagnosticSubmission", "!forceLimitAdTracking"),
    _composite("update_delay", Kind.INTEGER, Group.SYSTEM, "Jours avant de proposer une mise à jour",
               "Days before an update is offered", to.system_updates, least=0, most=90),
)  # fmt: skip


@cache
def composites() -> dict[str, Composite]:
    """Every composite by its key."""
    return {each.key: each for each in _ALL}


@cache
def vocabulary() -> dict[str, Field]:
    """All that a layer may say: composites and the catalogue's own keys."""
    return {**composites(), **catalog()}


def expand(values: Mapping[str, Any]) -> Values:
    """Catalogue keys for all that was said. Keys named themselves hold; composites that meet on a key merge to the stricter.

    A stored value that is no longer acceptable is left out: it never fails a tablet.
    """
    known = composites()
    said: dict[str, list[Any]] = {}
    for key in sorted(known.keys() & values.keys()):
        if known[key].problem(values[key]) is None:
            for name, value in known[key].expand(values[key]).items():
                said.setdefault(name, []).append(value)
    made = {name: merge(catalog()[name], found) for name, found in said.items()}
    return {**made, **{key: value for key, value in values.items() if key not in known}}


def keys_of(key: str, values: Mapping[str, Any]) -> frozenset[str]:
    """The catalogue keys that one word stands for, with the value it has: what a lock on the word locks."""
    return frozenset(expand({key: values[key]})) if key in values else frozenset()
