"""Checks of an ID token (OpenID Connect Core, section 3.1.3.7), and which roles its claims give. Pure.

The cryptography is that of the library `jwt`. Times are checked here, against the clock of the unit of work.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import jwt

from cartable.scope import Role
from mdm.accounts.oidc.errors import ClocksDiffer, ForeignToken, UnverifiableToken
from mdm.accounts.oidc.models import IdentityProvider, ProviderRole

#: Only signatures by a key that the provider alone has.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
#: Seconds by which two clocks may differ.
CLOCK_SKEW = 120
_OWN_TIME_CHECKS = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": ["iss", "sub", "aud", "exp", "iat"]}


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a provider publishes of itself (OpenID Connect Discovery, section 3), as far as it is used."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    token_auth_methods: tuple[str, ...]


def build_authorization_url(
    discovery: Discovery,
    provider: IdentityProvider,
    redirect_uri: str,
    *,
    state: str,
    nonce: str,
    verifier: str,
    forces_sign_in: bool,
) -> str:
    """Return the address to which the browser goes: the authorisation code flow with PKCE (RFC 7636)."""
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    parameters = {
        "response_type": "code", "client_id": provider.client_id, "redirect_uri": redirect_uri, "scope": provider.scopes, "state": state,
        "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256", **({"prompt": "login"} if forces_sign_in else {}),
    }  # fmt: skip
    return f"{discovery.authorization_endpoint}{'&' if '?' in discovery.authorization_endpoint else '?'}{urlencode(parameters)}"


def verify_id_token(
    token: str, key_set: Mapping[str, Any], provider: IdentityProvider, nonce: str, now: datetime
) -> Mapping[str, Any]:
    """Return the claims of an ID token. Raises `UnverifiableToken`, `ForeignToken`, `ClocksDiffer`."""
    try:
        key = _find_key(token, key_set)
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=ALGORITHMS, audience=provider.client_id, issuer=provider.issuer, options=_OWN_TIME_CHECKS  # type: ignore[arg-type]
        )  # fmt: skip
    except (jwt.InvalidAudienceError, jwt.InvalidIssuerError) as error:
        raise ForeignToken(name=provider.name) from error
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise UnverifiableToken(name=provider.name) from error
    is_for_several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (is_for_several or "azp" in claims) and claims.get("azp") != provider.client_id:
        raise ForeignToken(name=provider.name)
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise UnverifiableToken(name=provider.name)
    _check_times(claims, provider, now)
    return claims


def _find_key(token: str, key_set: Mapping[str, Any]) -> jwt.PyJWK:
    """Return the key that a token names; when it names none, the only one. Raises `jwt.PyJWTError`."""
    header = jwt.get_unverified_header(token)
    keys = [key for key in jwt.PyJWKSet.from_dict(dict(key_set)).keys if key.public_key_use in (None, "sig")]
    matching = [key for key in keys if key.key_id == header["kid"]] if "kid" in header else keys
    if len(matching) != 1:
        raise jwt.InvalidKeyError("no such key")
    return matching[0]


def _check_times(claims: Mapping[str, Any], provider: IdentityProvider, now: datetime) -> None:
    instant = now.timestamp()
    try:
        issued, expires, begins = (float(claims.get(name, instant)) for name in ("iat", "exp", "nbf"))
    except (TypeError, ValueError) as error:
        raise UnverifiableToken(name=provider.name) from error
    too_early, too_late = max(issued, begins) - instant, instant - expires
    if max(too_early, too_late) > CLOCK_SKEW:
        raise ClocksDiffer(name=provider.name, seconds=int(max(too_early, too_late)))


def read_groups(claims: Mapping[str, Any], claim: str) -> set[str]:
    """Return the groups in a claim: a list of texts, or one text. A dot leads into a claim within a claim."""
    value: Any = claims
    for part in [claim] if claim in claims else claim.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    values = value if isinstance(value, list) else [value]
    return {each for each in values if isinstance(each, str)}


def map_roles(groups: set[str], mappings: Iterable[ProviderRole]) -> set[tuple[Role, UUID | None]]:
    """Return the roles, each with its school or for the whole town, that groups give."""
    return {(row.role, row.school_id) for row in mappings if row.claim_value in groups}
