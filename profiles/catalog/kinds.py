"""The vocabulary of the catalogue: kinds of values, rules of merging, places on a tablet, groups for people. No data."""

from __future__ import annotations

from enum import StrEnum

from cartable.i18n import Words


class Kind(StrEnum):
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
    def one(self) -> Kind:
        """The kind of one item of a list; itself where it is no list."""
        return _ONE.get(self, self)


_ONE = {
    Kind.STRINGS: Kind.STRING,
    Kind.INTEGERS: Kind.INTEGER,
    Kind.DATAS: Kind.DATA,
    Kind.REFERENCES: Kind.REFERENCE,
    Kind.OBJECTS: Kind.OBJECT,
    Kind.PAGES: Kind.OBJECTS,
}


class Merge(StrEnum):
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


class Slot(StrEnum):
    """How often a payload may stand on one tablet."""

    ONE = "one"
    MANY = "many"


class Group(StrEnum):
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
    def words(self) -> Words:
        """Its name for people."""
        return _GROUPS[self]


_GROUPS = {
    Group.APPS: Words(fr="Applications", en="Apps"),
    Group.HOME: Words(fr="Écran d'accueil et écran verrouillé", en="Home screen and lock screen"),
    Group.WEB: Words(fr="Navigation sur le web", en="Web browsing"),
    Group.STORE: Words(fr="App Store et achats", en="App Store and purchases"),
    Group.MEDIA: Words(fr="Contenus, âges et jeux", en="Content, ages and games"),
    Group.TALK: Words(fr="Messages, appels et partage", en="Messages, calls and sharing"),
    Group.CAMERA: Words(fr="Appareil photo et écran", en="Camera and screen"),
    Group.AI: Words(fr="Intelligence et Siri", en="Intelligence and Siri"),
    Group.KEYBOARD: Words(fr="Clavier et dictée", en="Keyboard and dictation"),
    Group.CLASSROOM: Words(fr="En classe", en="In class"),
    Group.PRINTING: Words(fr="Impression et AirPlay", en="Printing and AirPlay"),
    Group.ACCOUNTS: Words(fr="Comptes et iCloud", en="Accounts and iCloud"),
    Group.DATA: Words(fr="Documents de l'école", en="The school's documents"),
    Group.SECURITY: Words(fr="Code et mots de passe", en="Passcode and passwords"),
    Group.CERTIFICATES: Words(fr="Certificats", en="Certificates"),
    Group.NETWORK: Words(fr="Réseau", en="Network"),
    Group.CELLULAR: Words(fr="Réseau cellulaire", en="Cellular network"),
    Group.SYSTEM: Words(fr="Système et mises à jour", en="System and updates"),
}


def version(text: str) -> tuple[int, ...]:
    """A version as numbers, so that 18.10 is later than 18.4."""
    return tuple(int(part) for part in text.split(" ", maxsplit=1)[0].split(".") if part.isdigit())
