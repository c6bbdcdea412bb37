"""Errors of the web filter: hosts and archives of lists."""

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
