"""Errors of notices."""

from __future__ import annotations

from cartable.errors import Invalid
from cartable.i18n import Message


class UnsafeWebhook(Invalid):
    """The address of a webhook is no https address of a public host."""

    code = "unsafe_webhook"
    message = Message(
        "The address must begin with https:// and belong to a public host. The operator can allow private networks."
    )
