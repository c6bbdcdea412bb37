"""Dispatching signed ACME requests: URL, account, signature, nonce, handler (RFC 8555 sections 6.2 to 6.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.identity.acme import accounts, jws, nonces, service
from enrollment.identity.acme.documents import PEM_CHAIN, AcmeResponse, AcmeUrls
from enrollment.identity.acme.errors import AcmeProblem, AcmeProblemType
from enrollment.identity.acme.jws import SignedRequest
from enrollment.identity.acme.models import AcmeAccount, AcmeOrder
from enrollment.identity.acme.repository import AcmeRepository


@dataclass(frozen=True, slots=True)
class AcmeRequest:
    """A request whose signature holds. `account` is there when it named one, else `jwk`, the key that signed."""

    work: UnitOfWork
    urls: AcmeUrls
    signed: SignedRequest
    account: AcmeAccount | None
    jwk: dict[str, Any] | None
    target: UUID | None

    @property
    def required_account(self) -> AcmeAccount:
        """The account. Raises `AcmeProblem` for a request that is signed with `jwk`."""
        if self.account is None:
            raise AcmeProblem(AcmeProblemType.MALFORMED, "this is request with kid, not with jwk")
        return self.account

    @property
    def payload(self) -> dict[str, Any]:
        return self.signed.parse_payload()

    def get_order(self) -> AcmeOrder:
        """Return the order in the URL. Raises `AcmeProblem`."""
        return service.get_order(self.work, self.required_account, self.require_target())

    def require_target(self) -> UUID:
        """Return the id in the URL. Raises `AcmeProblem` when there is none."""
        if self.target is None:
            raise AcmeProblem(AcmeProblemType.NOT_FOUND, "there is nothing here")
        return self.target


AcmeHandler = Callable[[AcmeRequest], AcmeResponse]


def handle_request(work: UnitOfWork, path: str, body: bytes) -> AcmeResponse:
    """Handle one POST and return its response. An error undoes the changes of the request, but its nonce stays used.

    Raises `AcmeProblem`.
    """
    addresses = AcmeUrls(work.settings.public_url)
    handler, target = _resolve_handler(path)
    signed = jws.parse_jws(body)
    if signed.url != addresses.build_url(path):
        raise AcmeProblem(AcmeProblemType.UNAUTHORIZED, "signed for another address")
    account, jwk = _authenticate(work, addresses, signed)
    jws.verify_signature(signed, jwk)
    nonces.spend_nonce(work, signed.nonce)
    with work.session.begin_nested():
        return handler(AcmeRequest(work, addresses, signed, account, None if account else jwk, target))


def _authenticate(work: UnitOfWork, addresses: AcmeUrls, signed: SignedRequest) -> tuple[AcmeAccount | None, dict[str, Any]]:
    if signed.jwk is not None:
        return None, jws.normalise_jwk(signed.jwk)
    kid = signed.kid or ""
    prefix = addresses.build_url("account", "")
    account_id = _parse_uuid(kid.removeprefix(prefix)) if kid.startswith(prefix) else None
    account = AcmeRepository(work.session).get_account(account_id) if account_id else None
    if account is None:
        raise AcmeProblem(AcmeProblemType.ACCOUNT_DOES_NOT_EXIST, "no such account")
    if account.deactivated_at is not None:
        raise AcmeProblem(AcmeProblemType.DEACTIVATED, "this account is deactivated")
    return account, account.jwk


def _resolve_handler(path: str) -> tuple[AcmeHandler, UUID | None]:
    """Return the handler of an address and the object that the address names. Raises `AcmeProblem`."""
    kind, *rest = path.split("/")
    handler = _HANDLERS.get((kind, *rest[1:]))
    target = _parse_uuid(rest[0]) if rest else None
    if handler is None or bool(rest) is (kind in _WITHOUT_ID) or (rest and target is None):
        raise AcmeProblem(AcmeProblemType.NOT_FOUND, "there is nothing here")
    return handler, target


def _parse_uuid(text: str) -> UUID | None:
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text else None


def _create_account(request: AcmeRequest) -> AcmeResponse:
    if request.jwk is None:
        raise AcmeProblem(AcmeProblemType.MALFORMED, "an account is request for with jwk")
    account, made = accounts.create_account(request.work, request.jwk, request.payload)
    return _respond_with_account(request, account, 201 if made else 200)


def _update_account(request: AcmeRequest) -> AcmeResponse:
    if request.require_target() != request.required_account.id:
        raise AcmeProblem(AcmeProblemType.UNAUTHORIZED, "another's account")
    if not request.signed.is_post_as_get:
        accounts.update_account(request.work, request.required_account, request.payload)
    return _respond_with_account(request, request.required_account, 200)


def _respond_with_account(request: AcmeRequest, account: AcmeAccount, status: int) -> AcmeResponse:
    return AcmeResponse(status, request.urls.render_account(account), {"Location": request.urls.build_url("account", account.id)})


def _list_orders(request: AcmeRequest) -> AcmeResponse:
    if request.require_target() != request.required_account.id:
        raise AcmeProblem(AcmeProblemType.UNAUTHORIZED, "another's account")
    newest = AcmeRepository(request.work.session).list_order_ids(request.required_account.id, 50)
    return AcmeResponse(200, request.urls.render_orders(list(newest)))


def _change_key(request: AcmeRequest) -> AcmeResponse:
    accounts.change_key(request.work, request.required_account, request.signed, request.urls)
    return _respond_with_account(request, request.required_account, 200)


def _create_order(request: AcmeRequest) -> AcmeResponse:
    return _respond_with_order(request, service.create_order(request.work, request.required_account, request.payload), 201)


def _read_order(request: AcmeRequest) -> AcmeResponse:
    return _respond_with_order(request, request.get_order(), 200)


def _finalize_order(request: AcmeRequest) -> AcmeResponse:
    order = request.get_order()
    service.finalize_order(request.work, request.required_account, order, request.payload)
    return _respond_with_order(request, order, 200)


def _respond_with_order(request: AcmeRequest, order: AcmeOrder, status: int) -> AcmeResponse:
    return AcmeResponse(status, request.urls.render_order(order), {"Location": request.urls.build_url("order", order.id)})


def _handle_authorization(request: AcmeRequest) -> AcmeResponse:
    order = request.get_order()
    if not request.signed.is_post_as_get and request.payload.get("status") == "deactivated":
        service.withdraw_order(order)
    return AcmeResponse(200, request.urls.render_authorization(order))


def _handle_challenge(request: AcmeRequest) -> AcmeResponse:
    order = request.get_order()
    if not request.signed.is_post_as_get:
        service.process_challenge_response(request.work, order, request.payload)
    up = f'<{request.urls.build_url("authz", order.id)}>;rel="up"'
    return AcmeResponse(200, request.urls.render_challenge(order), {"Link": up})


def _download_certificate(request: AcmeRequest) -> AcmeResponse:
    chain = service.build_certificate_chain(request.work, request.required_account, request.require_target())
    return AcmeResponse(200, chain, {"Content-Type": PEM_CHAIN})


def _revoke_certificate(request: AcmeRequest) -> AcmeResponse:
    service.revoke_certificate(request.work, request.payload, request.account, request.jwk)
    return AcmeResponse(200)


_HANDLERS: dict[tuple[str, ...], AcmeHandler] = {
    ("new-account",): _create_account,
    ("new-order",): _create_order,
    ("revoke-cert",): _revoke_certificate,
    ("key-change",): _change_key,
    ("account",): _update_account,
    ("account", "orders"): _list_orders,
    ("order",): _read_order,
    ("order", "finalize"): _finalize_order,
    ("authz",): _handle_authorization,
    ("challenge",): _handle_challenge,
    ("certificate",): _download_certificate,
}
_WITHOUT_ID = frozenset({"new-account", "new-order", "revoke-cert", "key-change"})
