"""The real adapter: Apple's device-assignment service over HTTPS, with its session (school-services.md sections A.2 to A.4)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx

from cartable.http_client import TIMEOUT, HttpResponse, Unreachable, parse_retry_after, send_request
from enrollment.joining.ade import oauth, parsing
from enrollment.joining.ade.ports import Account, Assigned, AssignmentError, Page, Result, Trouble

APPLE = "https://mdmenrollment.apple.com"
PROTOCOL = "8"
AGENT = "Cartable/0.1"
REALM = "ADM"
#: Seconds to wait when the service is overrun and does not say for how long.
PAUSE = 60.0
_SESSION = "X-ADM-Auth-Session"


class DeviceAssignment:
    """One server token. Its session lives as long as this object, is renewed from every answer, and is used by one talk at a
    time: `service.synchronise` sees to that.
    """

    def __init__(self, token: oauth.Secrets, base_url: str, now: Callable[[], datetime]) -> None:
        agent = {"User-Agent": AGENT, "X-Server-Protocol-Version": PROTOCOL}
        self._http = httpx.Client(base_url=base_url, timeout=TIMEOUT, headers=agent)
        self._token, self._now = token, now
        self._session: str | None = None
        self._assign_by = "PUT"

    def close(self) -> None:
        self._http.close()

    def account(self) -> Account:
        return parsing.account_of(self._call("GET", "/account"))

    def fetch(self, cursor: str | None, limit: int) -> Page:
        start = {} if cursor is None else {"cursor": cursor}
        return parsing.page_of(self._call("POST", "/server/devices", {"limit": limit, **start}))

    def sync(self, cursor: str, limit: int) -> Page:
        return parsing.page_of(self._call("POST", "/devices/sync", {"limit": limit, "cursor": cursor}))

    def define(self, profile: Mapping[str, Any]) -> str:
        uuid = self._call("POST", "/profile", dict(profile)).get("profile_uuid")
        if not isinstance(uuid, str) or not 1 <= len(uuid) <= 64:
            raise AssignmentError(Trouble.RETRY, "a profile without its UUID")
        return uuid

    def assign(self, profile_uuid: str, serials: Sequence[str]) -> Assigned:
        """PUT is what the service has always known, POST what its newer documentation says: what works is kept."""
        body = {"profile_uuid": profile_uuid, "devices": list(serials)}
        try:
            return parsing.assigned_of(self._call(self._assign_by, "/profile/devices", body))
        except AssignmentError as error:
            if error.trouble is not Trouble.METHOD or self._assign_by == "POST":
                raise
        self._assign_by = "POST"
        return parsing.assigned_of(self._call("POST", "/profile/devices", body))

    def lock(self, serial: str, escrow_key: str | None, message: str) -> Result:
        body: dict[str, Any] = {"device": serial, "lost_message": message}
        if escrow_key is not None:
            body["escrow_key"] = escrow_key
        said = self._call("POST", "/device/activationlock", body)
        return next((each for each in Result if each == said.get("response_status")), Result.FAILED)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request with a session; when that has ended, one more with a new one."""
        answer = self._send(method, path, body)
        if self._refusal(answer) is Trouble.SESSION:
            self._session = None
            answer = self._send(method, path, body)
        trouble = self._refusal(answer)
        if trouble is not None:
            raise self._error(trouble, answer)
        return parsing.json_of(answer.body)

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> HttpResponse:
        session = self._session or self._open()
        headers = {_SESSION: session}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json;charset=UTF8"
            content = json.dumps(body).encode()
        answer = self._exchange(method, path, headers=headers, content=content)
        self._session = answer.headers.get(_SESSION) or session
        return answer

    def _open(self) -> str:
        """A new session, by a signed request."""
        signed = oauth.authorization(
            self._token,
            "GET",
            str(self._http.base_url).rstrip("/") + "/session",
            realm=REALM,
            timestamp=int(self._now().timestamp()),
            nonce=secrets.token_hex(16),
        )
        answer = self._exchange("GET", "/session", headers={"Authorization": signed})
        if answer.status >= 300:
            trouble = parsing.trouble_of(answer.status, answer.body, at_session=True)
            raise self._error(trouble, answer)
        token = parsing.json_of(answer.body).get("auth_session_token")
        if not isinstance(token, str) or not token.isascii() or not 1 <= len(token) <= 2048:
            raise AssignmentError(Trouble.RETRY, "a session without its token")
        return token

    def _exchange(self, method: str, path: str, **request: Any) -> HttpResponse:
        try:
            return send_request(self._http, method, path, **request)
        except Unreachable as error:
            raise AssignmentError(Trouble.RETRY, str(error)) from error

    def _refusal(self, answer: HttpResponse) -> Trouble | None:
        return None if answer.status < 300 else parsing.trouble_of(answer.status, answer.body)

    def _error(self, trouble: Trouble, answer: HttpResponse) -> AssignmentError:
        wait = parse_retry_after(answer.headers, self._now())
        if wait is None and answer.status == 429:
            wait = PAUSE
        return AssignmentError(trouble, f"HTTP {answer.status} {parsing.word_of(answer.body)}".strip(), wait)
