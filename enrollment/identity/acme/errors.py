"""Errors of ACME as problem documents (RFC 8555 section 6.7): a type, a status, a sentence for the client's log."""

from __future__ import annotations

from enum import Enum

URN = "urn:ietf:params:acme:error:"


class AcmeProblemType(Enum):
    """Type and HTTP status of a problem."""

    ACCOUNT_DOES_NOT_EXIST = ("accountDoesNotExist", 400)
    ALREADY_REVOKED = ("alreadyRevoked", 400)
    BAD_ATTESTATION = ("badAttestationStatement", 400)
    BAD_CSR = ("badCSR", 400)
    BAD_NONCE = ("badNonce", 400)
    BAD_PUBLIC_KEY = ("badPublicKey", 400)
    BAD_REVOCATION_REASON = ("badRevocationReason", 400)
    BAD_SIGNATURE_ALGORITHM = ("badSignatureAlgorithm", 400)
    MALFORMED = ("malformed", 400)
    NOT_FOUND = ("malformed", 404)
    WRONG_METHOD = ("malformed", 405)
    KEY_IN_USE = ("malformed", 409)
    TOO_LARGE = ("malformed", 413)
    WRONG_MEDIA_TYPE = ("malformed", 415)
    ORDER_NOT_READY = ("orderNotReady", 403)
    RATE_LIMITED = ("rateLimited", 429)
    REJECTED_IDENTIFIER = ("rejectedIdentifier", 403)
    UNAUTHORIZED = ("unauthorized", 403)
    DEACTIVATED = ("unauthorized", 401)  # RFC 8555 section 7.3.6 asks for 401
    UNAVAILABLE = ("serverInternal", 503)
    UNSUPPORTED_IDENTIFIER = ("unsupportedIdentifier", 400)

    @property
    def urn(self) -> str:
        """The `type` of the problem document."""
        return URN + self.value[0]


class AcmeProblem(Exception):
    """The request is refused. `more` is added to the problem document, `location` is sent as header."""

    def __init__(self, kind: AcmeProblemType, detail: str, *, location: str | None = None, **more: object) -> None:
        super().__init__(f"{kind.name.lower()}: {detail}")
        self.type = kind
        self.detail = detail
        self.location = location
        self.more = more

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.type.value[1])

    @property
    def document(self) -> dict[str, object]:
        """The problem document (RFC 7807)."""
        return {"type": self.type.urn, "detail": self.detail, "status": self.status, **self.more}


class InvalidAttestation(Exception):
    """The attestation object cannot be parsed or verified; the message says why, for log and client."""
