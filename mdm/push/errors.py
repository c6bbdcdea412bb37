"""Errors about the push certificate."""

from __future__ import annotations

from enum import StrEnum

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Language, Message


class NoPushCertificate(Conflict):
    """No push certificate is installed."""

    code = "no_push_certificate"
    message = Message("No push certificate is installed.")


class PushTopicChanged(Conflict):
    """The certificate has another topic than the active one: no enrolled tablet could be pushed any more."""

    code = "push_other_topic"
    message = Message(
        "This certificate has another topic ({offered}) than the present one ({current}): every tablet would fall silent."
    )


class CertificateProblem(StrEnum):
    """Why a certificate, its key or a request for one cannot be used."""

    UNREADABLE = "unreadable"
    OTHER_KIND = "other_kind"
    EXPIRED = "expired"
    UNREADABLE_KEY = "unreadable_key"
    OTHER_KEY = "other_key"
    NO_REQUEST = "no_request"
    UNREADABLE_REQUEST = "unreadable_request"
    VENDOR_KEY_NOT_RSA = "vendor_key_not_rsa"


_PROBLEMS: dict[CertificateProblem, Message] = {
    CertificateProblem.UNREADABLE: Message("This file is no certificate (PEM). Download it again from Apple's portal."),
    CertificateProblem.OTHER_KIND: Message(
        "This is no push certificate for MDM. Apple's portal gives it for the request that the vendor has signed."
    ),
    CertificateProblem.EXPIRED: Message(
        "This certificate has expired: renew its entry in Apple's portal, then download it again."
    ),
    CertificateProblem.UNREADABLE_KEY: Message("The key cannot be read: it must be PEM without a password."),
    CertificateProblem.OTHER_KEY: Message("The key does not belong to this certificate."),
    CertificateProblem.NO_REQUEST: Message(
        "No request of this server belongs to this certificate: send Apple's portal a request that was made here."
    ),
    CertificateProblem.UNREADABLE_REQUEST: Message("This file is no certificate request (PEM)."),
    CertificateProblem.VENDOR_KEY_NOT_RSA: Message("The key of the vendor must be RSA, in PEM without a password."),
}


class BadPushCertificate(Invalid):
    """The certificate, its key or the request cannot be used; `problem` is the reason."""

    code = "push_bad_certificate"

    def __init__(self, problem: CertificateProblem) -> None:
        super().__init__(problem=problem.value)
        self.problem = problem

    def translate(self, language: Language) -> str:
        """Return the sentence for a person: what is wrong, and what to do."""
        return _PROBLEMS[self.problem].translate(language)


class RequestNotFound(NotFound):
    """There is no such request for a push certificate."""

    code = "push_request_not_found"
    message = Message("This request for a push certificate is unknown.")
