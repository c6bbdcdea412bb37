"""The real adapter: Apps and Books version 2 over HTTPS. The service says its own addresses and limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cartable.http_client import ApiClient, HttpResponse, parse_json_object
from profiles.apps.apps_and_books.ports import (
    AssignmentFailure,
    ContentLocation,
    LicenceErrorKind,
    LicenceServiceError,
    LicensedAsset,
)

_TOKEN_ERRORS = {9601, 9621, 9622, 9625, 9722}
_RETRY_ERRORS = {9646, 9603, 9729}
#: Giving what is given already, or taking what is not held, has done what was asked.
_ALREADY_DONE_ERRORS = {9616, 9709}
MAX_PAGES = 10_000
EVENT_TIMEOUT = 60.0


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
        mdm = reply.get("mdmInfo")
        claimed = mdm.get("id") if isinstance(mdm, dict) else None
        return ContentLocation(str(reply.get("locationName", "")), str(reply.get("uId", "")), _parse_expiry(reply), claimed)

    def claim(self, server_id: str, name: str) -> None:
        self._request_json(
            "POST", "/client/config", json={"mdmInfo": {"id": server_id[:100], "name": name[:100], "metadata": ""}}
        )

    def list_assets(self) -> list[LicensedAsset]:
        return [
            LicensedAsset(
                int(each["adamId"]),
                int(each.get("totalCount", 0)),
                int(each.get("assignedCount", 0)),
                int(each.get("availableCount", 0)),
                bool(each.get("deviceAssignable")),
            )
            for each in self._iterate_rows("/assets", "assets", {"productType": "App"})
        ]

    def list_assigned_serials(self, adam_id: int) -> list[str]:
        rows = self._iterate_rows("/assignments", "assignments", {"adamId": str(adam_id)})
        return [str(row["serialNumber"]) for row in rows if row.get("serialNumber")]

    def associate(self, adam_id: int, serials: Sequence[str]) -> list[AssignmentFailure]:
        return self._change_assignments("/assets/associate", adam_id, serials)

    def disassociate(self, adam_id: int, serials: Sequence[str]) -> list[AssignmentFailure]:
        return self._change_assignments("/assets/disassociate", adam_id, serials)

    def _change_assignments(self, path: str, adam_id: int, serials: Sequence[str]) -> list[AssignmentFailure]:
        failures: list[AssignmentFailure] = []
        size = max(1, self.limits.get("maxSerialNumbers", 100))
        for start in range(0, len(serials), size):
            part = list(serials[start : start + size])
            body = {"assets": [{"adamId": str(adam_id), "pricingParam": "STDQ"}], "serialNumbers": part}
            failures += self._await_event(str(self._request_json("POST", path, json=body)["eventId"]), adam_id, part)
        return failures

    def _await_event(self, event_id: str, adam_id: int, serials: Sequence[str]) -> list[AssignmentFailure]:
        waited, step = 0.0, 0.5
        while True:
            reply = self._request_json("GET", "/status", params={"eventId": event_id})
            if reply.get("eventStatus") != "PENDING":
                return _parse_failures(reply, adam_id, serials)
            if waited > EVENT_TIMEOUT:
                raise LicenceServiceError(LicenceErrorKind.RETRY, 0, "the service has not finished")
            self._pause(step)
            waited, step = waited + step, min(step * 2, 8)

    @property
    def limits(self) -> dict[str, int]:
        """How much one request may carry; the service configures it."""
        if self._limits is None:
            reply = self._request_json("GET", "/service/config").get("limits")
            self._limits = {k: v for k, v in reply.items() if isinstance(v, int)} if isinstance(reply, dict) else {}
        return self._limits

    def _iterate_rows(self, path: str, name: str, params: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Return the rows of all pages of a list, read again from the start when it changed in between."""
        for _ in range(5):
            rows, version = self._read_pages(path, name, params)
            if version:
                return iter(rows)
        raise LicenceServiceError(LicenceErrorKind.RETRY, 0, "the list changes faster than it can be read")

    def _read_pages(self, path: str, name: str, params: dict[str, str]) -> tuple[list[dict[str, Any]], bool]:
        rows: list[dict[str, Any]] = []
        version, page = None, 0
        for _ in range(MAX_PAGES):
            reply = self._request_json("GET", path, params={**params, "pageIndex": str(page)})
            if version not in (None, reply.get("versionId")):
                return [], False
            version = reply.get("versionId", "")
            rows += [row for row in reply.get(name, []) if isinstance(row, dict)]
            if "nextPageIndex" not in reply:
                break
            page = int(reply["nextPageIndex"])
        return rows, True

    def _fetch_credentials(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _are_credentials_refused(self, response: HttpResponse) -> bool:
        return False  # a content token is renewed by a person, never by asking again

    def _build_error(self, response: HttpResponse) -> LicenceServiceError | None:
        """Return the error. It may come with status 200: the number decides first; what is no JSON object is asked for again."""
        reply = parse_json_object(response.body) if response.body.strip() else None
        if reply is None:
            return self._build_temporary_error("the response is no JSON object")
        number = int(reply["errorNumber"]) if "errorNumber" in reply else 0
        if "errorNumber" not in reply and response.status < 400:
            return None
        message = str(reply.get("errorMessage", f"HTTP {response.status}"))
        return LicenceServiceError(_classify_error(number, response.status), number, message, self._get_retry_after(response))

    def _build_temporary_error(self, message: str) -> LicenceServiceError:
        return LicenceServiceError(LicenceErrorKind.RETRY, 0, message)


def _parse_failures(reply: dict[str, Any], adam_id: int, serials: Sequence[str]) -> list[AssignmentFailure]:
    """Return what an event failed to do. One that failed and names no tablet failed for all of them."""
    named = reply.get("failures") or []
    if reply.get("eventStatus") != "COMPLETE" and not named:
        return [AssignmentFailure(0, adam_id, serial) for serial in serials]
    failures = []
    for failure in named:
        number, serial = int(failure.get("errorNumber", 0)), str(failure.get("serialNumber", ""))
        if number not in _ALREADY_DONE_ERRORS:
            failures += [AssignmentFailure(number, adam_id, each_serial) for each_serial in ([serial] if serial else serials)]
    return failures


def _classify_error(number: int, status: int) -> LicenceErrorKind:
    if number in _TOKEN_ERRORS or (status == 401 and number == 0):
        return LicenceErrorKind.TOKEN
    if number in _RETRY_ERRORS or (number == 0 and (status == 429 or status >= 500)):
        return LicenceErrorKind.RETRY
    return LicenceErrorKind.PERMANENT


def _parse_expiry(reply: dict[str, Any]) -> datetime | None:
    try:
        text = str(reply.get("tokenExpirationDate", ""))
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except ValueError:
        return None
