"""Refusals of the device CA."""

from __future__ import annotations

from enum import StrEnum

from cartable.errors import DomainError, Invalid, NotFound
from cartable.i18n import Message


class Distrust(StrEnum):
    """Why a certificate is not accepted."""

    UNREADABLE = "unreadable"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"


class UntrustedCertificate(Exception):
    """The certificate is not one of ours, or no longer. `reason` says why, for the log."""

    def __init__(self, reason: Distrust) -> None:
        super().__init__(reason.value)
        self.reason = reason


class ChallengeRefused(DomainError):
    """The challenge is unknown, spent, too old, or of another path."""

    code = "challenge_refused"
    status = 403
    message = Message("This enrolment challenge is not valid.")


class BadAuthority(Invalid):
    """The certificate and key offered cannot serve as a device CA."""

    code = "bad_authority"
    message = Message("This authority cannot be used: {why}.")


class CertificateNotFound(NotFound):
    """No such certificate."""

    code = "certificate_not_found"
    message = Message("This certificate was not found.")
