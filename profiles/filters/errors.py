"""Errors of the web filter: hosts and archives of lists."""

from __future__ import annotations

from cartable.errors import Invalid
from cartable.i18n import Words


class BadHost(Invalid):
    """A text is no host name."""

    code = "bad_host"
    words = Words(fr="« {host} » n'est pas un nom d'hôte.", en="'{host}' is not a host name.")


class BadList(Invalid):
    """An archive of lists is not one, or too large."""

    code = "bad_list"
    words = Words(fr="Cette archive de listes ne convient pas ({why}).", en="This archive of lists is not acceptable ({why}).")
