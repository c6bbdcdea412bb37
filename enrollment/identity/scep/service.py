"""Handling SCEP requests: a certificate for a challenge, a renewal for a certificate. Never commits.

See docs/domain/identity.md#scep.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import rsa

from cartable.certificates import is_issued_by, read_certificate
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import keys
from enrollment.identity import service as identity
from enrollment.identity.ca import ensure_authority, list_authorities
from enrollment.identity.envelopes import ContentCipher
from enrollment.identity.errors import ChallengeRefused
from enrollment.identity.models import DeviceCertificate, IdentityProtocol
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.scep import wire
from enrollment.identity.scep.wire import FailInfo, PkiMessage, ScepFailure, ScepMessageType, ScepRequest
from enrollment.identity.signing.choosing import get_device_signer
from enrollment.identity.signing.port import DeviceSigner

log = structlog.get_logger()

#: RFC 8894 section 3.5.2. SCEPStandard implies AES, POST and SHA-256, but older clients need each by name.
#: strongSwan 5.9.8 reads the line SHA-384 as SCEPStandard.
CAPABILITIES = b"Renewal\nSHA-1\nSHA-256\nSHA-384\nSHA-512\nAES\nDES3\nSCEPStandard\nPOSTPKIOperation\n"


@dataclass(frozen=True, slots=True)
class ScepIssuance:
    """The issued certificate, and the cipher for the response."""

    certificate: DeviceCertificate
    cipher: ContentCipher


def handle_pki_operation(work: UnitOfWork, der: bytes) -> bytes:
    """Return the CertRep for a PKIOperation, of success or of failure. Raises `wire.NotScep`, `SignerUnavailable`."""
    authority = ensure_authority(work)
    signer = get_device_signer(work, authority)
    message = wire.parse_message(der)
    try:
        signer_key = wire.verify_signature(message)
        issuance = _issue_or_renew(work, message, signer_key, signer)
    except ScepFailure as failure:
        log.warning("scep.refused", why=failure.why, info=failure.info.name, transaction=message.transaction_id[:64])
        return wire.build_failure(message, authority, signer, failure.info)
    return wire.build_success(message, authority, signer, issuance.certificate.der, issuance.cipher)


def _issue_or_renew(work: UnitOfWork, message: PkiMessage, signer_key: rsa.RSAPublicKey, signer: DeviceSigner) -> ScepIssuance:
    if message.message_type not in {ScepMessageType.PKCS_REQ, ScepMessageType.RENEWAL_REQ}:
        raise ScepFailure(FailInfo.BAD_REQUEST, f"message type {message.message_type[:8]}")
    request = wire.decrypt_request(message, signer)
    minimum = 1024 if work.settings.scep_allow_rsa1024 else 2048
    if request.key.key_size < minimum or request.key.key_size > 8192:
        raise ScepFailure(FailInfo.BAD_ALG, "key size")
    if message.message_type == ScepMessageType.RENEWAL_REQ:
        return ScepIssuance(_renew_certificate(work, message, request), request.cipher)
    if request.cipher is ContentCipher.DES and not work.settings.scep_allow_single_des:
        raise ScepFailure(FailInfo.BAD_ALG, "single DES")
    if keys.compute_fingerprint(signer_key) != keys.compute_fingerprint(request.key):
        # RFC 8894 section 2.3 recommends one key and does not demand it. The challenge and the proof of possession are in the
        # request, and only the signer can read the response, so a client that signs with a key of its own gains nothing.
        log.info("scep.own_signer_key", transaction=message.transaction_id[:64])
    if not request.challenge:
        raise ScepFailure(FailInfo.BAD_REQUEST, "no challenge")
    try:
        challenge = identity.get_valid_challenge(work, request.challenge, IdentityProtocol.SCEP)
        return ScepIssuance(identity.redeem_challenge(work, challenge, request.key, message.transaction_id), request.cipher)
    except ChallengeRefused:
        raise ScepFailure(FailInfo.BAD_REQUEST, "challenge") from None


def _renew_certificate(work: UnitOfWork, message: PkiMessage, request: ScepRequest) -> DeviceCertificate:
    """Return a new certificate for a RenewalReq (RFC 8894 section 2.3): signed with the current certificate, without challenge.

    Raises `ScepFailure`.
    """
    if request.cipher is ContentCipher.DES:
        raise ScepFailure(FailInfo.BAD_ALG, "single DES is for enrollment only")
    current = _get_issued_certificate(work, message.signer)
    if current.revoked_at is not None:
        raise ScepFailure(FailInfo.BAD_CERT_ID, "revoked")
    if current.not_after <= work.now or current.not_before > work.now:
        raise ScepFailure(FailInfo.BAD_TIME, "not in its time")
    key_sha256 = keys.compute_fingerprint(request.key)
    for issued in IdentityRepository(work.session).list_by_transaction(message.transaction_id):
        if issued.key_sha256 == key_sha256 and issued.tablet_id == current.tablet_id:
            return issued  # the request was repeated because its response was lost
    holder = identity.CertificateHolder(invitation_id=current.invitation_id, tablet_id=current.tablet_id)
    return identity.issue_certificate(work, holder, request.key, message.transaction_id)


def _get_issued_certificate(work: UnitOfWork, signer: asn1_x509.Certificate) -> DeviceCertificate:
    der = signer.dump()
    certificate = read_certificate(der)
    for authority in list_authorities(work):
        if not is_issued_by(certificate, authority.certificate):
            continue
        row = IdentityRepository(work.session).get_by_fingerprint(signer.sha256.hex())
        if row is not None:
            return row
    raise ScepFailure(FailInfo.BAD_CERT_ID, "not a certificate of ours")
