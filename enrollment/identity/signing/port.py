"""The port `DeviceSigner`: the three uses of the device CA's private key, and nothing else. Signs nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from cartable.errors import DomainError
from cartable.i18n import Message
from enrollment.identity.envelopes import ContentCipher
from enrollment.identity.keys import DeviceKey


@dataclass(frozen=True, slots=True)
class CertificateHolder:
    """For whom a certificate is issued: a known tablet, or any tablet with an invitation."""

    invitation_id: UUID | None = None
    tablet_id: UUID | None = None

    @property
    def common_name(self) -> str:
        """The common name of the certificate; never a child's name (PRIV-06)."""
        return f"tablet {self.tablet_id}" if self.tablet_id else f"invitation {self.invitation_id}"


@dataclass(frozen=True, slots=True)
class CertRepFields:
    """What a CertRep says (RFC 8894 section 3.3). `failure` is its failInfo; None: it carries a certificate."""

    transaction_id: str
    recipient_nonce: bytes
    digest: str
    content_digest: bytes
    failure: int | None


@dataclass(frozen=True, slots=True)
class SignedCertRep:
    """The signed attributes of a CertRep (DER, a SET), and their signature."""

    attributes: bytes
    signature: bytes


#: When a tablet is asked to try again.
RETRY_SECONDS = 60


class SignerUnavailable(DomainError):
    """The process with the CA's key does not answer, is too busy, or has another key. The tablet tries again."""

    code = "signer_unavailable"
    status = 503
    message = Message("Certificates cannot be issued at the moment. Try again in some minutes.")


class DeviceSigner(Protocol):
    """Uses the private key of the issuing CA. Every method raises `SignerUnavailable`, and `ValueError` for what is refused."""

    def sign_certificate(self, key: DeviceKey, holder: CertificateHolder) -> bytes:
        """Return a certificate (DER) for a tablet's key. Serial number, dates and extensions are the signer's."""
        ...

    def decrypt_envelope(self, envelope: bytes) -> tuple[bytes, ContentCipher]:
        """Return the content of a SCEP request's envelope, and its cipher."""
        ...

    def sign_cert_rep(self, fields: CertRepFields) -> SignedCertRep:
        """Return the signed attributes of a SCEP response. The signer builds them: it signs no bytes of the caller's."""
        ...
