"""The vocabulary of the catalogue: kinds of values, rules of merging, places on a tablet, groups for people. No data."""

from __future__ import annotations

from enum import StrEnum

from cartable.i18n import Message


class ValueKind(StrEnum):
    """Type of a value. In JSON; what goes over the wire as bytes is base64 here."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    REAL = "real"
    STRING = "string"
    DATA = "data"
    REFERENCE = "reference"  # the name of a certificate that another setting brings
    STRINGS = "strings"
    INTEGERS = "integers"
    DATAS = "datas"
    REFERENCES = "references"
    OBJECT = "object"  # sub-keys by schema
    OBJECTS = "objects"
    PAGES = "pages"  # a list of lists of objects: the pages of a home screen
    MAP = "map"  # sub-keys that only another maker's app knows

    @property
    def item_kind(self) -> ValueKind:
        """The kind of one item of a list; itself where it is no list."""
        return _ONE.get(self, self)


_ONE = {
    ValueKind.STRINGS: ValueKind.STRING,
    ValueKind.INTEGERS: ValueKind.INTEGER,
    ValueKind.DATAS: ValueKind.DATA,
    ValueKind.REFERENCES: ValueKind.REFERENCE,
    ValueKind.OBJECTS: ValueKind.OBJECT,
    ValueKind.PAGES: ValueKind.OBJECTS,
}


class MergeRule(StrEnum):
    """How two opinions on one setting become one: always towards the stricter (design section 3.5)."""

    ALL = "all"  # booleans: false wins
    ANY = "any"  # booleans: true wins
    SMALLEST = "smallest"
    SMALLEST_BUT_ZERO = "smallest_but_zero"  # zero stands for "no limit"
    LARGEST = "largest"
    INTERSECTION = "intersection"
    UNION = "union"
    EACH = "each"  # objects by what makes them the same: all of them, the strongest layer's word on each
    AGREE = "agree"  # the strongest layer's word holds


class PayloadCardinality(StrEnum):
    """How often a payload may stand on one tablet."""

    ONE = "one"
    MANY = "many"


class SettingGroup(StrEnum):
    """Where people look for a setting."""

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
    def words(self) -> Message:
        """Its name for people."""
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


def parse_version(text: str) -> tuple[int, ...]:
    """A version as numbers, so that 18.10 is later than 18.4."""
    return tuple(int(part) for part in text.split(" ", maxsplit=1)[0].split(".") if part.isdigit())
