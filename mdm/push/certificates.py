"""Operations on the push certificate: import with checks, health, and a simulated one for trials. Requests are in `requests`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cartable import audit, expiry
from cartable.certificates import UnreadableCertificate, read_certificates_pem
from cartable.private_files import write_secret
from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.ca import BACKDATE, build_ca_certificate
from mdm.push.errors import BadPushCertificate, CertificateProblem, NoPushCertificate, PushTopicChanged
from mdm.push.models import PushCertificate
from mdm.push.repository import PushRepository

_TOPIC_PREFIX = "com.apple.mgmt."
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class PushCertificateHealth:
    """The state of the active push certificate. `warning`: the smallest of 60, 30, 14, 7 days that has been reached."""

    installed: bool
    simulated: bool
    topic: str | None
    not_after: datetime | None
    days_left: int | None
    warning: int | None


def get_certificate_health(work: UnitOfWork) -> PushCertificateHealth:
    """Return whether pushes can be sent, and until when."""
    row = PushRepository(work.session).get_active_certificate()
    if row is None or row.not_after is None:
        return PushCertificateHealth(False, False, None, None, None, None)
    days = (row.not_after - work.now).days
    return PushCertificateHealth(
        True, row.simulated, row.topic, row.not_after, days, expiry.get_warning_days(work.now, row.not_after)
    )


def get_active_topic(work: UnitOfWork) -> str:
    """Return the topic to write into enrollment profiles. Raises `NoPushCertificate`."""
    row = PushRepository(work.session).get_active_certificate()
    if row is None or row.topic is None:
        raise NoPushCertificate
    return row.topic


def import_certificate(
    work: UnitOfWork, actor: Actor, certificate_pem: bytes, key_pem: bytes | None = None, *, force: bool = False
) -> PushCertificate:
    """Store and activate the certificate that Apple's portal issued. Only the operator may.

    Raises `Forbidden`, `ReauthenticationRequired`, `BadPushCertificate`; `PushTopicChanged` unless forced.
    """
    actor.require_operator()
    actor.require_reauthentication()
    try:
        certificate = read_certificates_pem(certificate_pem)[0]
    except UnreadableCertificate as error:
        raise BadPushCertificate(CertificateProblem.UNREADABLE) from error
    topic = read_topic(certificate)
    if topic is None or not topic.startswith(_TOPIC_PREFIX):
        raise BadPushCertificate(CertificateProblem.OTHER_KIND)
    if certificate.not_valid_after_utc <= work.now:
        raise BadPushCertificate(CertificateProblem.EXPIRED)
    repository = PushRepository(work.session)
    current = repository.get_active_certificate()
    if current is not None and not current.simulated and current.topic != topic and not force:
        raise PushTopicChanged(offered=topic, current=current.topic)
    row = _get_row_with_key(repository, certificate, key_pem, work)
    row.topic, row.certificate, row.not_after = topic, certificate_pem.decode(), certificate.not_valid_after_utc
    work.session.flush()
    audit.record_event(work, actor, "push.import", "push_certificate", row.id, town_id=None, topic=topic, forced=force)
    repository.activate_certificate(row.id)
    return row


def _get_row_with_key(
    repository: PushRepository, certificate: x509.Certificate, key_pem: bytes | None, work: UnitOfWork
) -> PushCertificate:
    """Return the row with the certificate's key: that of an earlier request, or a new one with the given key."""
    public_key = certificate.public_key()
    if key_pem is not None:
        try:
            key = serialization.load_pem_private_key(key_pem, password=None)
        except (ValueError, TypeError) as error:
            raise BadPushCertificate(CertificateProblem.UNREADABLE_KEY) from error
        if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != public_key:
            raise BadPushCertificate(CertificateProblem.OTHER_KEY)
        row = PushCertificate(private_key=encode_key(key), created_at=work.now, active=False, simulated=False)
        work.session.add(row)
        return row
    for row in repository.list_certificates():
        if serialization.load_pem_private_key(row.private_key, password=None).public_key() == public_key:
            return row
    raise BadPushCertificate(CertificateProblem.NO_REQUEST)


def read_topic(certificate: x509.Certificate) -> str | None:
    """Return the topic: the Subject UID (OID 0.9.2342.19200300.100.1.1); None when there is none."""
    values = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
    return str(values[0].value) if values else None


def ensure_simulated_certificate(work: UnitOfWork) -> bool:
    """Create a certificate for a demonstration APNs server, unless one is active. Returns whether the active one is simulated."""
    row = PushRepository(work.session).get_active_certificate()
    if row is not None:
        return row.simulated
    now = work.now
    ca_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ca = build_ca_certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Cartable demonstration push CA")]), ca_key, now)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    topic = f"{_TOPIC_PREFIX}External.{uuid4()}"
    certificate = (
        x509.CertificateBuilder()
        .subject_name(
            x509.Name([x509.NameAttribute(NameOID.USER_ID, topic), x509.NameAttribute(NameOID.COMMON_NAME, "APSP:simulated")])
        )
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, SHA256())
    )
    write_secret(work.settings.secrets_dir / "push-test-ca.pem", ca.public_bytes(_PEM))
    simulated_certificate = PushCertificate(
        topic=topic,
        certificate=certificate.public_bytes(_PEM).decode(),
        private_key=encode_key(key),
        not_after=certificate.not_valid_after_utc,
        active=True,
        simulated=True,
        created_at=now,
    )
    work.session.add(simulated_certificate)
    work.session.flush()
    audit.record_event(work, SYSTEM, "push.simulate", "push_certificate", simulated_certificate.id, town_id=None)
    return True


def encode_key(key: rsa.RSAPrivateKey) -> bytes:
    """Return a private key as it is stored."""
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
