"""The pages that the search finds by their names: the chapters of the menu, and pages that lie one step below."""

from __future__ import annotations

from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from enrollment.people.text import label_key
from mdm.console.chapters import CHAPTERS

#: Address, words by which people search it, and the rights of which one needs one somewhere.
_PAGES: tuple[tuple[str, Message, *tuple[Permission, ...]], ...] = (
    ("/apps/licences", Message("Licences, Apps and Books"), Permission.AUTHOR),
    ("/filter-lists", Message("Web filter: lists and categories"), Permission.AUTHOR),
    ("/hours/tablet", Message("What will a tablet be at an hour?"), Permission.SEE),
    ("/hours/days", Message("Exceptions: days and evaluations"), Permission.AUTHOR),
    ("/erases", Message("Erase many tablets"), Permission.DESTROY),
    ("/ending-identities", Message("Tablets about to go silent"), Permission.SEE),
    ("/audit", Message("Audit trail: who did what"), Permission.PRIVACY, Permission.GOVERN),
    ("/roles", Message("Roles: who may do what"), Permission.SEE),
    ("/start", Message("First days: what is still to do"), Permission.GOVERN),
    ("/start/tablet", Message("First tablet, invitation by QR code"), Permission.HANDLE),
    ("/me", Message("My account, my password"), Permission.SEE),
)


def find_pages(actor: Actor, text: str, language: Language, limit: int) -> list[tuple[str, str]]:
    """Return address and name of the pages whose name has every word of a text, of those that the actor may open."""
    words = label_key(text).split()
    pages = [
        (address, name.translate(language))
        for address, name, *permissions in (*CHAPTERS, *_PAGES)
        if any(grant.allows(each) for grant in actor.role_assignments for each in permissions)
    ]
    return [page for page in pages if words and all(word in label_key(page[1]) for word in words)][:limit]
