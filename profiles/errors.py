"""Refusals of policy: values that are not acceptable are named when they are saved, never when they are sent."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Words


class BadSetting(Invalid):
    """A setting is unknown or its value is not acceptable."""

    code = "bad_setting"
    words = Words(fr="Le réglage « {field} » ne convient pas : {why}.", en="The setting '{field}' is not acceptable: {why}.")


class BadHost(Invalid):
    """An entry of a filter list is no host name."""

    code = "bad_host"
    words = Words(fr="« {host} » n'est pas un nom d'hôte.", en="'{host}' is not a host name.")


class ListTooLong(Invalid):
    """The built-in filter bears so many entries and no more."""

    code = "list_too_long"
    words = Words(fr="La liste « {field} » dépasse {maximum} entrées.", en="The list '{field}' exceeds {maximum} entries.")


class BadApp(Invalid):
    """An app's identifiers are not acceptable."""

    code = "bad_app"
    words = Words(fr="L'application ne convient pas ({field}).", en="The app is not acceptable ({field}).")


class BundleNotFound(NotFound):
    """No such bundle in the caller's reach."""

    code = "bundle_not_found"
    words = Words(fr="Ce bouquet est introuvable.", en="This bundle was not found.")


class AppNotFound(NotFound):
    """No such app in the caller's reach."""

    code = "app_not_found"
    words = Words(fr="Cette application est introuvable.", en="This app was not found.")


class AlreadyExists(Conflict):
    """The town already has one of that name or identifier."""

    code = "already_exists"
    words = Words(fr="La ville en a déjà un de ce nom.", en="The town already has one of that name.")


class LicencesShort(Conflict):
    """A place needs more licences than the town owns; nothing was saved."""

    code = "licences_short"
    words = Words(
        fr="{place} a besoin de {needed} licences de {app}, la ville en a {owned} (dont {free} libres).",
        en="{place} needs {needed} licences of {app}, the town owns {owned} ({free} of them free).",
    )


class BadList(Invalid):
    """An archive of lists is not one, or too large."""

    code = "bad_list"
    words = Words(fr="Cette archive de listes ne convient pas ({why}).", en="This archive of lists is not acceptable ({why}).")
