"""Enums of the catalogue: kinds of values, merge rules, payload cardinality, groups for people. No data."""

from __future__ import annotations

from enum import StrEnum

from cartable.i18n import Message


class ValueKind(StrEnum):
    """The type of a value in JSON. Data is base64 text here and bytes in a payload."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    REAL = "real"
    STRING = "string"
    DATA = "data"
    REFERENCE = "reference"  # the name of a certificate that another setting defines
    STRINGS = "strings"
    INTEGERS = "integers"
    DATAS = "datas"
    REFERENCES = "references"
    OBJECT = "object"  # with the sub-keys of the schema
    OBJECTS = "objects"
    PAGES = "pages"  # a list of lists of objects: the pages of a home screen
    MAP = "map"  # with any sub-keys: another vendor's app defines them

    @property
    def item_kind(self) -> ValueKind:
        """The kind of the items of a list; the kind itself when it is not a list."""
        return _ITEM_KINDS.get(self, self)


_ITEM_KINDS = {
    ValueKind.STRINGS: ValueKind.STRING,
    ValueKind.INTEGERS: ValueKind.INTEGER,
    ValueKind.DATAS: ValueKind.DATA,
    ValueKind.REFERENCES: ValueKind.REFERENCE,
    ValueKind.OBJECTS: ValueKind.OBJECT,
    ValueKind.PAGES: ValueKind.OBJECTS,
}


class MergeRule(StrEnum):
    """How several values of one setting become one: always towards the stricter."""

    ALL = "all"  # booleans: false wins
    ANY = "any"  # booleans: true wins
    SMALLEST = "smallest"
    SMALLEST_BUT_ZERO = "smallest_but_zero"  # zero means "no limit"
    LARGEST = "largest"
    INTERSECTION = "intersection"
    UNION = "union"
    EACH = "each"  # all entries of all lists; of entries with the same identity, that of the strongest source
    STRICTEST = "strictest"  # of choices, the one that is listed first
    AGREE = "agree"  # the value of the strongest source


class PayloadCardinality(StrEnum):
    """How many payloads of a type one tablet may have."""

    ONE = "one"
    MANY = "many"


class SettingGroup(StrEnum):
    """The group under which people find a setting."""

    APPS = "apps"
    HOME = "home"
    WEB = "web"
    STORE = "store"
    MEDIA = "media"
    TALK = "talk"
    CAMERA = "camera"
    AI = "ai"
    KEYBOARD = "keyboard"
    CLASSROOM = "classroom"
    PRINTING = "printing"
    ACCOUNTS = "accounts"
    DATA = "data"
    SECURITY = "security"
    CERTIFICATES = "certificates"
    NETWORK = "network"
    CELLULAR = "cellular"
    SYSTEM = "system"

    @property
    def label(self) -> Message:
        """The name of the group for people."""
        return _GROUPS[self]


_GROUPS = {
    SettingGroup.APPS: Message("Apps"),
    SettingGroup.HOME: Message("Home screen and lock screen"),
    SettingGroup.WEB: Message("Web browsing"),
    SettingGroup.STORE: Message("App Store and purchases"),
    SettingGroup.MEDIA: Message("Content, ages and games"),
    SettingGroup.TALK: Message("Messages, calls and sharing"),
    SettingGroup.CAMERA: Message("Camera and screen"),
    SettingGroup.AI: Message("Intelligence and Siri"),
    SettingGroup.KEYBOARD: Message("Keyboard and dictation"),
    SettingGroup.CLASSROOM: Message("In class"),
    SettingGroup.PRINTING: Message("Printing and AirPlay"),
    SettingGroup.ACCOUNTS: Message("Accounts and iCloud"),
    SettingGroup.DATA: Message("The school's documents"),
    SettingGroup.SECURITY: Message("Passcode and passwords"),
    SettingGroup.CERTIFICATES: Message("Certificates"),
    SettingGroup.NETWORK: Message("Network"),
    SettingGroup.CELLULAR: Message("Cellular network"),
    SettingGroup.SYSTEM: Message("System and updates"),
}
