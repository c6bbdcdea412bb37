"""Accounts, orders, authorizations and challenges as ACME clients read them (RFC 8555 section 7.1), and where they live."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from enrollment.identity.acme.errors import Kind
from enrollment.identity.acme.models import AcmeAccount, AcmeOrder, OrderState

Document = dict[str, object]
IDENTIFIER = "permanent-identifier"
CHALLENGE = "device-attest-01"
PEM_CHAIN = "application/pem-certificate-chain"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `body` is a document, or a PEM chain."""

    status: int
    body: Document | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The address of everything, under the server's public address."""

    base: str

    def of(self, *parts: object) -> str:
        """The address of one resource."""
        return "/".join([self.base, "acme", *map(str, parts)])

    def directory(self) -> Document:
        """RFC 8555 section 7.1.1."""
        return {
            "newNonce": self.of("new-nonce"),
            "newAccount": self.of("new-account"),
            "newOrder": self.of("new-order"),
            "revokeCert": self.of("revoke-cert"),
            "keyChange": self.of("key-change"),
            "meta": {"externalAccountRequired": False},
        }

    def account(self, account: AcmeAccount) -> Document:
        """Section 7.1.2."""
        status = "valid" if account.deactivated_at is None else "deactivated"
        return {"status": status, "contact": [], "orders": self.of("account", account.id, "orders")}

    def orders(self, order_ids: list[UUID]) -> Document:
        """Section 7.1.2.1."""
        return {"orders": [self.of("order", order_id) for order_id in order_ids]}

    def order(self, order: AcmeOrder) -> Document:
        """Section 7.1.3."""
        status = OrderState.INVALID if order.state is OrderState.WITHDRAWN else order.state
        told: Document = {
            "status": status.value,
            "expires": _time(order.expires_at),
            "identifiers": [{"type": IDENTIFIER, "value": order.identifier}],
            "authorizations": [self.of("authz", order.id)],
            "finalize": self.of("order", order.id, "finalize"),
        }
        if order.problem is not None:
            told["error"] = _problem(order)
        if order.certificate_id is not None:
            told["certificate"] = self.of("certificate", order.certificate_id)
        return told

    def authorization(self, order: AcmeOrder) -> Document:
        """Section 7.1.4."""
        status = "deactivated" if order.state is OrderState.WITHDRAWN else _proved(order)
        return {
            "status": status,
            "expires": _time(order.expires_at),
            "identifier": {"type": IDENTIFIER, "value": order.identifier},
            "challenges": [self.challenge(order)],
        }

    def challenge(self, order: AcmeOrder) -> Document:
        """Section 7.1.5, and draft-ietf-acme-device-attest section 5."""
        told: Document = {
            "type": CHALLENGE,
            "status": _proved(order),
            "url": self.of("challenge", order.id),
            "token": order.token,
        }
        if order.validated_at is not None:
            told["validated"] = _time(order.validated_at)
        if order.problem is not None:
            told["error"] = _problem(order)
        return told


def _proved(order: AcmeOrder) -> str:
    """The status of authorization and challenge: valid for good once proved, whatever becomes of the order."""
    if order.validated_at is not None:
        return "valid"
    return "pending" if order.state is OrderState.PENDING else "invalid"


def _problem(order: AcmeOrder) -> Document:
    return {"type": Kind.BAD_ATTESTATION.urn, "detail": order.problem}


def _time(instant: datetime) -> str:
    """RFC 3339, in whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
