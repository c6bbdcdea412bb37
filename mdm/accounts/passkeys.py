"""Passkeys (WebAuthn): challenges, registration, assertions. The cryptography is that of the library `webauthn`. Never commits."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from cartable import audit
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.accounts.errors import PasskeyRefused
from mdm.accounts.factor_repository import FactorRepository
from mdm.accounts.models import Account, AccountSession, Passkey
from mdm.accounts.repository import AccountRepository

#: How long a person may take to touch the key.
CHALLENGE_LIFETIME = timedelta(minutes=10)
MAX_ANSWER_LENGTH = 20_000
#: The library refuses damaged answers with its own errors, and the worst with those of the parsers below it.
_ERRORS = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError)


def begin_registration(work: UnitOfWork, account: Account, session: AccountSession) -> str:
    """Return the options, as JSON, with which a browser makes a passkey. The challenge waits in the session."""
    options = generate_registration_options(
        rp_id=_get_host(work),
        rp_name=work.settings.organisation,
        user_name=account.login,
        user_id=account.id.bytes,
        user_display_name=account.display_name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=_list_descriptors(work, account),
    )
    _store_challenge(work, session, options.challenge)
    return options_to_json(options)


def finish_registration(work: UnitOfWork, account: Account, session: AccountSession, name: str, answer: str) -> Passkey:
    """Store the passkey that a browser has made, and return it. Raises `PasskeyRefused`."""
    challenge = _take_challenge(work, session)
    credential = _parse_answer(answer)
    if challenge is None or credential is None:
        raise PasskeyRefused
    try:
        verified = verify_registration_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=_get_host(work), expected_origin=_get_origin(work)
        )
    except _ERRORS as error:
        raise PasskeyRefused from error
    credential_id = bytes_to_base64url(verified.credential_id)
    repository = FactorRepository(work.session)
    if len(credential_id) > 1400 or repository.get_passkey_by_credential(credential_id) is not None:
        raise PasskeyRefused
    audit.record_event(work, SYSTEM, "account.add_passkey", "account", account.id, town_id=None)
    row = Passkey(
        account_id=account.id, credential_id=credential_id, public_key=verified.credential_public_key, sign_count=verified.sign_count,
        name=name.strip()[:60] or "–", created_at=work.now,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    return row


def begin_assertion(work: UnitOfWork, account: Account, session: AccountSession) -> str | None:
    """Return the options, as JSON, with which a browser asks for a passkey of the account; None when it has none."""
    descriptors = _list_descriptors(work, account)
    if not descriptors:
        return None
    options = generate_authentication_options(rp_id=_get_host(work), allow_credentials=descriptors)
    _store_challenge(work, session, options.challenge)
    return options_to_json(options)


def verify_assertion(work: UnitOfWork, account: Account, session: AccountSession, answer: str) -> bool:
    """Return whether a passkey of the account has signed the challenge of the session. A challenge is answered once."""
    challenge = _take_challenge(work, session)
    credential = _parse_answer(answer)
    if challenge is None or credential is None:
        return False
    row = FactorRepository(work.session).get_passkey_by_credential(str(credential.get("id", ""))[:1400])
    if row is None or row.account_id != account.id:
        return False
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=_get_host(work),
            expected_origin=_get_origin(work),
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
        )
    except _ERRORS:
        return False
    row.sign_count, row.last_used_at = verified.new_sign_count, work.now
    return True


def _parse_answer(answer: str) -> dict[str, Any] | None:
    try:
        document = json.loads(answer[:MAX_ANSWER_LENGTH])
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _list_descriptors(work: UnitOfWork, account: Account) -> list[PublicKeyCredentialDescriptor]:
    rows = FactorRepository(work.session).list_passkeys(account.id)
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(row.credential_id)) for row in rows]


def _store_challenge(work: UnitOfWork, session: AccountSession, challenge: bytes) -> None:
    session.passkey_challenge = bytes_to_base64url(challenge)
    session.passkey_challenge_expires_at = work.now + CHALLENGE_LIFETIME


def _take_challenge(work: UnitOfWork, session: AccountSession) -> bytes | None:
    """Return the challenge that waits in the session, and forget it; None when there is none, or it is too old."""
    AccountRepository(work.session).lock_session(session)
    challenge, until = session.passkey_challenge, session.passkey_challenge_expires_at
    session.passkey_challenge = session.passkey_challenge_expires_at = None
    return base64url_to_bytes(challenge) if challenge and until is not None and work.now < until else None


def _get_host(work: UnitOfWork) -> str:
    """Return the name of the server, to which its passkeys belong for ever."""
    return urlsplit(work.settings.public_url).hostname or ""


def _get_origin(work: UnitOfWork) -> str:
    """Return the origin that browsers report: without the port that https has by itself."""
    parts = urlsplit(work.settings.public_url)
    return f"https://{parts.netloc.removesuffix(':443')}"
