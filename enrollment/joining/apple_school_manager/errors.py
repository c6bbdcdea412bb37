"""Errors of an organisation's key."""

from __future__ import annotations

from cartable.errors import Invalid, NotFound
from cartable.i18n import Message


class InvalidOrganisationKey(Invalid):
    """The text is no EC P-256 private key, or the client id is not of its kind."""

    code = "organisation_key_invalid"
    message = Message("This is no EC P-256 private key from the portal ({why}).")


class NoOrganisationKey(NotFound):
    """The town has no organisation key."""

    code = "organisation_no_key"
    message = Message("No organisation key is installed.")
