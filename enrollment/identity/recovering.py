"""Certificates that our CA issued and the database does not know, because it was restored from a backup: read, and stored again.

See docs/operator/backup.md#tablets-from-after-the-backup.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from cartable import audit
from cartable.certificates import is_issued_by, read_certificate
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.ca import BACKDATE
from enrollment.identity.models import DeviceCertificate
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.service import compute_renew_from

_COMMON_NAME = re.compile(r"(tablet|invitation) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class LostCertificate:
    """A certificate of our CA without a row. `tablet_id` or `invitation_id`: for whom it was issued, as its subject says."""

    certificate: x509.Certificate
    der: bytes
    authority_id: UUID
    issued_at: datetime
    tablet_id: UUID | None
    invitation_id: UUID | None

    @property
    def fingerprint(self) -> str:
        return sha256(self.der).hexdigest()


def read_lost_certificate(work: UnitOfWork, der: bytes) -> LostCertificate | None:
    """Return a certificate that a CA of ours issued and the database does not know; None for any other one.

    One that is older than its CA in this database is none: an imported CA has issued certificates elsewhere. Nor is one of a foreign
    CA: the server that has its key could otherwise take tablets of this one.
    """
    if not der or IdentityRepository(work.session).get_by_fingerprint(sha256(der).hexdigest()) is not None:
        return None
    certificate = read_certificate(der)
    issued_at = certificate.not_valid_before_utc + BACKDATE
    for authority in IdentityRepository(work.session).list_own_authorities():
        if not is_issued_by(certificate, read_certificate(authority.certificate)):
            continue
        if issued_at.replace(microsecond=0) < authority.created_at.replace(microsecond=0):
            return None
        return LostCertificate(certificate, der, authority.id, issued_at, *_read_holder(certificate))
    return None


def _read_holder(certificate: x509.Certificate) -> tuple[UUID | None, UUID | None]:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    match = _COMMON_NAME.fullmatch(str(names[0].value)) if names else None
    if match is None:
        return None, None
    holder_id = UUID(match[2])
    return (holder_id, None) if match[1] == "tablet" else (None, holder_id)


def store_lost_certificate(
    work: UnitOfWork, lost: LostCertificate, *, tablet_id: UUID | None = None, invitation_id: UUID | None = None
) -> DeviceCertificate:
    """Store the row of a lost certificate, bound to a tablet or to an invitation that the database still knows, and return it."""
    certificate, key = lost.certificate, lost.certificate.public_key()
    row = DeviceCertificate(
        ca_id=lost.authority_id,
        serial_hex=f"{certificate.serial_number:x}",
        fingerprint=lost.fingerprint,
        der=lost.der,
        key_sha256=sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest(),
        invitation_id=invitation_id,
        tablet_id=tablet_id,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        renew_from=compute_renew_from(certificate.not_valid_before_utc, certificate.not_valid_after_utc),
        issued_at=lost.issued_at,
    )
    work.session.add(row)
    work.session.flush()
    audit.record_event(
        work, SYSTEM, "certificate.recover", "certificate", row.id, town_id=None, issued_at=lost.issued_at.isoformat()
    )
    return row
