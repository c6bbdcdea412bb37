"""The four shapes of Mdm-Signature, verified by OpenSSL."""

from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from simulator import SignatureShape, signature
from simulator.identity import Identity

NOW = datetime.now(UTC)
BODY = b"<plist><dict><key>Status</key><string>Idle</string></dict></plist>\r\n\x00"


@pytest.fixture(scope="module")
def identity() -> Identity:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tablette d'été")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(2**127 + 5).not_valid_before(NOW - timedelta(days=1))
    certificate = builder.not_valid_after(NOW + timedelta(days=1)).sign(key, hashes.SHA256())
    return Identity(key, certificate.public_bytes(serialization.Encoding.DER))


def verify_with_openssl(folder: Path, signed: bytes, body: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    (folder / "signed").write_bytes(signed)
    (folder / "body").write_bytes(body)
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "signed", "-noverify", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False)


@pytest.mark.parametrize("shape", list(SignatureShape))
def test_openssl_verifies(tmp_path: Path, identity: Identity, shape: SignatureShape) -> None:
    signed = base64.b64decode(signature.build_mdm_signature(identity, BODY, shape, NOW), validate=True)
    detached = () if shape is SignatureShape.ATTACHED else ("-content", "body")
    good = verify_with_openssl(tmp_path, signed, BODY, *detached)
    assert good.returncode == 0, good.stderr
    assert good.stdout == BODY
    if detached:
        assert verify_with_openssl(tmp_path, signed, BODY + b" ", *detached).returncode != 0


@pytest.mark.parametrize(
    ("shape", "attributes", "indefinite"), [(SignatureShape.IPAD, False, True), (SignatureShape.ATTRIBUTES, True, False)]
)
def test_encoding_and_attributes_of_each_shape(
    tmp_path: Path, identity: Identity, shape: SignatureShape, attributes: bool, indefinite: bool
) -> None:
    signed = base64.b64decode(signature.build_mdm_signature(identity, BODY, shape, NOW))
    assert (signed[1] == 0x80) is indefinite
    printed = subprocess.run(
        ["openssl", "cms", "-cmsout", "-print", "-inform", "DER"], input=signed, capture_output=True, check=True
    ).stdout.decode()
    assert ("signingTime" in printed) is attributes
    assert ("sha1 " in printed.split("certificates:")[0]) is (shape is SignatureShape.IPAD)
    assert len(base64.b64encode(signed)) < 4096


def test_an_identity_survives_pem(identity: Identity) -> None:
    again = Identity.from_pem(identity.to_pem())
    assert again.certificate_der == identity.certificate_der
    assert again.key.private_numbers() == identity.key.private_numbers()
