"""Refusals around the organisation's key."""

from __future__ import annotations

from cartable.errors import Invalid, NotFound
from cartable.i18n import Message


class BadOrganisationKey(Invalid):
    """The text is no EC P-256 private key, or its names are not those of the portal."""

    code = "organisation_key_bad"
    message = Message("This is no EC P-256 private key from the portal ({why}).")


class NoOrganisationKey(NotFound):
    """The town has no key for the API."""

    code = "organisation_no_key"
    message = Message("No organisation key is installed.")
