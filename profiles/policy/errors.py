"""Refusals of layers."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Words


class LayerNotFound(NotFound):
    """No such layer in the caller's reach."""

    code = "layer_not_found"
    words = Words(fr="Cette couche de règles est introuvable.", en="This layer was not found.")


class VersionNotFound(NotFound):
    """The layer has no such version."""

    code = "version_not_found"
    words = Words(fr="Cette version est introuvable.", en="This version was not found.")


class BadTarget(Invalid):
    """The layer names a place that does not exist or does not fit its kind."""

    code = "bad_target"
    words = Words(fr="Cette couche ne désigne rien de connu ({field}).", en="This layer names nothing that exists ({field}).")


class Loosens(Invalid):
    """The layer wants something that a lock above forbids: it would have no effect."""

    code = "locked_above"
    words = Words(
        fr="Le réglage « {field} » est verrouillé plus haut : cette valeur n'aurait aucun effet.",
        en="The setting '{field}' is locked above: this value would have no effect.",
    )


class CannotPublish(Conflict):
    """The version is not a draft or a roll-out, or another roll-out is under way."""

    code = "cannot_publish"
    words = Words(fr="Cette version ne peut pas être publiée ({why}).", en="This version cannot be published ({why}).")
