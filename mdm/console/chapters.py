"""The menu of the console: its chapters by permission, and the page on which a role begins the day."""

from __future__ import annotations

from fastapi import Request

from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission, Role
from mdm.console.places_bar import Place

#: Where a day begins: the page of what is to do, which leads on whoever begins elsewhere.
HOME_PAGE = "/today"
#: The chapters in the bar at the top: address, word, and the rights of which one needs one somewhere to see it.
CHAPTERS: tuple[tuple[str, Message, *tuple[Permission, ...]], ...] = (
    (HOME_PAGE, Message("Today"), Permission.CARE),
    ("/", Message("Tablets"), Permission.SEE),
    ("/commands", Message("Commands"), Permission.CARE),
    ("/class", Message("Class"), Permission.TEACH),
    ("/activities", Message("Activities"), Permission.ACTIVITY),
    ("/losses", Message("Losses"), Permission.TEACH, Permission.ACTIVITY, Permission.CARE),
    ("/pupils", Message("Pupils"), Permission.ROSTER),
    ("/desk", Message("Desk"), Permission.HANDLE),
    ("/apps", Message("Apps"), Permission.AUTHOR),
    ("/rosters", Message("Rosters"), Permission.ROSTER),
    ("/staff", Message("Staff"), Permission.ROSTER),
    ("/substitutes", Message("Substitutes"), Permission.LEAD),
    ("/year", Message("School year"), Permission.LEAD),
    ("/rules", Message("Rules"), Permission.AUTHOR),
    ("/hours", Message("Hours"), Permission.AUTHOR),
    ("/calendar", Message("Calendar"), Permission.AUTHOR),
    ("/town", Message("Town"), Permission.AUTHOR),
    ("/accounts", Message("Accounts"), Permission.GOVERN),
    ("/safeguards", Message("Safeguards"), Permission.CARE),
    ("/data", Message("Data and rights"), Permission.PRIVACY),
    ("/towns", Message("Towns"), Permission.OPERATE),
    ("/system", Message("Server"), Permission.GOVERN, Permission.OPERATE),
)


def list_chapters(request: Request, language: Language) -> list[tuple[str, str, bool]]:
    """Return address and title of the chapters this person may open, and whether the page belongs to it."""
    actor: Actor | None = getattr(request.state, "actor", None)
    here = request.url.path
    place: Place = getattr(request.state, "place", Place())
    query = place.build_query(narrow=False)
    return [
        (
            f"{address}?{query}" if query else address,
            title.translate(language),
            here == address or (address != "/" and here.startswith(address + "/")),
        )
        for address, title, *permissions in CHAPTERS
        if actor is not None
        and (actor.everywhere or any(grant.allows(each) for grant in actor.role_assignments for each in permissions))
    ]


#: The first page of people whose roles are all of one kind; for others it is `HOME_PAGE`.
_START_PAGES: tuple[tuple[frozenset[Role], str], ...] = (
    (frozenset({Role.OPERATOR}), "/start"),
    (frozenset({Role.TEACHER, Role.SUBSTITUTE}), "/class"),
    (frozenset({Role.AFTER_SCHOOL_AGENT}), "/activities"),
    (frozenset({Role.DPO}), "/data"),
)


def find_start_page(actor: Actor) -> str | None:
    """Return the page on which a person begins the day; None for the page of what is to do."""
    roles = {assignment.role for assignment in actor.role_assignments}
    return next((page for kinds, page in _START_PAGES if roles and roles <= kinds), None)
