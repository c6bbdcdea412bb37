"""The pages that the search finds by their names: the chapters of the menu, and pages that lie one step below."""

from __future__ import annotations

from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from enrollment.people.text import make_label_key
from mdm.console.chapters import CHAPTERS, Chapter

#: Pages that the menu does not have. The title has the words by which people search it.
_PAGES: tuple[Chapter, ...] = (
    Chapter("/hours/tablet", Message("What will a tablet be at an hour?"), (Permission.SEE,)),
    Chapter("/ending-identities", Message("Tablets about to go silent"), (Permission.SEE,)),
    Chapter("/app-requests", Message("Requests for apps"), (Permission.TEACH, Permission.LEAD, Permission.AUTHOR)),
    Chapter("/app-sheets", Message("Data-protection sheets of apps"), (Permission.PRIVACY,)),
    Chapter("/roles", Message("Roles: who may do what"), (Permission.SEE,)),
    Chapter("/start", Message("First days: what is still to do"), (Permission.GOVERN,)),
    Chapter("/start/tablet", Message("First tablet, invitation by QR code"), (Permission.HANDLE,)),
    Chapter("/api/docs", Message("API"), (Permission.GOVERN, Permission.OPERATE)),
    Chapter("/me", Message("My account, my password"), (Permission.SEE,)),
)


def find_pages(actor: Actor, text: str, language: Language, limit: int) -> list[tuple[str, str]]:
    """Return address and name of the pages whose name has every word of a text, of those that the actor may open."""
    words = make_label_key(text).split()
    pages = [(page.address, page.title.translate(language)) for page in (*CHAPTERS, *_PAGES) if page.is_open_to(actor)]
    return [page for page in pages if words and all(word in make_label_key(page[1]) for word in words)][:limit]
