"""ID tokens that are not for us, of another time, or of another key; groups and the roles that they give. No network."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from cartable.errors import DomainError
from cartable.scope import Role
from mdm.accounts.oidc import rules
from mdm.accounts.oidc.errors import ClocksDiffer, ForeignToken, UnverifiableToken
from mdm.accounts.oidc.models import IdentityProvider, ProviderRole
from mdm.accounts.oidc.rules import Discovery

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ISSUER, CLIENT, NONCE = "https://login.valmont.example", "cartable", "the nonce"
PROVIDER = IdentityProvider(name="Valmont", issuer=ISSUER, client_id=CLIENT, scopes="openid", claim="groups")
KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


def _publish(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


KEY_SET = {"keys": [_publish(OTHER_KEY, "old"), _publish(KEY, "now")]}


def _claims(**changes: object) -> dict[str, object]:
    instant = int(NOW.timestamp())
    claims = {"iss": ISSUER, "sub": "ada", "aud": CLIENT, "iat": instant, "exp": instant + 300, "nonce": NONCE, **changes}
    return {name: value for name, value in claims.items() if value is not None}


def _verify(claims: dict[str, object], *, key: Any = KEY, algorithm: str = "RS256", kid: str | None = "now") -> object:
    token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else {})
    return rules.verify_id_token(token, KEY_SET, PROVIDER, NONCE, NOW)


def test_a_good_token_tells_who_it_is_about() -> None:
    assert _verify(_claims())["sub"] == "ada"  # type: ignore[index]
    assert _verify(_claims(aud=[CLIENT, "another"], azp=CLIENT))
    assert _verify(_claims(iat=int(NOW.timestamp()) + 100)), "two clocks may differ a little"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"aud": "another client"}, ForeignToken),
        ({"aud": [CLIENT, "another"]}, ForeignToken),
        ({"aud": [CLIENT, "another"], "azp": "another"}, ForeignToken),
        ({"azp": "another"}, ForeignToken),
        ({"iss": "https://evil.example"}, ForeignToken),
        ({"iss": ISSUER + "/"}, ForeignToken),
        ({"nonce": "of another sign-in"}, UnverifiableToken),
        ({"nonce": None}, UnverifiableToken),
        ({"sub": None}, UnverifiableToken),
        ({"exp": None}, UnverifiableToken),
        ({"exp": "soon"}, UnverifiableToken),
        ({"iat": int(NOW.timestamp()) + 200}, ClocksDiffer),
        ({"nbf": int(NOW.timestamp()) + 200}, ClocksDiffer),
        ({"exp": int(NOW.timestamp()) - 200}, ClocksDiffer),
    ],
)
def test_other_tokens_are_refused_each_for_its_reason(changes: dict[str, object], refusal: type[DomainError]) -> None:
    with pytest.raises(refusal) as caught:
        _verify(_claims(**changes))
    assert caught.value.details["name"] == "Valmont"


def test_only_a_key_of_the_provider_signs() -> None:
    head, body, _ = jwt.encode(_claims(), "x" * 64, algorithm="HS256", headers={"kid": "now"}).split(".")
    attempts: list[Callable[[], object]] = [
        lambda: _verify(_claims(), key=OTHER_KEY),
        lambda: _verify(_claims(), kid="unknown"),
        lambda: _verify(_claims(), kid=None),
        lambda: _verify(_claims(), key=None, algorithm="none"),
        lambda: rules.verify_id_token(f"{head}.{body}.", KEY_SET, PROVIDER, NONCE, NOW),
        lambda: rules.verify_id_token("nonsense", KEY_SET, PROVIDER, NONCE, NOW),
        lambda: rules.verify_id_token(jwt.encode(_claims(), KEY, "RS256"), {"keys": []}, PROVIDER, NONCE, NOW),
        lambda: rules.verify_id_token(
            jwt.encode(_claims(), KEY, "RS256", headers={"kid": "now"}), {"keys": "none"}, PROVIDER, NONCE, NOW
        ),
    ]
    for attempt in attempts:
        with pytest.raises(UnverifiableToken):
            attempt()


def test_the_way_to_the_provider_carries_state_nonce_and_the_challenge_of_pkce() -> None:
    discovery = Discovery(f"{ISSUER}/authorize?tenant=1", f"{ISSUER}/token", f"{ISSUER}/jwks", None, ())
    # The verifier and challenge of RFC 7636, appendix B.
    url = rules.build_authorization_url(
        discovery, PROVIDER, "https://mdm.test/sign-in/callback", state="s", nonce="n", forces_sign_in=False,
        verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    )  # fmt: skip
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert query == {
        "tenant": "1", "response_type": "code", "client_id": CLIENT, "redirect_uri": "https://mdm.test/sign-in/callback",
        "scope": "openid", "state": "s", "nonce": "n", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claims", "claim", "groups"),
    [
        ({"groups": ["a", "b", 3]}, "groups", {"a", "b"}),
        ({"groups": "a"}, "groups", {"a"}),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", {"a"}),
        ({"https://x.example/groups": ["a"]}, "https://x.example/groups", {"a"}),
        ({"groups": {"a": 1}}, "groups", set()),
        ({}, "groups", set()),
        ({"a": "b"}, "a.b.c", set()),
    ],
)
def test_groups_are_read_from_a_list_a_text_or_a_claim_within_a_claim(
    claims: dict[str, Any], claim: str, groups: set[str]
) -> None:
    assert rules.read_groups(claims, claim) == groups


def test_groups_give_the_roles_that_are_mapped() -> None:
    school_id = uuid4()
    mappings = [
        ProviderRole(claim_value="desk", role=Role.HELPDESK),
        ProviderRole(claim_value="heads", role=Role.HEAD, school_id=school_id),
        ProviderRole(claim_value="Desk", role=Role.TOWN_ADMIN),
    ]
    assert rules.map_roles({"desk", "heads", "x"}, mappings) == {(Role.HELPDESK, None), (Role.HEAD, school_id)}
