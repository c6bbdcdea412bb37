"""Errors about the push certificate."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid
from cartable.i18n import Message


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


class BadPushCertificate(Invalid):
    """The certificate cannot be used; `why` says the reason."""

    code = "push_bad_certificate"
    message = Message("This certificate cannot be used: {why}.")
