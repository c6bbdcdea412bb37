"""Profiles have a signing key of their own, so a TLS certificate may be elliptic, as Caddy and certbot make them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from cartable.clock import ManualClock
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity.profile_signing import RENEW_BEFORE, SIGNER_LIFETIME, get_signer_file, load_profile_signer, sign_profile
from mdm.protocol.cms import verify_attached
from simulator import SimulatedTablet
from tests.conftest import KEYRING
from tests.support.databases import create_sqlite_engine
from tests.support.enrolled import create_invitation_code
from tests.support.server import start_live_server


def _write_elliptic_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed server certificate with a key on P-256. Returns the files of certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    files = folder / "elliptic.pem", folder / "elliptic.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def test_a_tablet_enrols_at_a_server_with_an_elliptic_certificate(tmp_path: Path) -> None:
    certificate, key = _write_elliptic_certificate(tmp_path)
    engine = create_sqlite_engine(tmp_path)
    with start_live_server(engine, KEYRING, tmp_path / "data", tls_certificate=certificate, tls_key=key) as server:

        async def enrol() -> None:
            async with SimulatedTablet(server.url, create_invitation_code(server), ca=certificate) as tablet:
                await tablet.enrol()
                assert tablet.is_enrolled
                assert (await tablet.poll()).http_status == 200

        asyncio.run(enrol())
    engine.dispose()


def test_the_signer_is_made_once_and_renewed_before_its_end(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        first = sign_profile(work, b"<plist/>")
        assert verify_attached(first)[0] == b"<plist/>"
        signer = load_profile_signer(work)[0]
        assert load_profile_signer(work)[0] == signer
        assert get_signer_file(work.settings).stat().st_mode & 0o077 == 0
    clock.advance(SIGNER_LIFETIME - RENEW_BEFORE + timedelta(days=1))
    with runtime.open_unit_of_work() as work:
        assert load_profile_signer(work)[0] != signer


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_operator_may_give_a_certificate_that_tablets_trust(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    certificate, key = _write_elliptic_certificate(tmp_path)
    runtime.settings = settings.model_copy(update={"profile_certificate": certificate, "profile_key": key})
    with runtime.open_unit_of_work() as work:
        signed = sign_profile(work, b"<plist/>")
        assert not get_signer_file(work.settings).exists()
    assert x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(serialization.Encoding.DER) in signed
