"""Verbs of accounts (RFC 8555 section 7.3): introduce a key, find it, change it, give it up. Anybody may have one: what counts
is the client identifier of an order.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import IntegrityError

from cartable.ids import new_id
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.acme import jws
from enrollment.identity.acme.documents import Addresses
from enrollment.identity.acme.errors import Kind, Problem
from enrollment.identity.acme.jws import Signed
from enrollment.identity.acme.models import AcmeAccount
from enrollment.identity.acme.repository import AcmeRepository


def introduce(work: UnitOfWork, jwk: dict[str, Any], asked: dict[str, Any]) -> tuple[AcmeAccount, bool]:
    """The account of a key, made now unless it has one; and whether it was made. Contacts are not kept. Raises `Problem`."""
    repository = AcmeRepository(work.session)
    thumbprint = jws.thumbprint(jwk)
    made = False
    if asked.get("onlyReturnExisting") is not True:
        account = AcmeAccount(id=new_id(), thumbprint=thumbprint, jwk=jwk, created_at=work.now)
        made = repository.introduce(account)
    found = repository.account_by_key(thumbprint)
    if found is None:
        raise Problem(Kind.ACCOUNT_DOES_NOT_EXIST, "this key has no account")
    if found.deactivated_at is not None:
        raise Problem(Kind.DEACTIVATED, "this account was given up")
    return found, made


def update(work: UnitOfWork, account: AcmeAccount, asked: dict[str, Any]) -> None:
    """Give an account up if the client says so; anything else changes nothing (RFC 8555 sections 7.3.2 and 7.3.6)."""
    if asked.get("status") == "deactivated":
        account.deactivated_at = work.now


def change_key(work: UnitOfWork, account: AcmeAccount, outer: Signed, addresses: Addresses) -> None:
    """Put a new key in the place of the account's (RFC 8555 section 7.3.5). Raises `Problem`."""
    inner = jws.take_apart(outer.document())
    if inner.jwk is None or inner.nonce is not None or inner.url != outer.url:
        raise Problem(Kind.MALFORMED, "the inner JWS has a jwk, the same url, and no nonce")
    new = jws.public_jwk(inner.jwk)
    jws.verify(inner, new)
    said = inner.document()
    old = said.get("oldKey")
    if said.get("account") != addresses.of("account", account.id) or not isinstance(old, dict):
        raise Problem(Kind.MALFORMED, "account and oldKey")
    if jws.thumbprint(jws.public_jwk(old)) != account.thumbprint:
        raise Problem(Kind.MALFORMED, "oldKey is not the account's")
    thumbprint = jws.thumbprint(new)
    holder = AcmeRepository(work.session).account_by_key(thumbprint)
    if holder is not None:
        raise Problem(Kind.KEY_IN_USE, "this key has an account", location=addresses.of("account", holder.id))
    account.jwk, account.thumbprint = new, thumbprint
    try:
        work.session.flush()
    except IntegrityError:
        raise Problem(Kind.KEY_IN_USE, "this key has just been given an account") from None
