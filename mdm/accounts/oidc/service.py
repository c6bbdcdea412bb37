"""Sign-in at a provider, from the first redirect to the session: the authorisation code flow with PKCE.

The provider is asked outside any transaction. No account is found by its e-mail: who has one links it from inside. See
docs/domain/roles.md#sign-in-elsewhere.
"""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from cartable import audit
from cartable.crypto import DecryptionError, Keyring
from cartable.errors import NotFound
from cartable.i18n import DEFAULT_LANGUAGE
from cartable.ids import new_id
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.accounts import roles, second_factors, sessions
from mdm.accounts.errors import AccountDisabled
from mdm.accounts.models import Account, SessionKind
from mdm.accounts.oidc import rules
from mdm.accounts.oidc.client import ProviderClient, clean_reason
from mdm.accounts.oidc.errors import IdentityTaken, NoRoleAtProvider, ProviderRefusal, SignInNotBegun, UnverifiableToken
from mdm.accounts.oidc.models import ExternalIdentity, IdentityProvider
from mdm.accounts.oidc.repository import ProviderRepository
from mdm.accounts.passwords import NO_PASSWORD
from mdm.accounts.repository import AccountRepository
from mdm.accounts.sessions import SignedIn
from mdm.accounts.sign_in_limits import SignInClient

CALLBACK_PATH = "/sign-in/callback"
#: How long a person may take at the provider.
BEGUN_LIFETIME = timedelta(minutes=10)
_PURPOSE = "oidc.begun"


@dataclass(frozen=True, slots=True)
class BegunSignIn:
    """A sign-in that was begun. It travels sealed in a cookie of the browser, so that no other browser can end it.

    `link_session_id` is the session of a person who links the own account; empty for a sign-in.
    """

    provider_id: str
    state: str
    nonce: str
    verifier: str
    then: str
    link_session_id: str
    expires_at: float


class FinishedSignIn(NamedTuple):
    """The session of a person who has signed in at a provider, or None when an account was linked; and where to go on."""

    signed_in: SignedIn | None
    then: str


def begin_sign_in(runtime: Runtime, provider_id: UUID, then: str, link_session_id: UUID | None = None) -> tuple[str, str]:
    """Return the address of the provider to which the browser goes, and the value of the cookie that waits for its answer.

    Raises `NotFound`, `ProviderUnreachable`, `ProviderMismatch`.
    """
    provider = _load_active_provider(runtime, provider_id)
    with ProviderClient(provider, allow_private=runtime.settings.allow_private_addresses) as client:
        discovery = client.fetch_discovery()
    begun = BegunSignIn(
        str(provider.id), secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), then,
        str(link_session_id or ""), (runtime.clock.now() + BEGUN_LIFETIME).timestamp(),
    )  # fmt: skip
    url = rules.build_authorization_url(
        discovery, provider, _get_redirect_uri(runtime), state=begun.state, nonce=begun.nonce, verifier=begun.verifier,
        forces_sign_in=link_session_id is not None,
    )  # fmt: skip
    return url, _seal(runtime.keyring, begun)


def finish_sign_in(runtime: Runtime, cookie: str, answer: Mapping[str, str], client: SignInClient) -> FinishedSignIn:
    """Check the answer of a provider, and sign the person in or link the account. A refusal leaves nothing behind.

    Raises `SignInNotBegun`, `ProviderRefusal`, `ProviderUnreachable`, `ProviderMismatch`, `ForeignToken`, `UnverifiableToken`,
    `ClocksDiffer`, `NoRoleAtProvider`, `AccountDisabled`, `IdentityTaken`.
    """
    begun = _open(runtime, cookie)
    if begun is None or not hmac.compare_digest(answer.get("state", "").encode(), begun.state.encode()):
        raise SignInNotBegun
    provider = _load_active_provider(runtime, UUID(begun.provider_id))
    if answer.get("iss", provider.issuer) != provider.issuer:  # RFC 9207: the answer of another provider
        raise SignInNotBegun
    if "error" in answer or "code" not in answer:
        raise ProviderRefusal(name=provider.name, reason=clean_reason(answer.get("error", "no code")))
    claims = _fetch_claims(runtime, provider, begun, answer["code"])
    with runtime.open_unit_of_work() as work:
        if begun.link_session_id:
            _link_account(work, provider, claims, UUID(begun.link_session_id))
            return FinishedSignIn(None, begun.then)
        return FinishedSignIn(_sign_in(work, provider, claims, client), begun.then)


def _fetch_claims(runtime: Runtime, provider: IdentityProvider, begun: BegunSignIn, code: str) -> Mapping[str, Any]:
    """Return what the provider says of the person: the verified ID token, and the user info where groups are only there."""
    with ProviderClient(provider, allow_private=runtime.settings.allow_private_addresses) as client:
        discovery = client.fetch_discovery()
        tokens = client.exchange_code(discovery, code[:4000], begun.verifier, _get_redirect_uri(runtime))
        key_set = client.fetch_keys(discovery)
        claims = rules.verify_id_token(tokens["id_token"], key_set, provider, begun.nonce, runtime.clock.now())
        if rules.read_groups(claims, provider.claim) or not isinstance(tokens.get("access_token"), str):
            return claims
        user_info = client.fetch_user_info(discovery, tokens["access_token"])
    if user_info and user_info.get("sub") != claims["sub"]:
        raise UnverifiableToken(name=provider.name)
    return {**user_info, **claims}


