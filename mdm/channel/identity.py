"""Verification of the certificate behind a request: from `Mdm-Signature` or from a trusted proxy's header. Fails closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from uuid import UUID

from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.errors import UntrustedCertificate
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.verifier import TrustStore, get_known_certificate
from mdm.channel.errors import DeviceRequestRejected, RejectionReason
from mdm.devices.models import DeviceEnrollment
from mdm.devices.repository import DeviceRepository
from mdm.protocol.certificate_header import parse_certificate_header
from mdm.protocol.cms import SignerCertificateCache, verify_detached
from mdm.protocol.errors import BadSignature

SIGNATURE_HEADER = b"mdm-signature"
#: RFC 9440, and the header names under which common proxies send escaped PEM.
CERTIFICATE_HEADERS = (b"client-cert", b"x-client-cert", b"x-ssl-client-cert", b"ssl-client-cert")


@dataclass(frozen=True, slots=True)
class VerifiedIdentity:
    """The certificate that a request was made with, and its fingerprint: of our CA, in date, not revoked."""

    fingerprint: str
    certificate: bytes


class IdentityVerifier:
    """Determines which certificate of this server's CA a request was made with."""

    def __init__(self, settings: Settings, trust: TrustStore) -> None:
        self._networks = settings.proxy_networks
        self._trust = trust
        self._certificates = SignerCertificateCache()

    def verify_request(self, headers: Mapping[bytes, bytes], body: bytes, peer: str | None, now: datetime) -> VerifiedIdentity:
        """Return the verified certificate. Raises `DeviceRequestRejected`, never with status 401."""
        signature = headers.get(SIGNATURE_HEADER)
        try:
            if signature is not None:
                signer = verify_detached(signature, body, self._certificates).signer
                identity = VerifiedIdentity(self._trust.check_certificate(signer.der, now), signer.der)
                self._certificates.keep(signer)
                return identity
            der = self._read_proxy_certificate(headers, peer)
            return VerifiedIdentity(self._trust.check_certificate(der, now), der)
        except BadSignature as error:
            raise DeviceRequestRejected(RejectionReason.BAD_SIGNATURE, str(error)[:80]) from error
        except UntrustedCertificate as error:
            raise DeviceRequestRejected(RejectionReason.UNTRUSTED, error.reason.value) from error

    def _read_proxy_certificate(self, headers: Mapping[bytes, bytes], peer: str | None) -> bytes:
        """Return the certificate in the header of a trusted proxy; the header of anybody else is ignored."""
        header = next((headers[name] for name in CERTIFICATE_HEADERS if name in headers), None)
        if header is None or not self._is_trusted_proxy(peer):
            raise DeviceRequestRejected(RejectionReason.NO_IDENTITY)
        return parse_certificate_header(header)

    def _is_trusted_proxy(self, peer: str | None) -> bool:
        if peer is None or not self._networks:
            return False
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def pin_renewed_certificate(work: UnitOfWork, enrollment_id: int, fingerprint: str) -> bool:
    """Pin a renewed certificate at its first use, if it was issued for the same tablet and later than the pinned one.

    Returns whether it was pinned (docs/domain/protocol.md#renewal).
    """
    try:
        offered = get_known_certificate(work, fingerprint)
    except UntrustedCertificate:
        return False
    enrollment = work.session.get_one(DeviceEnrollment, enrollment_id)
    if (
        offered.tablet_id is None
        or offered.tablet_id != enrollment.tablet_id
        or not offered.belongs_to(offered.serial, enrollment.udid)
    ):
        return False
    if not _is_newer_certificate(work, offered.certificate_id, enrollment.fingerprint):
        return False
    DeviceRepository(work.session).pin_certificate(enrollment.parent_id or enrollment.id, fingerprint)
    return True


def _is_newer_certificate(work: UnitOfWork, certificate_id: UUID, pinned_fingerprint: str) -> bool:
    repository = IdentityRepository(work.session)
    new, old = repository.get_certificate(certificate_id), repository.get_by_fingerprint(pinned_fingerprint)
    return new is not None and (old is None or new.issued_at > old.issued_at)
