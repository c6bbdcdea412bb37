"""The client of Apple's ADE service: sessions, requests, errors. What the responses contain is parsed in `parsing`."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cartable.http_client import DEFAULT_RETRY_AFTER, ApiClient, HttpResponse
from enrollment.joining.ade import oauth, parsing
from enrollment.joining.ade.ports import AdeAccount, AdeError, AdeErrorKind, AssignmentResults, DevicePage, DeviceResult

PROTOCOL_VERSION = "8"
REALM = "ADM"
_SESSION_HEADER = "X-ADM-Auth-Session"


class AdeClient(ApiClient):
    """The client of one server token. Its session is renewed from every response, so only one worker may use a token at a time.

    `sync_lease.SyncLease` ensures that.
    """

    def __init__(self, token: oauth.TokenSecrets, base_url: str, now: Callable[[], datetime]) -> None:
        super().__init__(base_url, now, headers={"X-Server-Protocol-Version": PROTOCOL_VERSION})
        self._base_url, self._token = base_url.rstrip("/"), token
        self._assign_method = "PUT"

    def get_account(self) -> AdeAccount:
        return parsing.parse_account(self._request_json("GET", "/account"))

    def fetch_devices(self, cursor: str | None, limit: int) -> DevicePage:
        start = {} if cursor is None else {"cursor": cursor}
        return parsing.parse_page(self._send_json("POST", "/server/devices", {"limit": limit, **start}))

    def sync_devices(self, cursor: str, limit: int) -> DevicePage:
        return parsing.parse_page(self._send_json("POST", "/devices/sync", {"limit": limit, "cursor": cursor}))

    def define_profile(self, profile: Mapping[str, Any]) -> str:
        uuid = self._send_json("POST", "/profile", profile).get("profile_uuid")
        if not isinstance(uuid, str) or not 1 <= len(uuid) <= 64:
            raise AdeError(AdeErrorKind.RETRY, "a profile without its UUID")
        return uuid

    def assign_profile(self, profile_uuid: str, serials: Sequence[str]) -> AssignmentResults:
        """Assign a profile by PUT, or by POST once PUT was refused: the service has always accepted PUT, Apple documents POST."""
        body = {"profile_uuid": profile_uuid, "devices": list(serials)}
        try:
            return parsing.parse_assignment_results(self._send_json(self._assign_method, "/profile/devices", body))
        except AdeError as error:
            if error.kind is not AdeErrorKind.METHOD or self._assign_method == "POST":
                raise
        self._assign_method = "POST"
        return parsing.parse_assignment_results(self._send_json("POST", "/profile/devices", body))

    def enable_activation_lock(self, serial: str, escrow_key: str | None, message: str) -> DeviceResult:
        body: dict[str, Any] = {"device": serial, "lost_message": message}
        if escrow_key is not None:
            body["escrow_key"] = escrow_key
        status = self._send_json("POST", "/device/activationlock", body).get("response_status")
        return next((result for result in DeviceResult if result == status), DeviceResult.FAILED)

    def _send_json(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json;charset=UTF8"}
        return self._request_json(method, path, headers=headers, content=json.dumps(body).encode())

    def _fetch_credentials(self) -> Mapping[str, str]:
        """Open a session by a signed request."""
        authorization = oauth.build_authorization_header(
            self._token,
            "GET",
            self._base_url + "/session",
            realm=REALM,
            timestamp=int(self._now().timestamp()),
            nonce=secrets.token_hex(16),
        )
        response = self._send("GET", "/session", headers={"Authorization": authorization})
        if response.status >= 300:
            raise self._describe_error(parsing.classify_error(response.status, response.body, at_session=True), response)
        session = self._parse_json(response).get("auth_session_token")
        if not isinstance(session, str) or not session.isascii() or not 1 <= len(session) <= 2048:
            raise AdeError(AdeErrorKind.RETRY, "a session without its token")
        return {_SESSION_HEADER: session}

    def _send_authenticated(self, method: str, path: str, **request: Any) -> HttpResponse:
        response = super()._send_authenticated(method, path, **request)
        renewed = response.headers.get(_SESSION_HEADER)
        if renewed:
            self._credentials = {_SESSION_HEADER: renewed}
        return response

    def _are_credentials_refused(self, response: HttpResponse) -> bool:
        error = self._build_error(response)
        return error is not None and error.kind is AdeErrorKind.SESSION

    def _build_error(self, response: HttpResponse) -> AdeError | None:
        if response.status < 300:
            return None
        return self._describe_error(parsing.classify_error(response.status, response.body), response)

    def _build_temporary_error(self, message: str) -> AdeError:
        return AdeError(AdeErrorKind.RETRY, message)

    def _describe_error(self, kind: AdeErrorKind, response: HttpResponse) -> AdeError:
        retry_after = self._get_retry_after(response)
        if retry_after is None and response.status == 429:
            retry_after = DEFAULT_RETRY_AFTER
        message = f"HTTP {response.status} {parsing.extract_error_code(response.body)}".strip()
        return AdeError(kind, message, retry_after)