def _sign_in(work: UnitOfWork, provider: IdentityProvider, claims: Mapping[str, Any], client: SignInClient) -> SignedIn:
    subject = str(claims["sub"])[:255]
    repository = ProviderRepository(work.session)
    row = repository.get_identity(provider.id, subject)
    mapped = rules.map_roles(rules.read_groups(claims, provider.claim), repository.list_roles([provider.id]))
    if row is None:
        if not mapped:
            raise NoRoleAtProvider(name=provider.name)
        identity, account = _create_account(work, provider, subject, claims)
    else:
        identity, account = row
    if not account.active:
        raise AccountDisabled
    roles.replace_provider_roles(work, account, provider.id, provider.town_id, mapped)
    if not AccountRepository(work.session).list_roles(account.id, work.now):
        raise NoRoleAtProvider(name=provider.name)
    identity.last_sign_in_at = work.now
    audit.record_event(
        work, SYSTEM, "account.sign_in_elsewhere", "account", account.id, town_id=None, provider_id=str(provider.id)
    )
    has_factor = bool(second_factors.get_overview(work, account).count)
    return sessions.sign_in_account(work, account, SessionKind.CONSOLE, client, has_factor=has_factor)


def _create_account(
    work: UnitOfWork, provider: IdentityProvider, subject: str, claims: Mapping[str, Any]
) -> tuple[ExternalIdentity, Account]:
    """Create the account of a person who comes for the first time. Its login is nobody's e-mail, so that it can be no other account."""
    account_id = new_id()
    audit.record_event(
        work, SYSTEM, "account.create_elsewhere", "account", account_id, town_id=provider.town_id, provider_id=str(provider.id)
    )
    name = str(claims.get("name") or claims.get("preferred_username") or provider.name)[:200]
    email = str(claims.get("email", ""))[:200] if claims.get("email_verified") is True else None
    account = Account(
        id=account_id, login=f"{account_id.hex[:12]}@{provider.id.hex[:12]}", display_name=name, email=email or None,
        language=DEFAULT_LANGUAGE.code, password_hash=NO_PASSWORD, must_change_password=False, active=True, created_at=work.now,
    )  # fmt: skip
    work.session.add(account)
    work.session.flush()
    return _add_identity(work, provider, account, subject), account


def _link_account(work: UnitOfWork, provider: IdentityProvider, claims: Mapping[str, Any], session_id: UUID) -> None:
    """Link the account of an open session with the person at the provider. Raises `SignInNotBegun`, `IdentityTaken`."""
    account = AccountRepository(work.session).get_account_of_open_session(session_id, work.now)
    if account is None:
        raise SignInNotBegun
    subject = str(claims["sub"])[:255]
    row = ProviderRepository(work.session).get_identity(provider.id, subject)
    if row is not None and row[1].id != account.id:
        raise IdentityTaken(name=provider.name)
    if row is None:
        audit.record_event(
            work, SYSTEM, "account.link_identity", "account", account.id, town_id=None, provider_id=str(provider.id)
        )
        account.factors_changed_at = work.now
        _add_identity(work, provider, account, subject)


def _add_identity(work: UnitOfWork, provider: IdentityProvider, account: Account, subject: str) -> ExternalIdentity:
    identity = ExternalIdentity(provider_id=provider.id, account_id=account.id, subject=subject, linked_at=work.now)
    work.session.add(identity)
    work.session.flush()
    return identity


def _load_active_provider(runtime: Runtime, provider_id: UUID) -> IdentityProvider:
    with runtime.open_unit_of_work() as work:
        provider = ProviderRepository(work.session).get(provider_id)
        if provider is None or not provider.active:
            raise NotFound
        work.session.expunge(provider)
        return provider


def _get_redirect_uri(runtime: Runtime) -> str:
    return runtime.settings.public_url + CALLBACK_PATH


def _seal(keyring: Keyring, begun: BegunSignIn) -> str:
    return urlsafe_b64encode(keyring.seal(json.dumps(asdict(begun)).encode(), _PURPOSE)).decode()


def _open(runtime: Runtime, cookie: str) -> BegunSignIn | None:
    """Return the sign-in that a cookie is about; None when this server has not sealed it, or it is too old."""
    try:
        begun = BegunSignIn(**json.loads(runtime.keyring.open(urlsafe_b64decode(cookie.encode()), _PURPOSE)))
    except (ValueError, DecryptionError):
        return None
    return begun if runtime.clock.now().timestamp() < begun.expires_at else None
