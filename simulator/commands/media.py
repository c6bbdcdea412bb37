"""Answers about books (commands.md section 4)."""

from __future__ import annotations

from simulator.commands.base import Body, CannotDo, Code, Malformed, Request, Right, answers, link


@answers("InstallMedia", right=Right.MANAGE_APPS, minimum=8)
def install_media(request: Request) -> Body:
    """A book, from the store or from an address."""
    arguments = request.arguments
    if request.need("MediaType", str) != "Book":
        raise Malformed("MediaType")
    key = _key(arguments)
    book = {name: arguments[name] for name in _SHOWN if name in arguments}
    request.device.books[key] = book | {"State": "Installed"}
    return {
        "State": "Queued",
        **{name: arguments[name] for name in ("iTunesStoreID", "MediaURL", "PersistentID") if name in arguments},
    }


@answers("RemoveMedia", right=Right.MANAGE_APPS, minimum=8)
def remove_media(request: Request) -> Body:
    """By the id it was installed with."""
    if request.device.books.pop(_key(request.arguments), None) is None:
        raise CannotDo(link(Code.NO_SUCH_APP, "No such book."))
    return {}


@answers("ManagedMediaList", right=Right.MANAGE_APPS, minimum=8)
def managed_media_list(request: Request) -> Body:
    """All managed books."""
    return {"Books": list(request.device.books.values())}


_SHOWN = ("iTunesStoreID", "PersistentID", "Kind", "Version", "Author", "Title")


def _key(arguments: Body) -> str:
    for name in ("PersistentID", "iTunesStoreID", "MediaURL"):
        if name in arguments:
            return str(arguments[name])
    raise Malformed("which book?")
