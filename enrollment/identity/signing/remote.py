"""Asks the process `cartable signer` over its Unix socket: the web process then has no private key of the device CA."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cartable.certificates import is_issued_by, read_certificate
from enrollment.identity.envelopes import ContentCipher
from enrollment.identity.keys import DeviceKey, encode_public_key
from enrollment.identity.signing import messages
from enrollment.identity.signing.messages import HolderKind, Refusal, SignerAnswer
from enrollment.identity.signing.port import CertificateHolder, CertRepFields, SignedCertRep, SignerUnavailable

#: A signature takes milliseconds: whoever has not answered by then is away. The database may be locked meanwhile.
_TIMEOUT_SECONDS = 2.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RemoteSigner:
    """Has everything done by the signer's process, and trusts no certificate that it did not ask for."""

    certificate: x509.Certificate
    socket_path: Path | None

    def sign_certificate(self, key: DeviceKey, holder: CertificateHolder) -> bytes:
        """Return the certificate (DER) that the signer made. Raises `SignerUnavailable`, `ValueError`."""
        is_tablet = holder.tablet_id is not None
        request = messages.SignCertificate.model_construct(
            public_key=encode_public_key(key),
            holder=HolderKind.TABLET if is_tablet else HolderKind.INVITATION,
            holder_id=holder.tablet_id if is_tablet else holder.invitation_id,
        )
        der = self._ask(request).content
        certificate = read_certificate(der)
        if certificate.public_key() != key or not is_issued_by(certificate, self.certificate):
            raise self._become_unavailable("the signer has the key of another authority")
        return der

    def decrypt_envelope(self, envelope: bytes) -> tuple[bytes, ContentCipher]:
        """Return the content of an envelope, and its cipher. Raises `SignerUnavailable`, `ValueError`."""
        answer = self._ask(messages.DecryptEnvelope.model_construct(envelope=envelope))
        return answer.content, ContentCipher(answer.cipher)

    def sign_cert_rep(self, fields: CertRepFields) -> SignedCertRep:
        """Return the signed attributes of a SCEP response. Raises `SignerUnavailable`, `ValueError`."""
        answer = self._ask(
            messages.SignCertRep.model_construct(
                transaction_id=fields.transaction_id,
                recipient_nonce=fields.recipient_nonce,
                digest=fields.digest,
                content_digest=fields.content_digest,
                failure=fields.failure,
            )
        )
        return SignedCertRep(answer.content, answer.signature)

    def check(self) -> None:
        """Raise `SignerUnavailable` unless the signer answers and has the key of the issuing authority."""
        if self._ask(messages.Ping()).content != self.certificate.public_bytes(Encoding.DER):
            raise self._become_unavailable("the signer has the key of another authority")

    def _ask(self, request: messages.SignerRequest) -> SignerAnswer:
        if self.socket_path is None:
            raise self._become_unavailable("CARTABLE_SIGNER_SOCKET is not set")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_TIMEOUT_SECONDS)
                connection.connect(str(self.socket_path))
                messages.send(connection, request)
                answer = SignerAnswer.model_validate_json(messages.receive(connection))
        except (OSError, EOFError, ValueError) as error:
            raise self._become_unavailable(type(error).__name__) from error
        if answer.refusal is Refusal.INVALID:
            raise ValueError("refused by the signer")
        if answer.refusal is not None:
            raise self._become_unavailable(answer.refusal.value)
        return answer

    def _become_unavailable(self, reason: str) -> SignerUnavailable:
        log.error("signer.unavailable", why=reason)
        return SignerUnavailable()
