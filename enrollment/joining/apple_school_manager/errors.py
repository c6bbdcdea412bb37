"""Refusals around the organisation's key."""

from __future__ import annotations

from cartable.errors import Invalid, NotFound
from cartable.i18n import Words


class BadOrganisationKey(Invalid):
    """The text is no EC P-256 private key, or its names are not those of the portal."""

    code = "organisation_key_bad"
    words = Words(
        fr="Ce n'est pas une clé privée EC P-256 du portail ({why}).",
        en="This is no EC P-256 private key from the portal ({why}).",
    )


class NoOrganisationKey(NotFound):
    """The town has no key for the API."""

    code = "organisation_no_key"
    words = Words(fr="Aucune clé d'organisation n'est installée.", en="No organisation key is installed.")
