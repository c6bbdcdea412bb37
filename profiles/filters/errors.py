"""Errors of the web filter: hosts, archives and releases of lists, what a town chooses."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid
from cartable.i18n import Message


class BadHost(Invalid):
    """A text is no host name."""

    code = "bad_host"
    message = Message("'{host}' is not a host name.")


class BadList(Invalid):
    """An archive of lists is not one, or too large."""

    code = "bad_list"
    message = Message("This archive of lists is not acceptable ({why}).")


class DamagedMember(BadList):
    """A file in an archive of lists cannot be read; details name it as `member`."""

    message = Message("The file “{member}” of this archive is damaged.")


class ListImportUnconfirmed(Conflict):
    """The import would leave categories without hosts (`emptied`) or take them away (`removed`); `baseline` names those among them that
    are closed to every child.
    """

    code = "list_import_unconfirmed"
    message = Message("This import would empty or remove categories: {categories}. Confirm it.")


class ReleaseDecided(Conflict):
    """The release does not wait any more: it is in force, stopped, or replaced by a newer one."""

    code = "release_decided"
    message = Message("These lists were decided on already.")


class BadFilterOptions(Invalid):
    """Too many sites of the town's own, or a trial that is too short or too long."""

    code = "bad_filter_options"
    message = Message("A town has at most {hosts} sites of its own, and a trial takes 1 to {hours} hours.")
