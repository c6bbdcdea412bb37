"""Answers about books (commands.md section 4)."""

from __future__ import annotations

from simulator.commands.base import ResultBody, CommandFailed, ErrorCode, CommandMalformed, ReceivedCommand, AccessRight, command, build_error


@command("InstallMedia", right=AccessRight.MANAGE_APPS, minimum_os=8)
def install_media(request: ReceivedCommand) -> ResultBody:
    """A book, from the store or from an address."""
    arguments = request.arguments
    if request.require_argument("MediaType", str) != "Book":
        raise CommandMalformed("MediaType")
    key = _get_book_key(arguments)
    book = {name: arguments[name] for name in _REPORTED_KEYS if name in arguments}
    request.device.books[key] = book | {"State": "Installed"}
    return {
        "State": "Queued",
        **{name: arguments[name] for name in ("iTunesStoreID", "MediaURL", "PersistentID") if name in arguments},
    }


@command("RemoveMedia", right=AccessRight.MANAGE_APPS, minimum_os=8)
def remove_media(request: ReceivedCommand) -> ResultBody:
    """By the id it was installed with."""
    if request.device.books.pop(_get_book_key(request.arguments), None) is None:
        raise CommandFailed(build_error(ErrorCode.NO_SUCH_APP, "No such book."))
    return {}


@command("ManagedMediaList", right=AccessRight.MANAGE_APPS, minimum_os=8)
def managed_media_list(request: ReceivedCommand) -> ResultBody:
    """All managed books."""
    return {"Books": list(request.device.books.values())}


_REPORTED_KEYS = ("iTunesStoreID", "PersistentID", "Kind", "Version", "Author", "Title")


def _get_book_key(arguments: ResultBody) -> str:
    for name in ("PersistentID", "iTunesStoreID", "MediaURL"):
        if name in arguments:
            return str(arguments[name])
    raise CommandMalformed("which book?")
