"""The client of Apple's School (or Business) Manager API: access token, pages, errors.

See docs/domain/apple-services.md#school-manager-api.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import jwt

from cartable.http_client import DEFAULT_RETRY_AFTER, ApiClient, HttpResponse, parse_json_object
from cartable.ids import new_id
from enrollment.joining.apple_school_manager.models import KeyKind
from enrollment.joining.apple_school_manager.ports import MdmServer, OrganisationError, OrganisationErrorKind, OwnedDevice

#: The audience of the assertion. It contains `/v2`, unlike the URL of the token endpoint.
AUDIENCE = "https://account.apple.com/auth/oauth2/v2/token"
APPLE_URLS = {KeyKind.SCHOOL: "https://api-school.apple.com", KeyKind.BUSINESS: "https://api-business.apple.com"}
PAGE_SIZE = 1000
MAX_PAGES = 10_000
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFETIME = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key from the portal: an EC P-256 private key (PEM) with its client id and key id."""

    kind: KeyKind
    client_id: str
    key_id: str
    private_key: str = field(repr=False)


class SchoolManagerClient(ApiClient):
    """The client of one organisation's key."""

    def __init__(self, key: ApiKey, base_url: str, token_url: str, now: Callable[[], datetime]) -> None:
        super().__init__(base_url or APPLE_URLS[key.kind], now)
        self._key, self._token_url = key, token_url

    def list_devices(self) -> Iterator[Sequence[OwnedDevice]]:
        fields = "serialNumber,deviceModel,productFamily"
        for rows in self._request_pages("/v1/orgDevices", {"fields[orgDevices]": fields}):
            yield [device for row in rows if (device := _parse_device(row)) is not None]

    def list_servers(self) -> Sequence[MdmServer]:
        rows = [row for page in self._request_pages("/v1/mdmServers", {}) for row in page]
        return [MdmServer(str(row.get("id", "")), str(_get_attributes(row).get("serverName", ""))[:160]) for row in rows]

    def list_assigned_serials(self, server_id: str) -> Iterator[Sequence[str]]:
        for rows in self._request_pages(f"/v1/mdmServers/{quote(server_id, safe='')}/relationships/devices", {}):
            yield [serial for row in rows if (serial := _parse_serial(row.get("id"))) is not None]

    def _request_pages(self, path: str, params: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
        cursor = None
        for _ in range(MAX_PAGES):
            page_params = {**params, "limit": str(PAGE_SIZE), **({"cursor": cursor} if cursor else {})}
            document = self._request_json("GET", path, params=page_params)
            rows = document.get("data")
            if not isinstance(rows, list):
                raise self._build_temporary_error("a page without data")
            yield [row for row in rows if isinstance(row, dict)]
            next_cursor = _get_next_cursor(document)
            if next_cursor is None:
                return
            if next_cursor == cursor:
                raise self._build_temporary_error("the service repeats a cursor")
            cursor = next_cursor
        raise self._build_temporary_error("the list has no end")

    def _fetch_credentials(self) -> Mapping[str, str]:
        """Request an access token with a signed assertion (RFC 7523)."""
        now = self._now()
        claims = {
            "iss": self._key.client_id, "sub": self._key.client_id, "aud": AUDIENCE, "iat": int(now.timestamp()),
            "exp": int((now + _ASSERTION_LIFETIME).timestamp()), "jti": str(new_id()),
        }  # fmt: skip
        form = {
            "grant_type": "client_credentials",
            "client_id": self._key.client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": jwt.encode(claims, self._key.private_key, "ES256", {"kid": self._key.key_id}),
            "scope": f"{self._key.kind.value}.api",
        }
        response = self._send("POST", self._token_url, data=form)
        error = self._describe_error(response, refused=OrganisationErrorKind.KEY)
        if error is not None:
            raise error
        token = self._parse_json(response).get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token:
            raise self._build_temporary_error("no access token")
        return {"Authorization": f"Bearer {token}"}

    def _are_credentials_refused(self, response: HttpResponse) -> bool:
        return response.status == 401

    def _build_error(self, response: HttpResponse) -> OrganisationError | None:
        is_unauthorized = response.status in (401, 403)
        return self._describe_error(
            response, refused=OrganisationErrorKind.KEY if is_unauthorized else OrganisationErrorKind.PERMANENT
        )

    def _build_temporary_error(self, message: str) -> OrganisationError:
        return OrganisationError(OrganisationErrorKind.RETRY, message)

    def _describe_error(self, response: HttpResponse, *, refused: OrganisationErrorKind) -> OrganisationError | None:
        if response.status == 429 or response.status >= 500:
            retry_after = self._get_retry_after(response)
            return OrganisationError(
                OrganisationErrorKind.RETRY,
                f"HTTP {response.status}",
                DEFAULT_RETRY_AFTER if retry_after is None else retry_after,
            )
        if response.status >= 300:
            return OrganisationError(refused, f"HTTP {response.status} {_get_error_code(response.body)}".strip())
        return None


def _get_next_cursor(document: dict[str, Any]) -> str | None:
    """Return the next cursor of a page, from `meta` or from the link to the next page; None at the end."""
    meta, links = document.get("meta"), document.get("links")
    paging = meta.get("paging") if isinstance(meta, dict) else None
    cursor = paging.get("nextCursor") if isinstance(paging, dict) else None
    if isinstance(cursor, str) and cursor:
        return cursor
    link = links.get("next") if isinstance(links, dict) else None
    values = parse_qs(urlsplit(link).query).get("cursor") if isinstance(link, str) else None
    return values[0] if values else None


def _parse_device(row: dict[str, Any]) -> OwnedDevice | None:
    """Return a device; None when it has no valid serial number."""
    attributes = _get_attributes(row)
    serial = _parse_serial(row.get("id") or attributes.get("serialNumber"))
    if serial is None:
        return None
    return OwnedDevice(serial, _parse_text(attributes.get("deviceModel"), 80), _parse_text(attributes.get("productFamily"), 40))


def _get_attributes(row: dict[str, Any]) -> dict[str, Any]:
    attributes = row.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _parse_serial(value: object) -> str | None:
    text = value.strip().upper() if isinstance(value, str) else ""
    return text if 4 <= len(text) <= 64 and text.isascii() and text.isalnum() else None


def _parse_text(value: object, max_length: int) -> str | None:
    """Return a text, or the first of a list of texts: the API uses both forms."""
    if isinstance(value, list) and value:
        value = value[0]
    return value.replace("\x00", "")[:max_length] if isinstance(value, str) else None


def _get_error_code(body: bytes) -> str:
    """Return the error code of the API, or of OAuth; empty when there is none."""
    document = parse_json_object(body) or {}
    errors = document.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return str(errors[0].get("code", ""))[:80]
    return str(document.get("error", ""))[:80]
