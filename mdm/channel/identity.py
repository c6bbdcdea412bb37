"""Who is asking: the one verifier of `Mdm-Signature` and of a trusted proxy's header. Fails closed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from uuid import UUID

from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.errors import UntrustedCertificate
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.verifier import TrustStore, describe
from mdm.channel.errors import ChannelRefusal, Refused
from mdm.channel.repository import ChannelRepository
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.certificate_header import certificate_from_header
from mdm.protocol.cms import verify_detached
from mdm.protocol.errors import BadSignature

SIGNATURE = b"mdm-signature"
#: RFC 9440, and the names under which common proxies hand on escaped PEM.
CERTIFICATE_HEADERS = (b"client-cert", b"x-client-cert", b"x-ssl-client-cert", b"ssl-client-cert")


class Verifier:
    """Proves which of our certificates a request was made with."""

    def __init__(self, settings: Settings, trust: TrustStore) -> None:
        self._networks = settings.proxy_networks
        self._trust = trust

    def fingerprint(self, headers: Mapping[bytes, bytes], body: bytes, peer: str | None, now: datetime) -> str:
        """Return the fingerprint of the proven certificate. Raises `ChannelRefusal`; never says 401."""
        signature = headers.get(SIGNATURE)
        try:
            if signature is not None:
                der = verify_detached(signature, body).certificate_der
            else:
                der = self._from_proxy(headers, peer)
            return self._trust.check(der, now)
        except BadSignature as error:
            raise ChannelRefusal(Refused.BAD_SIGNATURE, str(error)[:80]) from error
        except UntrustedCertificate as error:
            raise ChannelRefusal(Refused.UNTRUSTED, error.reason.value) from error

    def _from_proxy(self, headers: Mapping[bytes, bytes], peer: str | None) -> bytes:
        """The certificate in a proxy's header; from anybody else such a header is worth nothing."""
        found = next((headers[name] for name in CERTIFICATE_HEADERS if name in headers), None)
        if found is None or not self._trusts(peer):
            raise ChannelRefusal(Refused.NO_IDENTITY)
        return certificate_from_header(found)

    def _trusts(self, peer: str | None) -> bool:
        if peer is None or not self._networks:
            return False
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def take_over(work: UnitOfWork, enrollment_id: int, fingerprint: str) -> bool:
    """Whether this certificate is the renewal of the one pinned: issued for the very same tablet, and later.

    If so it is pinned from now on: it has been seen (protocol.md section 3.4).
    """
    try:
        offered = describe(work, fingerprint)
    except UntrustedCertificate:
        return False
    enrollment = work.session.get_one(DeviceEnrollment, enrollment_id)
    if (
        offered.tablet_id is None
        or offered.tablet_id != enrollment.tablet_id
        or not offered.is_of(offered.serial, enrollment.udid)
    ):
        return False
    if not _is_newer(work, offered.certificate_id, enrollment.fingerprint):
        return False
    ChannelRepository(work.session).promote(enrollment.parent_id or enrollment.id, fingerprint)
    return True


def _is_newer(work: UnitOfWork, certificate_id: UUID, pinned: str) -> bool:
    repository = IdentityRepository(work.session)
    new, old = repository.certificate(certificate_id), repository.by_fingerprint(pinned)
    return new is not None and (old is None or new.issued_at > old.issued_at)
