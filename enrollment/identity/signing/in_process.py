"""Uses the device CA's private key in this process: the adapter of a small installation, and what `cartable signer` does inside."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import cms, core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cartable.settings import Settings
from enrollment.identity.ca import BACKDATE
from enrollment.identity.envelopes import ContentCipher, decrypt_envelope
from enrollment.identity.keys import DeviceKey
from enrollment.identity.signing.port import CertificateHolder, CertRepFields, SignedCertRep

_PREFIX = "2.16.840.1.113733.1.9."
#: The signed attributes of SCEP: object identifier and ASN.1 type. Not registered with asn1crypto, whose tables are global.
SCEP_ATTRIBUTES: dict[str, tuple[str, Any]] = {
    "scep_message_type": (_PREFIX + "2", core.PrintableString),
    "scep_pki_status": (_PREFIX + "3", core.PrintableString),
    "scep_fail_info": (_PREFIX + "4", core.PrintableString),
    "scep_sender_nonce": (_PREFIX + "5", core.OctetString),
    "scep_recipient_nonce": (_PREFIX + "6", core.OctetString),
    "scep_transaction_id": (_PREFIX + "7", core.PrintableString),
}
DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - old clients support nothing better (RFC 8894 section 2.9)
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_CERT_REP = "3"
_DENIED_USES = (
    "content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InProcessSigner:
    """Signs and decrypts with a key in memory, by the clock and the settings of this process."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    settings: Settings
    now: datetime

    def sign_certificate(self, key: DeviceKey, holder: CertificateHolder) -> bytes:
        """Return a certificate (DER) for a tablet's key. The subject that the tablet requested is ignored."""
        end = min(self.now + timedelta(days=self.settings.certificate_days), self.certificate.not_valid_after_utc)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.settings.organisation[:64]),
                x509.NameAttribute(NameOID.COMMON_NAME, holder.common_name),
            ]
        )
        usage = dict.fromkeys(_DENIED_USES, False)
        encrypts = isinstance(key, rsa.RSAPublicKey)  # an elliptic key signs and agrees, it encrypts nothing
        signed = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(secrets.randbits(127) | 1)
            .not_valid_before(self.now - BACKDATE)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=True, key_encipherment=encrypts, **usage), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return signed.public_bytes(Encoding.DER)

    def decrypt_envelope(self, envelope: bytes) -> tuple[bytes, ContentCipher]:
        """Return the content of an envelope for the CA, and its cipher. Raises the same `ValueError` for every failure."""
        try:
            return decrypt_envelope(envelope, self.certificate.public_bytes(Encoding.DER), self.key)
        except Exception as error:  # the same answer for every error: PKCS#1 v1.5 would be a padding oracle
            raise ValueError("envelope") from error

    def sign_cert_rep(self, fields: CertRepFields) -> SignedCertRep:
        """Return the signed attributes of a CertRep. They are a SET, a certificate is a SEQUENCE: none can stand for the other."""
        values: dict[str, Any] = {
            "content_type": cms.ContentType("data"),
            "message_digest": fields.content_digest,
            "scep_message_type": _CERT_REP,
            "scep_transaction_id": fields.transaction_id,
            "scep_sender_nonce": secrets.token_bytes(16),
            "scep_recipient_nonce": fields.recipient_nonce,
            "scep_pki_status": "0" if fields.failure is None else "2",
        }
        if fields.failure is not None:
            values["scep_fail_info"] = str(fields.failure)
        attributes = cms.CMSAttributes([_build_attribute(name, value) for name, value in values.items()]).dump()
        return SignedCertRep(attributes, self.key.sign(attributes, padding.PKCS1v15(), DIGESTS[fields.digest]))


def _build_attribute(name: str, value: Any) -> cms.CMSAttribute:
    """Return a signed attribute; those of SCEP by their object identifiers."""
    if name in SCEP_ATTRIBUTES:
        identifier, kind = SCEP_ATTRIBUTES[name]
        return cms.CMSAttribute({"type": identifier, "values": [kind(value)]})
    return cms.CMSAttribute({"type": name, "values": [value]})
