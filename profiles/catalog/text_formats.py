"""Formats of text values: what each accepts, and how it is described to people. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from cartable.i18n import Message


class TextFormat(StrEnum):
    """The format that a text value must have."""

    TEXT = "text"
    NAME = "name"
    SECRET = "secret"  # noqa: S105 - a format, not a secret
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
    WIFI_PASSWORD = "wifi_password"  # noqa: S105 - a format, not a password
    FILTER_HOST = "filter_host"
    CATEGORY = "category"
    OS_VERSION = "os_version"
    LOCAL_TIME = "local_time"

    def matches(self, text: str) -> bool:
        """Return whether a text has this format. Control characters never match: a property list cannot hold them."""
        return _PLAIN.fullmatch(text) is not None and _MATCHERS[self](text)

    @property
    def label(self) -> Message:
        """The description of the format for people."""
        return _LABELS[self]


#: No control characters except line ends, no half of a surrogate pair.
_PLAIN = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]*")
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST = rf"({_LABEL}\.)*{_LABEL}\.?"


def _make_matcher(pattern: str, longest: int = 255) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: len(text) <= longest and compiled.fullmatch(text) is not None


def _make_length_matcher(least: int, most: int) -> Callable[[str], bool]:
    return lambda text: least <= len(text) <= most and bool(text.strip())


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_local_time(text: str) -> bool:
    """Return whether it is a time without a zone, to the second, as Apple writes one that counts by each tablet's own clock."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").isoformat() == text  # noqa: DTZ007 - it has no zone
    except ValueError:
        return False


def _is_ssid(text: str) -> bool:
    return 1 <= len(text.encode()) <= 32  # IEEE 802.11: 32 bytes, not characters


_is_host_name = _make_matcher(_HOST, 253)
_MATCHERS: dict[TextFormat, Callable[[str], bool]] = {
    TextFormat.TEXT: _make_length_matcher(1, 1000),
    TextFormat.NAME: _make_length_matcher(1, 255),
    TextFormat.SECRET: _make_length_matcher(1, 500),
    TextFormat.BUNDLE_ID: _make_matcher(r"[A-Za-z0-9._-]{2,155}"),
    TextFormat.BUNDLE_MATCH: _make_matcher(r"\*|[A-Za-z0-9._-]{2,155}\*?"),
    TextFormat.URL: _make_matcher(r"https?://[^\s/]+(/\S*)?", 2000),
    TextFormat.HTTPS: _make_matcher(r"https://[^\s/]+(/\S*)?", 2000),
    TextFormat.HOST: lambda text: _is_ip_address(text) or _is_host_name(text),
    TextFormat.DOMAIN: _make_matcher(rf"(\*\.?|\.)?{_HOST}(:\d{{1,5}})?(/\S*)?"),
    TextFormat.IP: _is_ip_address,
    TextFormat.EMAIL: _make_matcher(rf"[^@\s]+@{_HOST}"),
    TextFormat.UUID: _make_matcher(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    TextFormat.MAC: _make_matcher(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}"),
    TextFormat.ICCID: _make_matcher(r"[0-9]{18,22}"),
    TextFormat.SSID: _is_ssid,
    # A passphrase of 8 to 63 characters, 64 hexadecimal digits, or the older 5 to 13 of WEP.
    TextFormat.WIFI_PASSWORD: _make_length_matcher(5, 64),
    TextFormat.FILTER_HOST: _make_matcher(r"([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", 253),
    TextFormat.CATEGORY: _make_matcher(r"[a-z0-9][a-z0-9_-]*", 64),
    TextFormat.OS_VERSION: _make_matcher(r"[1-9][0-9]?(\.[0-9]{1,3}){1,2}", 12),
    TextFormat.LOCAL_TIME: _is_local_time,
}
_LABELS: dict[TextFormat, Message] = {
    TextFormat.TEXT: Message("a text of 1 to 1000 characters"),
    TextFormat.NAME: Message("a text of 1 to 255 characters"),
    TextFormat.SECRET: Message("a text of 1 to 500 characters"),
    TextFormat.BUNDLE_ID: Message("an app's identifier (com.example.app)"),
    TextFormat.BUNDLE_MATCH: Message("an app's identifier, * at its end"),
    TextFormat.URL: Message("an http:// or https:// address"),
    TextFormat.HTTPS: Message("an https:// address"),
    TextFormat.HOST: Message("a host name or an IP address"),
    TextFormat.DOMAIN: Message("a domain (example.org)"),
    TextFormat.IP: Message("an IP address"),
    TextFormat.EMAIL: Message("an e-mail address"),
    TextFormat.UUID: Message("a UUID"),
    TextFormat.MAC: Message("a hardware address (00:11:22:33:44:55)"),
    TextFormat.ICCID: Message("a SIM card number (18 to 22 digits)"),
    TextFormat.SSID: Message("a Wi-Fi name of 1 to 32 bytes"),
    TextFormat.WIFI_PASSWORD: Message("a password of 5 to 64 characters"),
    TextFormat.FILTER_HOST: Message("a host name (example.org)"),
    TextFormat.CATEGORY: Message("the name of a category (games, press…)"),
    TextFormat.OS_VERSION: Message("a version of iPadOS (26.2)"),
    TextFormat.LOCAL_TIME: Message("a local time (2027-01-31T19:00:00)"),
}
