"""Whether a certificate is one of ours: signed by our CA, in date, not revoked. One answer for every edge."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity.ca import Authority, authorities
from enrollment.identity.errors import Distrust, UntrustedCertificate
from enrollment.identity.repository import IdentityRepository

#: How long a revocation made by another process may go unseen, in seconds.
STALE_AFTER = 5.0
MAX_CACHED = 200_000


@dataclass(frozen=True, slots=True)
class KnownCertificate:
    """A certificate of ours, and for whom it was issued. `serial` and `udid` are set when Apple has attested them."""

    fingerprint: str
    certificate_id: UUID
    invitation_id: UUID | None
    tablet_id: UUID | None
    serial: str | None = None
    udid: str | None = None

    def is_of(self, serial: str | None, udid: str) -> bool:
        """Whether a device that calls itself so may use it: the attested one alone, where one was attested."""
        same_serial = self.serial is None or (serial or "").upper() == self.serial.upper()
        return same_serial and (self.udid is None or udid.upper() == self.udid.upper())


class TrustStore:
    """Checks device certificates. What never changes (who signed, until when) is kept by fingerprint; revocations
    are read anew every few seconds.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._dates: OrderedDict[str, tuple[datetime, datetime]] = OrderedDict()
        self._revoked: frozenset[str] = frozenset()
        self._authorities: list[Authority] = []
        self._read_at = float("-inf")

    def check(self, certificate_der: bytes, now: datetime) -> str:
        """Return the fingerprint (SHA-256, hex) of a trusted certificate. Raises `UntrustedCertificate`."""
        fingerprint = sha256(certificate_der).hexdigest()
        if self._read_at == float("-inf"):
            self.refresh()
        dates = self._dates.get(fingerprint)
        if dates is None:
            dates = self._verify(certificate_der)
            with self._lock:
                self._dates[fingerprint] = dates
                while len(self._dates) > MAX_CACHED:
                    self._dates.popitem(last=False)
        if now < dates[0]:
            raise UntrustedCertificate(Distrust.NOT_YET_VALID)
        if now > dates[1]:
            raise UntrustedCertificate(Distrust.EXPIRED)
        if fingerprint in self._revoked:
            raise UntrustedCertificate(Distrust.REVOKED)
        return fingerprint

    def forget(self) -> None:
        """Read authorities and revocations anew at the next check."""
        self._read_at = float("-inf")

    def _verify(self, der: bytes) -> tuple[datetime, datetime]:
        try:
            certificate = x509.load_der_x509_certificate(der)
        except ValueError as error:
            raise UntrustedCertificate(Distrust.UNREADABLE) from error
        for authority in self._authorities:
            try:
                certificate.verify_directly_issued_by(authority.certificate)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return certificate.not_valid_before_utc, certificate.not_valid_after_utc
        raise UntrustedCertificate(Distrust.FOREIGN)

    def refresh(self) -> None:
        """Read authorities and revocations anew when they are stale. Called where a query may block: the batcher."""
        if time.monotonic() - self._read_at < STALE_AFTER:
            return
        with self._lock:
            if time.monotonic() - self._read_at < STALE_AFTER:
                return
            with self._runtime.open_unit_of_work() as work:
                self._authorities = authorities(work)
                self._revoked = frozenset(row[0] for row in IdentityRepository(work.session).revoked_since())
            self._read_at = time.monotonic()


def describe(work: UnitOfWork, fingerprint: str) -> KnownCertificate:
    """Return for whom a trusted certificate was issued. Raises `UntrustedCertificate` when it is not in the books."""
    repository = IdentityRepository(work.session)
    row = repository.by_fingerprint(fingerprint)
    if row is None:
        raise UntrustedCertificate(Distrust.UNKNOWN)
    if row.revoked_at is not None:
        raise UntrustedCertificate(Distrust.REVOKED)
    proof = repository.attestation(row.id) if row.attested else None
    known = KnownCertificate(row.fingerprint, row.id, row.invitation_id, row.tablet_id)
    return known if proof is None else replace(known, serial=proof.serial, udid=proof.udid)
