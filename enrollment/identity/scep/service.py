"""What the SCEP server grants: a certificate for a challenge, a renewal for a certificate. Never commits."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from cartable.unit_of_work import UnitOfWork
from enrollment.identity import keys
from enrollment.identity import service as identity
from enrollment.identity.ca import Authority, authorities, ensure_authority
from enrollment.identity.errors import ChallengeRefused
from enrollment.identity.models import DeviceCertificate, IdentityPath
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.scep import wire
from enrollment.identity.scep.ciphers import Cipher
from enrollment.identity.scep.wire import FailInfo, MessageType, PkiMessage, Request, ScepFailure

log = structlog.get_logger()

#: RFC 8894 section 3.5.2. SCEPStandard implies AES, POST and SHA-256; older clients look for each by name, and strongSwan
#: 5.9.8 takes the line SHA-384 for SCEPStandard.
CAPABILITIES = b"Renewal\nSHA-1\nSHA-256\nSHA-384\nSHA-512\nAES\nDES3\nSCEPStandard\nPOSTPKIOperation\n"


@dataclass(frozen=True, slots=True)
class Granted:
    """What a request may have: the certificate, and the cipher to answer in."""

    certificate: DeviceCertificate
    cipher: Cipher


def answer(work: UnitOfWork, der: bytes) -> bytes:
    """Answer a PKIOperation with a CertRep, of success or of failure. Raises `wire.NotScep`."""
    authority = ensure_authority(work)
    message = wire.read(der)
    try:
        granted = _grant(work, message, authority)
    except ScepFailure as refused:
        log.warning("scep.refused", why=refused.why, info=refused.info.name, transaction=message.transaction_id[:64])
        return wire.failure(message, authority, refused.info)
    return wire.success(message, authority, granted.certificate.der, granted.cipher)


def _grant(work: UnitOfWork, message: PkiMessage, authority: Authority) -> Granted:
    if message.message_type not in {MessageType.PKCS_REQ, MessageType.RENEWAL_REQ}:
        raise ScepFailure(FailInfo.BAD_REQUEST, f"message type {message.message_type[:8]}")
    request = wire.open_request(message, authority)
    minimum = 1024 if work.settings.scep_allow_rsa1024 else 2048
    if request.key.key_size < minimum or request.key.key_size > 8192:
        raise ScepFailure(FailInfo.BAD_ALG, "key size")
    if message.message_type == MessageType.RENEWAL_REQ:
        return Granted(_renew(work, message, request), request.cipher)
    if request.cipher is Cipher.DES and not work.settings.scep_allow_single_des:
        raise ScepFailure(FailInfo.BAD_ALG, "single DES")
    if keys.fingerprint(message.signer_key) != keys.fingerprint(request.key):
        raise ScepFailure(FailInfo.BAD_REQUEST, "the request's key is not the signer's")
    if not request.challenge:
        raise ScepFailure(FailInfo.BAD_REQUEST, "no challenge")
    try:
        challenge = identity.challenge_of(work, request.challenge, IdentityPath.SCEP)
        return Granted(identity.redeem(work, challenge, request.key, message.transaction_id), request.cipher)
    except ChallengeRefused:
        raise ScepFailure(FailInfo.BAD_REQUEST, "challenge") from None


def _renew(work: UnitOfWork, message: PkiMessage, request: Request) -> DeviceCertificate:
    """RenewalReq (RFC 8894 section 2.3): signed with the certificate that is to be replaced; no challenge."""
    if request.cipher is Cipher.DES:
        raise ScepFailure(FailInfo.BAD_ALG, "single DES is for enrolment only")
    current = _own_certificate(work, message.signer)
    if current.revoked_at is not None:
        raise ScepFailure(FailInfo.BAD_CERT_ID, "revoked")
    if current.not_after <= work.now or current.not_before > work.now:
        raise ScepFailure(FailInfo.BAD_TIME, "not in its time")
    wanted = keys.fingerprint(request.key)
    for made in IdentityRepository(work.session).by_transaction(message.transaction_id):
        if made.key_sha256 == wanted and made.tablet_id == current.tablet_id:
            return made  # the same request again, its answer was lost
    holder = identity.Holder(invitation_id=current.invitation_id, tablet_id=current.tablet_id)
    return identity.issue(work, holder, request.key, message.transaction_id)


def _own_certificate(work: UnitOfWork, signer: asn1_x509.Certificate) -> DeviceCertificate:
    der = signer.dump()
    certificate = x509.load_der_x509_certificate(der)
    for authority in authorities(work):
        try:
            certificate.verify_directly_issued_by(authority.certificate)
        except (ValueError, TypeError, InvalidSignature):
            continue
        row = IdentityRepository(work.session).by_fingerprint(signer.sha256.hex())
        if row is not None:
            return row
    raise ScepFailure(FailInfo.BAD_CERT_ID, "not a certificate of ours")
