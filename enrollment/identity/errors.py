"""Errors of the device CA."""

from __future__ import annotations

from enum import StrEnum

from cartable.errors import DomainError, Invalid, NotFound
from cartable.i18n import Message


class UntrustedReason(StrEnum):
    """Why a certificate is not trusted."""

    UNREADABLE = "unreadable"
    OTHER_ISSUER = "foreign"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"


class UntrustedCertificate(Exception):
    """The certificate was not issued by our CA, or is not valid now. `reason` is for the log."""

    def __init__(self, reason: UntrustedReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class ChallengeProblem(StrEnum):
    """Why a known challenge is refused."""

    USED_BY_ANOTHER = "used_by_another_key"
    EXPIRED = "expired"


class ChallengeRefused(DomainError):
    """The challenge is unknown, spent, expired, or of another protocol."""

    code = "challenge_refused"
    status = 403
    message = Message("This enrolment challenge is not valid.")


class InvalidAuthority(Invalid):
    """The certificate and key cannot be used as a device CA."""

    code = "bad_authority"
    message = Message("This authority cannot be used: {why}.")


class CertificateNotFound(NotFound):
    """No such certificate."""

    code = "certificate_not_found"
    message = Message("This certificate was not found.")
