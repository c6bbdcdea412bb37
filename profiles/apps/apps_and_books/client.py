"""The real adapter: Apps and Books version 2 over HTTPS. The service says its own addresses and limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from profiles.apps.apps_and_books.ports import Asset, Failure, LicenceServiceError, Location, Trouble

APPLE = "https://vpp.itunes.apple.com/mdm/v2"
_TOKEN = {9601, 9621, 9622, 9625, 9722}
_RETRY = {9646, 9603, 9729}
#: Giving what is given already, or taking what is not held, has done what was asked.
_ALREADY = {9616, 9709}
MAX_PAGES = 10_000
PATIENCE = 60.0


class AppsAndBooks:
    """One location, by its content token. `pause` waits between polls; tests make it shorter."""

    def __init__(self, token: str, base_url: str = APPLE, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=30, headers={"Authorization": f"Bearer {token}"})
        self._pause = pause
        self._limits: dict[str, int] | None = None

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def location(self) -> Location:
        said = self._call("GET", "/client/config")
        mdm = said.get("mdmInfo")
        claimed = mdm.get("id") if isinstance(mdm, dict) else None
        return Location(str(said.get("locationName", "")), str(said.get("uId", "")), _instant(said), claimed)

    def claim(self, server_id: str, name: str) -> None:
        self._call("POST", "/client/config", {"mdmInfo": {"id": server_id[:100], "name": name[:100], "metadata": ""}})

    def assets(self) -> list[Asset]:
        return [
            Asset(
                int(each["adamId"]),
                int(each.get("totalCount", 0)),
                int(each.get("assignedCount", 0)),
                int(each.get("availableCount", 0)),
                bool(each.get("deviceAssignable")),
            )
            for each in self._pages("/assets", "assets", {"productType": "App"})
        ]

    def assigned(self, adam_id: int) -> list[str]:
        rows = self._pages("/assignments", "assignments", {"adamId": str(adam_id)})
        return [str(row["serialNumber"]) for row in rows if row.get("serialNumber")]

    def associate(self, adam_id: int, serials: Sequence[str]) -> list[Failure]:
        return self._move("/assets/associate", adam_id, serials)

    def disassociate(self, adam_id: int, serials: Sequence[str]) -> list[Failure]:
        return self._move("/assets/disassociate", adam_id, serials)

    def _move(self, path: str, adam_id: int, serials: Sequence[str]) -> list[Failure]:
        failures: list[Failure] = []
        size = max(1, self.limits.get("maxSerialNumbers", 100))
        for start in range(0, len(serials), size):
            part = list(serials[start : start + size])
            body = {"assets": [{"adamId": str(adam_id), "pricingParam": "STDQ"}], "serialNumbers": part}
            failures += self._wait_for(str(self._call("POST", path, body)["eventId"]), adam_id, part)
        return failures

    def _wait_for(self, event_id: str, adam_id: int, serials: Sequence[str]) -> list[Failure]:
        waited, step = 0.0, 0.5
        while True:
            said = self._call("GET", "/status", params={"eventId": event_id})
            if said.get("eventStatus") != "PENDING":
                return _failures(said, adam_id, serials)
            if waited > PATIENCE:
                raise LicenceServiceError(Trouble.RETRY, 0, "the service has not finished")
            self._pause(step)
            waited, step = waited + step, min(step * 2, 8)

    @property
    def limits(self) -> dict[str, int]:
        """How much one request may carry, as the service says."""
        if self._limits is None:
            said = self._call("GET", "/service/config").get("limits")
            self._limits = {k: v for k, v in said.items() if isinstance(v, int)} if isinstance(said, dict) else {}
        return self._limits

    def _pages(self, path: str, name: str, params: dict[str, str]) -> Iterator[dict[str, Any]]:
        """All pages of a list; from the start again when it changed meanwhile."""
        for _ in range(5):
            rows, version = self._read_pages(path, name, params)
            if version:
                return iter(rows)
        raise LicenceServiceError(Trouble.RETRY, 0, "the list changes faster than it can be read")

    def _read_pages(self, path: str, name: str, params: dict[str, str]) -> tuple[list[dict[str, Any]], bool]:
        rows: list[dict[str, Any]] = []
        version, page = None, 0
        for _ in range(MAX_PAGES):
            said = self._call("GET", path, params={**params, "pageIndex": str(page)})
            if version not in (None, said.get("versionId")):
                return [], False
            version = said.get("versionId", "")
            rows += [row for row in said.get(name, []) if isinstance(row, dict)]
            if "nextPageIndex" not in said:
                break
            page = int(said["nextPageIndex"])
        return rows, True

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, params: dict[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, json=body, params=params)
            said = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise LicenceServiceError(Trouble.RETRY, 0, f"{type(error).__name__}") from error
        after = answer.headers.get("retry-after", "")
        wait = float(after) if after.isdigit() else None
        # An error may come with 200: the number decides, not the status.
        if isinstance(said, dict) and "errorNumber" in said:
            number = int(said["errorNumber"])
            raise LicenceServiceError(_trouble(number, answer.status_code), number, str(said.get("errorMessage", "")), wait)
        if answer.status_code >= 400 or not isinstance(said, dict):
            raise LicenceServiceError(_trouble(0, answer.status_code), 0, f"HTTP {answer.status_code}", wait)
        return said


def _failures(said: dict[str, Any], adam_id: int, serials: Sequence[str]) -> list[Failure]:
    """What an event did not do. One that failed and names no tablet has failed for all: nothing was given for sure."""
    named = said.get("failures") or []
    if said.get("eventStatus") != "COMPLETE" and not named:
        return [Failure(0, adam_id, serial) for serial in serials]
    failures = []
    for each in named:
        number, serial = int(each.get("errorNumber", 0)), str(each.get("serialNumber", ""))
        if number not in _ALREADY:
            failures += [Failure(number, adam_id, one) for one in ([serial] if serial else serials)]
    return failures


def _trouble(number: int, status: int) -> Trouble:
    if number in _TOKEN or (status == 401 and number == 0):
        return Trouble.TOKEN
    if number in _RETRY or (number == 0 and (status == 429 or status >= 500)):
        return Trouble.RETRY
    return Trouble.PERMANENT


def _instant(said: dict[str, Any]) -> datetime | None:
    try:
        text = str(said.get("tokenExpirationDate", ""))
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except ValueError:
        return None
