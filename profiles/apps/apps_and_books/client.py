"""The real adapter: Apps and Books version 2 over HTTPS. The service says its own addresses and limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cartable.http_client import ApiClient, HttpResponse, parse_json_object
from profiles.apps.apps_and_books.parsing import (
    parse_assets,
    parse_assignments,
    parse_claiming_server,
    parse_expiry,
    parse_failures,
    parse_limits,
    read_number,
    read_text,
)
from profiles.apps.apps_and_books.ports import (
    AssetList,
    AssignedLicences,
    AssignmentFailure,
    ClaimingServer,
    ContentLocation,
    EventPending,
    LicenceErrorKind,
    LicenceServiceError,
    LicensedAsset,
)

_TOKEN_ERRORS = {9601, 9621, 9622, 9625, 9722}
_RETRY_ERRORS = {9646, 9603, 9729}
MAX_PAGES = 10_000
EVENT_TIMEOUT = 60.0
#: Serial numbers in one request where the service does not say how many it takes.
DEFAULT_SERIALS = 100
#: Refused requests of one app after which the rest of its tablets wait for the next synchronisation.
MAX_REFUSALS = 24


class AppsAndBooks(ApiClient):
    """One location, by its content token. `pause` waits between polls; tests make it shorter."""

    def __init__(
        self, token: str, base_url: str, now: Callable[[], datetime], *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(base_url, now)
        self._token = token
        self._pause = pause
        self._limits: dict[str, int] | None = None

    def get_location(self) -> ContentLocation:
        reply = self._request_json("GET", "/client/config")
        return ContentLocation(
            read_text(reply.get("locationName"), 160),
            read_text(reply.get("uId"), 100),
            parse_expiry(reply.get("tokenExpirationDate")),
            parse_claiming_server(reply.get("mdmInfo")),
        )

    def claim(self, server: ClaimingServer) -> None:
        self._request_json(
            "POST", "/client/config", json={"mdmInfo": {"id": server.id[:100], "name": server.name[:100], "metadata": ""}}
        )

    def list_assets(self) -> AssetList:
        return parse_assets(self._list_rows("/assets", "assets", {"productType": "App"}))

    def list_assigned_licences(self, adam_id: int) -> AssignedLicences:
        return parse_assignments(self._list_rows("/assignments", "assignments", {"adamId": str(adam_id)}))

    def associate(self, asset: LicensedAsset, serials: Sequence[str]) -> list[AssignmentFailure]:
        return self._change_assignments("/assets/associate", asset, serials)

    def disassociate(self, asset: LicensedAsset, serials: Sequence[str]) -> list[AssignmentFailure]:
        return self._change_assignments("/assets/disassociate", asset, serials)

    def _change_assignments(self, path: str, asset: LicensedAsset, serials: Sequence[str]) -> list[AssignmentFailure]:
        """Change licences in parts. A part that is refused as a whole is halved, so that one refused tablet stops no other."""
        failures: list[AssignmentFailure] = []
        size = self.limits.get("maxSerialNumbers", DEFAULT_SERIALS)
        parts = [list(serials[start : start + size]) for start in range(0, len(serials), size)]
        refusals = 0
        while parts:
            part = parts.pop(0)
            try:
                failures += self._change_part(path, asset, part)
            except LicenceServiceError as error:
                if error.kind is not LicenceErrorKind.PERMANENT:
                    raise
                refusals += 1
                if len(part) == 1 or refusals > MAX_REFUSALS:
                    failures += [AssignmentFailure(error.number, asset.adam_id, serial, str(error)) for serial in part]
                else:
                    parts[:0] = [part[: len(part) // 2], part[len(part) // 2 :]]
        return failures

    def _change_part(self, path: str, asset: LicensedAsset, serials: Sequence[str]) -> list[AssignmentFailure]:
        body = {"assets": [{"adamId": str(asset.adam_id), "pricingParam": asset.pricing}], "serialNumbers": list(serials)}
        event_id = read_text(self._request_json("POST", path, json=body).get("eventId"), 200)
        if not event_id:
            raise self._build_temporary_error("the service names no event")
        return self._await_event(event_id, asset.adam_id, serials)

    def _await_event(self, event_id: str, adam_id: int, serials: Sequence[str]) -> list[AssignmentFailure]:
        waited, step = 0.0, 0.5
        while True:
            reply = self._request_json("GET", "/status", params={"eventId": event_id})
            if reply.get("eventStatus") in ("COMPLETE", "FAILED"):
                return parse_failures(reply, adam_id, serials)
            if waited > EVENT_TIMEOUT:
                raise EventPending
            self._pause(step)
            waited, step = waited + step, min(step * 2, 8)

    @property
    def limits(self) -> dict[str, int]:
        """How much one request may carry; the service configures it. Without a configuration the limits are cautious."""
        if self._limits is None:
            try:
                self._limits = parse_limits(self._request_json("GET", "/service/config").get("limits"))
            except LicenceServiceError as error:
                if error.kind is not LicenceErrorKind.PERMANENT:
                    raise
                self._limits = {}
        return self._limits

    def _list_rows(self, path: str, name: str, params: dict[str, str]) -> list[Any]:
        """Return the rows of all pages of a list, read again from the start when it changed in between."""
        for _ in range(5):
            rows = self._read_pages(path, name, params)
            if rows is not None:
                return rows
        raise LicenceServiceError(LicenceErrorKind.RETRY, 0, "the list changes faster than it can be read")

    def _read_pages(self, path: str, name: str, params: dict[str, str]) -> list[Any] | None:
        """Return the rows of all pages; None when the list changed between two of them.

        A page without its rows, or whose next page cannot be told, is an error for the moment: with a part of the list, apps that a town owns
        would count as gone, and licences that are in use as free. Only an empty list may lack its rows.
        """
        rows: list[Any] = []
        version, page = None, 0
        for _ in range(MAX_PAGES):
            reply = self._request_json("GET", path, params={**params, "pageIndex": str(page)})
            if version not in (None, reply.get("versionId")):
                return None
            version = reply.get("versionId")
            part, next_index = reply.get(name), reply.get("nextPageIndex")
            following = read_number(next_index)
            is_empty_list = part is None and page == 0 and next_index is None
            if not isinstance(part, list) and not is_empty_list:
                raise self._build_temporary_error(f"a page without {name}")
            if following is None and next_index is not None:
                raise self._build_temporary_error("a page that does not tell the next one")
            rows += part or []
            if following is None or following <= page:
                return rows
            page = following
        raise self._build_temporary_error("the list has no end")

    def _fetch_credentials(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _are_credentials_refused(self, response: HttpResponse) -> bool:
        return False  # a content token is renewed by a person, never by asking again

    def _build_error(self, response: HttpResponse) -> LicenceServiceError | None:
        """Return the error. It may come with status 200: the number decides first; what is no JSON object is asked for again."""
        reply = parse_json_object(response.body) if response.body.strip() else None
        if reply is None:
            return self._build_temporary_error("the response is no JSON object")
        number = read_number(reply.get("errorNumber")) or 0
        if number == 0 and response.status < 400:
            return None
        message = read_text(reply.get("errorMessage"), 160) or f"HTTP {response.status}"
        return LicenceServiceError(_classify_error(number, response.status), number, message, self._get_retry_after(response))

    def _build_temporary_error(self, message: str) -> LicenceServiceError:
        return LicenceServiceError(LicenceErrorKind.RETRY, 0, message)


def _classify_error(number: int, status: int) -> LicenceErrorKind:
    if number in _TOKEN_ERRORS or (status == 401 and number == 0):
        return LicenceErrorKind.TOKEN
    if number in _RETRY_ERRORS or (number == 0 and (status == 429 or status >= 500)):
        return LicenceErrorKind.RETRY
    return LicenceErrorKind.PERMANENT
