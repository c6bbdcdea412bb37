"""The JSON documents of ACME (RFC 8555 section 7.1) and their URLs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from enrollment.identity.acme.errors import AcmeProblemType
from enrollment.identity.acme.models import AcmeAccount, AcmeOrder, OrderState

Document = dict[str, object]
IDENTIFIER = "permanent-identifier"
CHALLENGE = "device-attest-01"
PEM_CHAIN = "application/pem-certificate-chain"


@dataclass(frozen=True, slots=True)
class AcmeResponse:
    """A response. `body` is a document, or a PEM chain."""

    status: int
    body: Document | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AcmeUrls:
    """Builds URLs under the server's public URL, and the documents that contain them."""

    base: str

    def build_url(self, *parts: object) -> str:
        """Return the URL of a resource."""
        return "/".join([self.base, "acme", *map(str, parts)])

    def render_directory(self) -> Document:
        """Return the directory (RFC 8555 section 7.1.1)."""
        return {
            "newNonce": self.build_url("new-nonce"),
            "newAccount": self.build_url("new-account"),
            "newOrder": self.build_url("new-order"),
            "revokeCert": self.build_url("revoke-cert"),
            "keyChange": self.build_url("key-change"),
            "meta": {"externalAccountRequired": False},
        }

    def render_account(self, account: AcmeAccount) -> Document:
        """Return an account (section 7.1.2)."""
        status = "valid" if account.deactivated_at is None else "deactivated"
        return {"status": status, "contact": [], "orders": self.build_url("account", account.id, "orders")}

    def render_orders(self, order_ids: list[UUID]) -> Document:
        """Return a list of orders (section 7.1.2.1)."""
        return {"orders": [self.build_url("order", order_id) for order_id in order_ids]}

    def render_order(self, order: AcmeOrder) -> Document:
        """Return an order (section 7.1.3)."""
        status = OrderState.INVALID if order.state is OrderState.WITHDRAWN else order.state
        document: Document = {
            "status": status.value,
            "expires": _format_instant(order.expires_at),
            "identifiers": [{"type": IDENTIFIER, "value": order.identifier}],
            "authorizations": [self.build_url("authz", order.id)],
            "finalize": self.build_url("order", order.id, "finalize"),
        }
        if order.problem is not None:
            document["error"] = _render_problem(order)
        if order.certificate_id is not None:
            document["certificate"] = self.build_url("certificate", order.certificate_id)
        return document

    def render_authorization(self, order: AcmeOrder) -> Document:
        """Return the authorization of an order (section 7.1.4)."""
        status = "deactivated" if order.state is OrderState.WITHDRAWN else _get_challenge_status(order)
        return {
            "status": status,
            "expires": _format_instant(order.expires_at),
            "identifier": {"type": IDENTIFIER, "value": order.identifier},
            "challenges": [self.render_challenge(order)],
        }

    def render_challenge(self, order: AcmeOrder) -> Document:
        """Return the challenge of an order (section 7.1.5, and draft-ietf-acme-device-attest section 5)."""
        document: Document = {
            "type": CHALLENGE,
            "status": _get_challenge_status(order),
            "url": self.build_url("challenge", order.id),
            "token": order.token,
        }
        if order.validated_at is not None:
            document["validated"] = _format_instant(order.validated_at)
        if order.problem is not None:
            document["error"] = _render_problem(order)
        return document


def _get_challenge_status(order: AcmeOrder) -> str:
    """Return the status of authorization and challenge: once valid they stay valid, whatever the state of the order."""
    if order.validated_at is not None:
        return "valid"
    return "pending" if order.state is OrderState.PENDING else "invalid"


def _render_problem(order: AcmeOrder) -> Document:
    return {"type": AcmeProblemType.BAD_ATTESTATION.urn, "detail": order.problem}


def _format_instant(instant: datetime) -> str:
    """Return an instant as RFC 3339 text, without fractions of a second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
