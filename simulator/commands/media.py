"""Commands for books."""

from __future__ import annotations

from simulator.commands.base import (
    AccessRight,
    CommandFailed,
    CommandMalformed,
    ErrorCode,
    ReceivedCommand,
    ResultBody,
    answers_command,
    build_error,
)


@answers_command("InstallMedia", right=AccessRight.MANAGE_APPS, minimum_os=8)
def install_media(request: ReceivedCommand) -> ResultBody:
    """Install a book from the store or from a URL."""
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


@answers_command("RemoveMedia", right=AccessRight.MANAGE_APPS, minimum_os=8)
def remove_media(request: ReceivedCommand) -> ResultBody:
    """Remove a book by the id with which it was installed."""
    if request.device.books.pop(_get_book_key(request.arguments), None) is None:
        raise CommandFailed(build_error(ErrorCode.NO_SUCH_APP, "No such book."))
    return {}


@answers_command("ManagedMediaList", right=AccessRight.MANAGE_APPS, minimum_os=8)
def managed_media_list(request: ReceivedCommand) -> ResultBody:
    """List all managed books."""
    return {"Books": list(request.device.books.values())}


_REPORTED_KEYS = ("iTunesStoreID", "PersistentID", "Kind", "Version", "Author", "Title")


def _get_book_key(arguments: ResultBody) -> str:
    for name in ("PersistentID", "iTunesStoreID", "MediaURL"):
        if name in arguments:
            return str(arguments[name])
    raise CommandMalformed("PersistentID, iTunesStoreID or MediaURL")
