"""The HTTP side of a provider: discovery, the token for a code, keys, user info. No database.

Each call reads everything anew: a provider changes its keys when it likes, and people sign in seldom.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote

import httpx

from cartable.http_client import HttpResponse, Unreachable, parse_json_object, send_request
from cartable.outgoing import UnsafeAddress, check_address, open_client
from mdm.accounts.oidc.errors import ProviderMismatch, ProviderRefusal, ProviderUnreachable
from mdm.accounts.oidc.models import IdentityProvider
from mdm.accounts.oidc.rules import Discovery


class ProviderClient:
    """One conversation with a provider. Use it as a context manager."""

    def __init__(self, provider: IdentityProvider, *, allow_private: bool) -> None:
        self._provider, self._allow_private = provider, allow_private
        self._http = open_client(allow_private=allow_private)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def fetch_discovery(self) -> Discovery:
        """Return what the provider publishes of itself. Raises `ProviderUnreachable`, `ProviderMismatch`."""
        document = self._get_json(f"{self._provider.issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self._provider.issuer:
            raise ProviderMismatch(name=self._provider.name)
        methods = document.get("token_endpoint_auth_methods_supported")
        userinfo = document.get("userinfo_endpoint")
        return Discovery(
            self._read_address(document, "authorization_endpoint"),
            self._read_address(document, "token_endpoint"),
            self._read_address(document, "jwks_uri"),
            self._read_address(document, "userinfo_endpoint") if userinfo else None,
            tuple(str(each) for each in methods) if isinstance(methods, list) else ("client_secret_basic",),
        )

    def exchange_code(self, discovery: Discovery, code: str, verifier: str, redirect_uri: str) -> Mapping[str, Any]:
        """Return the tokens for a code. Raises `ProviderUnreachable`, `ProviderRefusal`."""
        provider = self._provider
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        auth: httpx.BasicAuth | None = None
        if provider.client_secret and "client_secret_basic" in discovery.token_auth_methods:
            auth = httpx.BasicAuth(quote(provider.client_id, safe=""), quote(provider.client_secret, safe=""))
        else:
            form |= {
                "client_id": provider.client_id,
                **({"client_secret": provider.client_secret} if provider.client_secret else {}),
            }
        response = self._send("POST", discovery.token_endpoint, data=form, auth=auth, headers={"Accept": "application/json"})
        document = parse_json_object(response.body)
        if response.status in (400, 401, 403):
            raise ProviderRefusal(name=provider.name, reason=clean_reason(str((document or {}).get("error", response.status))))
        if response.status != 200 or document is None or not isinstance(document.get("id_token"), str):
            raise ProviderUnreachable(name=provider.name)
        return document

    def fetch_keys(self, discovery: Discovery) -> Mapping[str, Any]:
        """Return the key set of the provider. Raises `ProviderUnreachable`."""
        return self._get_json(discovery.jwks_uri)

    def fetch_user_info(self, discovery: Discovery, access_token: str) -> Mapping[str, Any]:
        """Return the claims that are not in the ID token; none where the provider has no such address. Raises `ProviderUnreachable`."""
        if discovery.userinfo_endpoint is None:
            return {}
        return self._get_json(discovery.userinfo_endpoint, headers={"Authorization": f"Bearer {access_token}"})

    def _read_address(self, document: Mapping[str, Any], name: str) -> str:
        address = str(document.get(name, ""))
        try:
            check_address(address, allow_private=self._allow_private)
        except UnsafeAddress as error:
            raise ProviderUnreachable(name=self._provider.name) from error
        return address

    def _get_json(self, url: str, **options: Any) -> dict[str, Any]:
        response = self._send("GET", url, **options)
        document = parse_json_object(response.body)
        if response.status != 200 or not document:
            raise ProviderUnreachable(name=self._provider.name)
        return document

    def _send(self, method: str, url: str, **options: Any) -> HttpResponse:
        try:
            return send_request(self._http, method, url, **options)
        except Unreachable as error:
            raise ProviderUnreachable(name=self._provider.name) from error


def clean_reason(text: str) -> str:
    """Return an error code of a provider as it may be shown: its letters alone."""
    return "".join(character for character in text[:60] if character.isascii() and (character.isalnum() or character in "_-"))
