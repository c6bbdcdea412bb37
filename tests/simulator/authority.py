"""A small SCEP server for tests, built on asn1crypto. Shares no code with the product or the simulator."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm, algorithms, modes
from cryptography.x509.oid import AttributeOID, NameOID

ARC = "2.16.840.1.113733.1.9."
HASHES: dict[str, type[hashes.HashAlgorithm]] = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}


def verify_signed_data(signed: Any, content: bytes) -> bytes:
    """Verify a SignedData over `content`; return the signer's certificate (DER). Raises when it does not verify."""
    info = signed["signer_infos"][0]
    serial = info["sid"].chosen["serial_number"].native
    certificate = next(c.chosen for c in signed["certificates"] if c.chosen.serial_number == serial)
    digest = info["digest_algorithm"]["algorithm"].native
    covered = content
    if info["signed_attrs"]:
        attributes = {a["type"].native: a["values"][0].native for a in info["signed_attrs"]}
        assert attributes["message_digest"] == hashlib.new(digest, content).digest()
        covered = info["signed_attrs"].untag().dump()
    key = x509.load_der_x509_certificate(certificate.dump()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(info["signature"].native, covered, rsa_padding.PKCS1v15(), HASHES[digest]())
    return bytes(certificate.dump())


def build_cipher_algorithm(name: str, key: bytes) -> CipherAlgorithm:
    if name == "des":
        return TripleDES(key * 3)
    return TripleDES(key) if name == "tripledes_3key" else algorithms.AES(key)


class ReferenceAuthority:
    """A device CA that answers SCEP. `capabilities` is sent for GetCACaps; `requests` records what clients sent."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Reference device CA")])
        self.certificate = self._issue(self.name, self.key.public_key(), ca=True)
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)
        self.capabilities = "Renewal\nSHA-1\nSHA-256\nAES\nDES3\nSCEPStandard\nPOSTPKIOperation\n"
        self.challenges: set[str] = set()
        self.requests: list[dict[str, Any]] = []
        self.refuse_with: str | None = None
        self.backdating = timedelta(hours=1)

    def _issue(self, subject: x509.Name, public: Any, *, ca: bool = False) -> x509.Certificate:
        now = datetime.now(UTC)
        early = timedelta(days=1) if ca else self.backdating
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - early)
        builder = builder.not_valid_after(now + timedelta(days=365)).add_extension(x509.BasicConstraints(ca, None), critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def answer_scep(self, message: bytes) -> bytes:
        """Return the CertRep for a pkiMessage."""
        signed = cms.ContentInfo.load(message)["content"]
        inner = signed["encap_content_info"]["content"].native
        signer = verify_signed_data(signed, inner)
        attributes = {a["type"].native: a["values"][0].native for a in signed["signer_infos"][0]["signed_attrs"]}
        csr_der, cipher = self._open_envelope(inner)
        csr = x509.load_der_x509_csr(csr_der)
        assert csr.is_signature_valid
        kind = attributes[ARC + "2"]
        self.requests.append(
            {"type": kind, "cipher": cipher, "digest": signed["digest_algorithms"][0]["algorithm"].native, "csr": csr}
        )
        fail = self.refuse_with or self._find_fail_info(kind, csr, signer)
        content = b""
        if fail is None:
            issued = self._issue(csr.subject, csr.public_key())
            content = self._build_envelope(issued.public_bytes(serialization.Encoding.DER), signer, cipher)
        return self._build_cert_rep(attributes, content, fail)

    def _find_fail_info(self, kind: str, csr: x509.CertificateSigningRequest, signer: bytes) -> str | None:
        if kind == "17":
            x509.load_der_x509_certificate(signer).verify_directly_issued_by(self.certificate)
            return None
        challenge = csr.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value.decode()
        return None if challenge in self.challenges else "2"

    def _open_envelope(self, data: bytes) -> tuple[bytes, str]:
        enveloped = cms.ContentInfo.load(data)["content"]
        recipient = enveloped["recipient_infos"][0].chosen
        assert recipient["rid"].chosen["serial_number"].native == self.certificate.serial_number
        info = enveloped["encrypted_content_info"]
        algorithm = info["content_encryption_algorithm"]
        name = algorithm["algorithm"].native
        key = self.key.decrypt(recipient["encrypted_key"].native, rsa_padding.PKCS1v15())
        decryptor = Cipher(build_cipher_algorithm(name, key), modes.CBC(algorithm["parameters"].native)).decryptor()
        unpadder = padding.PKCS7(len(algorithm["parameters"].native) * 8).unpadder()
        padded = decryptor.update(info["encrypted_content"].native) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize(), name

    def _build_envelope(self, certificate: bytes, reader: bytes, cipher: str) -> bytes:
        degenerate = cms.ContentInfo(
            {
                "content_type": "signed_data",
                "content": cms.SignedData(
                    {
                        "version": "v1",
                        "digest_algorithms": [],
                        "encap_content_info": {"content_type": "data"},
                        "certificates": [asn1_x509.Certificate.load(certificate)],
                        "signer_infos": [],
                    }
                ),
            }
        ).dump()
        cipher = "tripledes_3key" if cipher == "des" else cipher
        key = os.urandom({"aes128_cbc": 16, "aes256_cbc": 32, "tripledes_3key": 24}[cipher])
        vector = os.urandom(8 if cipher == "tripledes_3key" else 16)
        padder = padding.PKCS7(len(vector) * 8).padder()
        encryptor = Cipher(build_cipher_algorithm(cipher, key), modes.CBC(vector)).encryptor()
        hidden = encryptor.update(padder.update(degenerate) + padder.finalize()) + encryptor.finalize()
        holder = asn1_x509.Certificate.load(reader)
        public = x509.load_der_x509_certificate(reader).public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        recipient = cms.KeyTransRecipientInfo(
            {
                "version": "v0",
                "rid": cms.RecipientIdentifier(
                    {"issuer_and_serial_number": {"issuer": holder.issuer, "serial_number": holder.serial_number}}
                ),
                "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15"},
                "encrypted_key": public.encrypt(key, rsa_padding.PKCS1v15()),
            }
        )
        info = {
            "content_type": "data",
            "content_encryption_algorithm": {"algorithm": cipher, "parameters": core.OctetString(vector)},
            "encrypted_content": hidden,
        }
        enveloped = cms.EnvelopedData({"version": "v0", "recipient_infos": [recipient], "encrypted_content_info": info})
        return bytes(cms.ContentInfo({"content_type": "enveloped_data", "content": enveloped}).dump())

    def _build_cert_rep(self, request_attributes: dict[str, Any], content: bytes, fail: str | None) -> bytes:
        attributes = [
            ("content_type", cms.ContentType("data")),
            ("message_digest", core.OctetString(hashlib.sha256(content).digest())),
            (ARC + "2", core.PrintableString("3")),
            (ARC + "3", core.PrintableString("2" if fail else "0")),
            (ARC + "5", core.OctetString(os.urandom(16))),
            (ARC + "6", core.OctetString(request_attributes[ARC + "5"])),
            (ARC + "7", core.PrintableString(request_attributes[ARC + "7"])),
        ]
        if fail:
            attributes.append((ARC + "4", core.PrintableString(fail)))
        signed_attrs = cms.CMSAttributes([cms.CMSAttribute({"type": kind, "values": [value]}) for kind, value in attributes])
        own = asn1_x509.Certificate.load(self.der)
        signer = cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier(
                    {"issuer_and_serial_number": {"issuer": own.issuer, "serial_number": own.serial_number}}
                ),
                "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
                "signed_attrs": signed_attrs,
                "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "rsassa_pkcs1v15"}),
                "signature": self.key.sign(signed_attrs.dump(), rsa_padding.PKCS1v15(), hashes.SHA256()),
            }
        )
        signed = cms.SignedData(
            {
                "version": "v1",
                "digest_algorithms": [{"algorithm": "sha256"}],
                "encap_content_info": {"content_type": "data", "content": content},
                "certificates": [own],
                "signer_infos": [signer],
            }
        )
        return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())
