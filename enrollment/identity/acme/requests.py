"""From a signed request to its answer: who asks, may the nonce be used, which verb (RFC 8555 sections 6.2 to 6.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.identity.acme import accounts, jws, nonces, service
from enrollment.identity.acme.documents import PEM_CHAIN, Addresses, Reply
from enrollment.identity.acme.errors import Kind, Problem
from enrollment.identity.acme.jws import Signed
from enrollment.identity.acme.models import AcmeAccount, AcmeOrder
from enrollment.identity.acme.repository import AcmeRepository


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose signature holds. `account` is there when it named one, else `jwk`, the key that signed."""

    work: UnitOfWork
    addresses: Addresses
    signed: Signed
    account: AcmeAccount | None
    jwk: dict[str, Any] | None
    target: UUID | None

    @property
    def holder(self) -> AcmeAccount:
        """The account. Raises `Problem` for a request that shows only a key."""
        if self.account is None:
            raise Problem(Kind.MALFORMED, "this is asked with kid, not with jwk")
        return self.account

    @property
    def document(self) -> dict[str, Any]:
        return self.signed.document()

    def order(self) -> AcmeOrder:
        """The order that the address names. Raises `Problem`."""
        return service.order_of(self.work, self.holder, self.named())

    def named(self) -> UUID:
        """What the address names. Raises `Problem`."""
        if self.target is None:
            raise Problem(Kind.NOT_FOUND, "there is nothing here")
        return self.target


Verb = Callable[[Asked], Reply]


def answer(work: UnitOfWork, path: str, body: bytes) -> Reply:
    """Answer one POST. A problem undoes what the request did, but its nonce stays spent. Raises `Problem`."""
    addresses = Addresses(work.settings.public_url)
    verb, target = _resolve(path)
    signed = jws.read(body)
    if signed.url != addresses.of(path):
        raise Problem(Kind.UNAUTHORIZED, "signed for another address")
    account, jwk = _who(work, addresses, signed)
    jws.verify(signed, jwk)
    nonces.spend(work, signed.nonce)
    with work.session.begin_nested():
        return verb(Asked(work, addresses, signed, account, None if account else jwk, target))


def _who(work: UnitOfWork, addresses: Addresses, signed: Signed) -> tuple[AcmeAccount | None, dict[str, Any]]:
    if signed.jwk is not None:
        return None, jws.public_jwk(signed.jwk)
    kid = signed.kid or ""
    prefix = addresses.of("account", "")
    account_id = _uuid(kid.removeprefix(prefix)) if kid.startswith(prefix) else None
    account = AcmeRepository(work.session).account(account_id) if account_id else None
    if account is None:
        raise Problem(Kind.ACCOUNT_DOES_NOT_EXIST, "no such account")
    if account.deactivated_at is not None:
        raise Problem(Kind.DEACTIVATED, "this account was given up")
    return account, account.jwk


def _resolve(path: str) -> tuple[Verb, UUID | None]:
    """The verb of an address and the thing that it names. Raises `Problem`."""
    kind, *rest = path.split("/")
    verb = _VERBS.get((kind, *rest[1:]))
    target = _uuid(rest[0]) if rest else None
    if verb is None or bool(rest) is (kind in _NAMELESS) or (rest and target is None):
        raise Problem(Kind.NOT_FOUND, "there is nothing here")
    return verb, target


def _uuid(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def _new_account(asked: Asked) -> Reply:
    if asked.jwk is None:
        raise Problem(Kind.MALFORMED, "an account is asked for with jwk")
    account, made = accounts.introduce(asked.work, asked.jwk, asked.document)
    return _account(asked, account, 201 if made else 200)


def _update_account(asked: Asked) -> Reply:
    if asked.named() != asked.holder.id:
        raise Problem(Kind.UNAUTHORIZED, "another's account")
    if not asked.signed.is_read:
        accounts.update(asked.work, asked.holder, asked.document)
    return _account(asked, asked.holder, 200)


def _account(asked: Asked, account: AcmeAccount, status: int) -> Reply:
    return Reply(status, asked.addresses.account(account), {"Location": asked.addresses.of("account", account.id)})


def _orders(asked: Asked) -> Reply:
    if asked.named() != asked.holder.id:
        raise Problem(Kind.UNAUTHORIZED, "another's account")
    newest = AcmeRepository(asked.work.session).orders_of(asked.holder.id, 50)
    return Reply(200, asked.addresses.orders(list(newest)))


def _change_key(asked: Asked) -> Reply:
    accounts.change_key(asked.work, asked.holder, asked.signed, asked.addresses)
    return _account(asked, asked.holder, 200)


def _new_order(asked: Asked) -> Reply:
    return _order(asked, service.new_order(asked.work, asked.holder, asked.document), 201)


def _read_order(asked: Asked) -> Reply:
    return _order(asked, asked.order(), 200)


def _finalize(asked: Asked) -> Reply:
    order = asked.order()
    service.finalize(asked.work, asked.holder, order, asked.document)
    return _order(asked, order, 200)


def _order(asked: Asked, order: AcmeOrder, status: int) -> Reply:
    return Reply(status, asked.addresses.order(order), {"Location": asked.addresses.of("order", order.id)})


def _authorization(asked: Asked) -> Reply:
    order = asked.order()
    if not asked.signed.is_read and asked.document.get("status") == "deactivated":
        service.withdraw(order)
    return Reply(200, asked.addresses.authorization(order))


def _challenge(asked: Asked) -> Reply:
    order = asked.order()
    if not asked.signed.is_read:
        service.respond(asked.work, order, asked.document)
    up = f'<{asked.addresses.of("authz", order.id)}>;rel="up"'
    return Reply(200, asked.addresses.challenge(order), {"Link": up})


def _certificate(asked: Asked) -> Reply:
    chain = service.certificate_chain(asked.work, asked.holder, asked.named())
    return Reply(200, chain, {"Content-Type": PEM_CHAIN})


def _revoke(asked: Asked) -> Reply:
    service.revoke(asked.work, asked.document, asked.account, asked.jwk)
    return Reply(200)


_VERBS: dict[tuple[str, ...], Verb] = {
    ("new-account",): _new_account,
    ("new-order",): _new_order,
    ("revoke-cert",): _revoke,
    ("key-change",): _change_key,
    ("account",): _update_account,
    ("account", "orders"): _orders,
    ("order",): _read_order,
    ("order", "finalize"): _finalize,
    ("authz",): _authorization,
    ("challenge",): _challenge,
    ("certificate",): _certificate,
}
_NAMELESS = frozenset({"new-account", "new-order", "revoke-cert", "key-change"})
