"""What texts must look like: one form per sort of text, with the words that refuse it. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from enum import StrEnum

from cartable.i18n import Words


class Form(StrEnum):
    """The form of a text."""

    TEXT = "text"
    NAME = "name"
    SECRET = "secret"  # noqa: S105 - a form, not a secret
    BUNDLE_ID = "bundle_id"
    BUNDLE_MATCH = "bundle_match"
    URL = "url"
    HTTPS = "https"
    HOST = "host"
    DOMAIN = "domain"
    IP = "ip"
    EMAIL = "email"
    UUID = "uuid"
    MAC = "mac"
    ICCID = "iccid"
    SSID = "ssid"
    WIFI_PASSWORD = "wifi_password"  # noqa: S105 - a form, not a password
    FILTER_HOST = "filter_host"
    CATEGORY = "category"

    def fits(self, text: str) -> bool:
        """Whether a text has this form. A control character never fits: a property list cannot carry it."""
        return _PLAIN.fullmatch(text) is not None and _FITS[self](text)

    @property
    def words(self) -> Words:
        """What is asked for, as people say it."""
        return _WORDS[self]


#: No control character but a line's end, no half of a surrogate pair.
_PLAIN = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]*")
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST = rf"({_LABEL}\.)*{_LABEL}\.?"


def _match(pattern: str, longest: int = 255) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: len(text) <= longest and compiled.fullmatch(text) is not None


def _length(least: int, most: int) -> Callable[[str], bool]:
    return lambda text: least <= len(text) <= most and bool(text.strip())


def _ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _ssid(text: str) -> bool:
    return 1 <= len(text.encode()) <= 32  # IEEE 802.11: 32 bytes, not characters


_host = _match(_HOST, 253)
_FITS: dict[Form, Callable[[str], bool]] = {
    Form.TEXT: _length(1, 1000),
    Form.NAME: _length(1, 255),
    Form.SECRET: _length(1, 500),
    Form.BUNDLE_ID: _match(r"[A-Za-z0-9._-]{2,155}"),
    Form.BUNDLE_MATCH: _match(r"\*|[A-Za-z0-9._-]{2,155}\*?"),
    Form.URL: _match(r"https?://[^\s/]+(/\S*)?", 2000),
    Form.HTTPS: _match(r"https://[^\s/]+(/\S*)?", 2000),
    Form.HOST: lambda text: _ip(text) or _host(text),
    Form.DOMAIN: _match(rf"(\*\.?|\.)?{_HOST}(:\d{{1,5}})?(/\S*)?"),
    Form.IP: _ip,
    Form.EMAIL: _match(rf"[^@\s]+@{_HOST}"),
    Form.UUID: _match(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    Form.MAC: _match(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}"),
    Form.ICCID: _match(r"[0-9]{18,22}"),
    Form.SSID: _ssid,
    # A passphrase of 8 to 63 characters, 64 hexadecimal digits, or the older 5 to 13 of WEP.
    Form.WIFI_PASSWORD: _length(5, 64),
    Form.FILTER_HOST: _match(r"([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", 253),
    Form.CATEGORY: _match(r"[a-z0-9][a-z0-9_-]*", 64),
}
_WORDS: dict[Form, Words] = {
    Form.TEXT: Words(fr="un texte de 1 à 1000 caractères", en="a text of 1 to 1000 characters"),
    Form.NAME: Words(fr="un texte de 1 à 255 caractères", en="a text of 1 to 255 characters"),
    Form.SECRET: Words(fr="un texte de 1 à 500 caractères", en="a text of 1 to 500 characters"),
    Form.BUNDLE_ID: Words(fr="un identifiant d'application (com.exemple.app)", en="an app's identifier (com.example.app)"),
    Form.BUNDLE_MATCH: Words(fr="un identifiant d'application, * à la fin", en="an app's identifier, * at its end"),
    Form.URL: Words(fr="une adresse http:// ou https://", en="an http:// or https:// address"),
    Form.HTTPS: Words(fr="une adresse https://", en="an https:// address"),
    Form.HOST: Words(fr="un nom d'hôte ou une adresse IP", en="a host name or an IP address"),
    Form.DOMAIN: Words(fr="un domaine (exemple.fr)", en="a domain (example.org)"),
    Form.IP: Words(fr="une adresse IP", en="an IP address"),
    Form.EMAIL: Words(fr="une adresse électronique", en="an e-mail address"),
    Form.UUID: Words(fr="un UUID", en="a UUID"),
    Form.MAC: Words(fr="une adresse matérielle (00:11:22:33:44:55)", en="a hardware address (00:11:22:33:44:55)"),
    Form.ICCID: Words(fr="un numéro de carte SIM (18 à 22 chiffres)", en="a SIM card number (18 to 22 digits)"),
    Form.SSID: Words(fr="un nom de Wi-Fi de 1 à 32 octets", en="a Wi-Fi name of 1 to 32 bytes"),
    Form.WIFI_PASSWORD: Words(fr="un mot de passe de 5 à 64 caractères", en="a password of 5 to 64 characters"),
    Form.FILTER_HOST: Words(fr="un nom d'hôte (exemple.fr)", en="a host name (example.org)"),
    Form.CATEGORY: Words(fr="un nom de catégorie (jeux, press…)", en="the name of a category (games, press…)"),
}
