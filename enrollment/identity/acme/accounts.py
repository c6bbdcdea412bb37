"""ACME accounts (RFC 8555 section 7.3): create, look up, change the key, deactivate. Never commits.

Anybody may have an account: what gives a right is the client identifier of an order.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import IntegrityError

from cartable.ids import new_id
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.acme import jws
from enrollment.identity.acme.documents import AcmeUrls
from enrollment.identity.acme.errors import AcmeProblem, AcmeProblemType
from enrollment.identity.acme.jws import SignedRequest
from enrollment.identity.acme.models import AcmeAccount
from enrollment.identity.acme.repository import AcmeRepository


def create_account(work: UnitOfWork, jwk: dict[str, Any], payload: dict[str, Any]) -> tuple[AcmeAccount, bool]:
    """Return the account of a key and whether it was created now. Contacts are not stored. Raises `AcmeProblem`."""
    repository = AcmeRepository(work.session)
    thumbprint = jws.compute_thumbprint(jwk)
    created = False
    if payload.get("onlyReturnExisting") is not True:
        account = AcmeAccount(id=new_id(), thumbprint=thumbprint, jwk=jwk, created_at=work.now)
        created = repository.create_account(account)
    stored = repository.get_account_by_key(thumbprint)
    if stored is None:
        raise AcmeProblem(AcmeProblemType.ACCOUNT_DOES_NOT_EXIST, "this key has no account")
    if stored.deactivated_at is not None:
        raise AcmeProblem(AcmeProblemType.DEACTIVATED, "this account is deactivated")
    return stored, created


def update_account(work: UnitOfWork, account: AcmeAccount, payload: dict[str, Any]) -> None:
    """Deactivate an account if the client requests it; other requests change nothing (RFC 8555 sections 7.3.2 and 7.3.6)."""
    if payload.get("status") == "deactivated":
        account.deactivated_at = work.now


def change_key(work: UnitOfWork, account: AcmeAccount, outer: SignedRequest, addresses: AcmeUrls) -> None:
    """Replace the key of an account (RFC 8555 section 7.3.5). Raises `AcmeProblem`."""
    inner = jws.parse_flattened_jws(outer.parse_payload())
    if inner.jwk is None or inner.nonce is not None or inner.url != outer.url:
        raise AcmeProblem(AcmeProblemType.MALFORMED, "the inner JWS has a jwk, the same url, and no nonce")
    new = jws.normalise_jwk(inner.jwk)
    jws.verify_signature(inner, new)
    payload = inner.parse_payload()
    old = payload.get("oldKey")
    if payload.get("account") != addresses.build_url("account", account.id) or not isinstance(old, dict):
        raise AcmeProblem(AcmeProblemType.MALFORMED, "account and oldKey")
    if jws.compute_thumbprint(jws.normalise_jwk(old)) != account.thumbprint:
        raise AcmeProblem(AcmeProblemType.MALFORMED, "oldKey is not the account's")
    thumbprint = jws.compute_thumbprint(new)
    holder = AcmeRepository(work.session).get_account_by_key(thumbprint)
    if holder is not None:
        raise AcmeProblem(
            AcmeProblemType.KEY_IN_USE, "this key has an account", location=addresses.build_url("account", holder.id)
        )
    account.jwk, account.thumbprint = new, thumbprint
    try:
        work.session.flush()
    except IntegrityError:
        raise AcmeProblem(AcmeProblemType.KEY_IN_USE, "another request has just created an account with this key") from None
