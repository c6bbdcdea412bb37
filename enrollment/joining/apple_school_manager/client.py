"""The real adapter: the School (or Business) Manager API over HTTPS, with its access token (school-services.md section D)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import jwt

from cartable.http_client import TIMEOUT, HttpResponse, Unreachable, parse_retry_after, send_request
from cartable.ids import new_id
from enrollment.joining.apple_school_manager.models import KeyKind
from enrollment.joining.apple_school_manager.ports import OrganisationError, Owned, Server, Trouble

#: What the assertion is for. It has a part that the address of the endpoint has not.
AUDIENCE = "https://account.apple.com/auth/oauth2/v2/token"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
APPLE = {KeyKind.SCHOOL: "https://api-school.apple.com", KeyKind.BUSINESS: "https://api-business.apple.com"}
PAGE = 1000
MAX_PAGES = 10_000
PAUSE = 60.0
_LIFE = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class Key:
    """What a person brings from the portal: an EC P-256 key with its two names."""

    kind: KeyKind
    client_id: str
    key_id: str
    private_key: str = field(repr=False)


class SchoolManager:
    """One organisation, by its key. The access token is fetched when needed, and once more when it is refused."""

    def __init__(self, key: Key, base_url: str, token_url: str, now: Callable[[], datetime]) -> None:
        self._http = httpx.Client(base_url=base_url or APPLE[key.kind], timeout=TIMEOUT, headers={"User-Agent": "Cartable/0.1"})
        self._key, self._token_url, self._now = key, token_url, now
        self._token: str | None = None

    def close(self) -> None:
        self._http.close()

    def devices(self) -> Iterator[Sequence[Owned]]:
        fields = "serialNumber,deviceModel,productFamily"
        for rows in self._pages("/v1/orgDevices", {"fields[orgDevices]": fields}):
            yield [owned for row in rows if (owned := _owned(row)) is not None]

    def servers(self) -> Sequence[Server]:
        found = [row for rows in self._pages("/v1/mdmServers", {}) for row in rows]
        return [Server(str(row.get("id", "")), str(_attributes(row).get("serverName", ""))[:160]) for row in found]

    def assigned(self, server_id: str) -> Iterator[Sequence[str]]:
        for rows in self._pages(f"/v1/mdmServers/{quote(server_id, safe='')}/relationships/devices", {}):
            yield [serial for row in rows if (serial := _serial(row.get("id"))) is not None]

    def _pages(self, path: str, params: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
        """Every page of a list: the next cursor stands in `meta`, or in the link to the next page."""
        cursor = None
        for _ in range(MAX_PAGES):
            said = self._call(path, {**params, "limit": str(PAGE), **({"cursor": cursor} if cursor else {})})
            rows = said.get("data")
            if not isinstance(rows, list):
                raise OrganisationError(Trouble.RETRY, "a page without data")
            yield [row for row in rows if isinstance(row, dict)]
            following = _next(said)
            if following is None:
                return
            if following == cursor:
                raise OrganisationError(Trouble.RETRY, "the service repeats a cursor")
            cursor = following
        raise OrganisationError(Trouble.RETRY, "the list has no end")

    def _call(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        answer = self._get(path, params)
        if answer.status == 401:
            self._token = None
            answer = self._get(path, params)
        return self._read(answer, refused=Trouble.KEY if answer.status in (401, 403) else Trouble.PERMANENT)

    def _get(self, path: str, params: dict[str, str]) -> HttpResponse:
        self._token = self._token or self._fetch_token()
        return self._exchange("GET", path, params=params, headers={"Authorization": f"Bearer {self._token}"})

    def _fetch_token(self) -> str:
        now = self._now()
        claims = {
            "iss": self._key.client_id, "sub": self._key.client_id, "aud": AUDIENCE, "iat": int(now.timestamp()),
            "exp": int((now + _LIFE).timestamp()), "jti": str(new_id()),
        }  # fmt: skip
        form = {
            "grant_type": "client_credentials",
            "client_id": self._key.client_id,
            "client_assertion_type": _ASSERTION,
            "client_assertion": jwt.encode(claims, self._key.private_key, "ES256", {"kid": self._key.key_id}),
            "scope": f"{self._key.kind.value}.api",
        }
        said = self._read(self._exchange("POST", self._token_url, data=form), refused=Trouble.KEY)
        token = said.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token:
            raise OrganisationError(Trouble.RETRY, "no access token")
        return token

    def _exchange(self, method: str, path: str, **request: Any) -> HttpResponse:
        try:
            return send_request(self._http, method, path, **request)
        except Unreachable as error:
            raise OrganisationError(Trouble.RETRY, str(error)) from error

    def _read(self, answer: HttpResponse, *, refused: Trouble) -> dict[str, Any]:
        if answer.status == 429 or answer.status >= 500:
            wait = parse_retry_after(answer.headers, self._now())
            raise OrganisationError(Trouble.RETRY, f"HTTP {answer.status}", PAUSE if wait is None else wait)
        try:
            said = json.loads(answer.body or b"{}")
        except (ValueError, RecursionError):
            said = None
        if answer.status >= 300:
            raise OrganisationError(refused, f"HTTP {answer.status} {_code(said)}".strip())
        if not isinstance(said, dict):
            raise OrganisationError(Trouble.RETRY, "the answer is no JSON object")
        return said


def _next(said: dict[str, Any]) -> str | None:
    meta, links = said.get("meta"), said.get("links")
    paging = meta.get("paging") if isinstance(meta, dict) else None
    cursor = paging.get("nextCursor") if isinstance(paging, dict) else None
    if isinstance(cursor, str) and cursor:
        return cursor
    link = links.get("next") if isinstance(links, dict) else None
    values = parse_qs(urlsplit(link).query).get("cursor") if isinstance(link, str) else None
    return values[0] if values else None


def _owned(row: dict[str, Any]) -> Owned | None:
    """A device; None when it has no serial number to be known by."""
    said = _attributes(row)
    serial = _serial(row.get("id") or said.get("serialNumber"))
    return None if serial is None else Owned(serial, _text(said.get("deviceModel"), 80), _text(said.get("productFamily"), 40))


def _attributes(row: dict[str, Any]) -> dict[str, Any]:
    said = row.get("attributes")
    return said if isinstance(said, dict) else {}


def _serial(value: object) -> str | None:
    text = value.strip().upper() if isinstance(value, str) else ""
    return text if 4 <= len(text) <= 64 and text.isascii() and text.isalnum() else None


def _text(value: object, longest: int) -> str | None:
    """A text, or the first of a list of texts: both forms are seen."""
    if isinstance(value, list) and value:
        value = value[0]
    return value.replace("\x00", "")[:longest] if isinstance(value, str) else None


def _code(said: object) -> str:
    """The code of an error: of the API's list, or of OAuth."""
    errors = said.get("errors") if isinstance(said, dict) else None
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return str(errors[0].get("code", ""))[:80]
    return str(said.get("error", ""))[:80] if isinstance(said, dict) else ""
