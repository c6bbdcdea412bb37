"""Verifying device certificates: issued by our CA, in its dates, not revoked. Every edge uses this verifier.

See docs/domain/protocol.md#device-identity.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from cartable.certificates import UnreadableCertificate, is_issued_by, read_certificate
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity.ca import Authority, list_authorities
from enrollment.identity.errors import UntrustedCertificate, UntrustedReason
from enrollment.identity.repository import IdentityRepository

#: Seconds after which a revocation by another process is seen at the latest.
STALE_AFTER = 5.0
MAX_CACHED = 200_000


@dataclass(frozen=True, slots=True)
class KnownCertificate:
    """A certificate of our CA, and for whom it was issued. `serial` and `udid` are set when Apple has attested them."""

    fingerprint: str
    certificate_id: UUID
    invitation_id: UUID | None
    tablet_id: UUID | None
    serial: str | None = None
    udid: str | None = None

    def belongs_to(self, serial: str | None, udid: str) -> bool:
        """Return whether a device with this serial number and UDID may use the certificate: any device, unless one is attested."""
        same_serial = self.serial is None or (serial or "").upper() == self.serial.upper()
        return same_serial and (self.udid is None or udid.upper() == self.udid.upper())


class TrustStore:
    """Verifies device certificates. Validity dates are cached by fingerprint; CAs and revocations are read every few seconds."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._dates: OrderedDict[str, tuple[datetime, datetime]] = OrderedDict()
        self._revoked: frozenset[str] = frozenset()
        self._authorities: list[Authority] = []
        self._read_at = float("-inf")

    def check_certificate(self, certificate_der: bytes, now: datetime) -> str:
        """Return the fingerprint (SHA-256, hex) of a trusted certificate. Raises `UntrustedCertificate`."""
        fingerprint = sha256(certificate_der).hexdigest()
        if self._read_at == float("-inf"):
            self.refresh()
        dates = self._dates.get(fingerprint)
        if dates is None:
            dates = self._verify_chain(certificate_der)
            with self._lock:
                self._dates[fingerprint] = dates
                while len(self._dates) > MAX_CACHED:
                    self._dates.popitem(last=False)
        if now < dates[0]:
            raise UntrustedCertificate(UntrustedReason.NOT_YET_VALID)
        if now > dates[1]:
            raise UntrustedCertificate(UntrustedReason.EXPIRED)
        if fingerprint in self._revoked:
            raise UntrustedCertificate(UntrustedReason.REVOKED)
        return fingerprint

    def _verify_chain(self, der: bytes) -> tuple[datetime, datetime]:
        try:
            certificate = read_certificate(der)
        except UnreadableCertificate as error:
            raise UntrustedCertificate(UntrustedReason.UNREADABLE) from error
        for authority in self._authorities:
            if is_issued_by(certificate, authority.certificate):
                return certificate.not_valid_before_utc, certificate.not_valid_after_utc
        raise UntrustedCertificate(UntrustedReason.OTHER_ISSUER)

    def refresh(self) -> None:
        """Read CAs and revocations from the database if the last read is older than `STALE_AFTER`.

        It blocks during the query: the batcher calls it outside the event loop.
        """
        if time.monotonic() - self._read_at < STALE_AFTER:
            return
        with self._lock:
            if time.monotonic() - self._read_at < STALE_AFTER:
                return
            with self._runtime.open_unit_of_work() as work:
                self._authorities = list_authorities(work)
                self._revoked = frozenset(row[0] for row in IdentityRepository(work.session).list_revoked_fingerprints())
            self._read_at = time.monotonic()


def get_known_certificate(work: UnitOfWork, fingerprint: str) -> KnownCertificate:
    """Return for whom a verified certificate was issued. Raises `UntrustedCertificate` when it is not stored or revoked."""
    repository = IdentityRepository(work.session)
    row = repository.get_by_fingerprint(fingerprint)
    if row is None:
        raise UntrustedCertificate(UntrustedReason.UNKNOWN)
    if row.revoked_at is not None:
        raise UntrustedCertificate(UntrustedReason.REVOKED)
    proof = repository.get_attestation(row.id) if row.attested else None
    known = KnownCertificate(row.fingerprint, row.id, row.invitation_id, row.tablet_id)
    return known if proof is None else replace(known, serial=proof.serial, udid=proof.udid)
