"""The menu of the console: its chapters in groups by permission, and the page on which a role begins the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from fastapi import Request

from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission, Role
from mdm.console.places_bar import Place

#: Where a day begins: the page of what is to do, which leads on whoever begins elsewhere.
HOME_PAGE = "/today"


@dataclass(frozen=True, slots=True)
class Chapter:
    """A page of the menu: address, title, and the rights of which one needs one somewhere to see it.

    `town_parameter` is the name under which its address takes a town.
    """

    address: str
    title: Message
    permissions: tuple[Permission, ...]
    town_parameter: str = "town"

    def is_open_to(self, actor: Actor) -> bool:
        """Return whether the actor has one of the rights in some town."""
        return actor.everywhere or any(grant.allows(each) for grant in actor.role_assignments for each in self.permissions)

    def covers(self, path: str) -> bool:
        """Return whether a page is the chapter's own or lies below it. Below the list of tablets lie their pages."""
        below = "/tablets/" if self.address == "/" else f"{self.address}/"
        return path == self.address or path.startswith(below)


class ChapterLink(NamedTuple):
    """A chapter in the menu of one page."""

    address: str
    title: str
    is_current: bool


class MenuGroup(NamedTuple):
    """Chapters of the menu under one title. A group of one chapter is shown as that chapter."""

    title: str
    links: list[ChapterLink]

    @property
    def is_current(self) -> bool:
        """Return whether the page that is shown belongs to the group."""
        return any(link.is_current for link in self.links)


#: The groups of the menu in their order: title and chapters.
_GROUPS: tuple[tuple[Message, tuple[Chapter, ...]], ...] = (
    (Message("Today"), (Chapter(HOME_PAGE, Message("Today"), (Permission.CARE,)),)),
    (
        Message("Tablets"),
        (
            Chapter("/", Message("All tablets"), (Permission.SEE,)),
            Chapter("/commands", Message("Commands"), (Permission.CARE,)),
            Chapter("/losses", Message("Losses"), (Permission.TEACH, Permission.ACTIVITY, Permission.CARE)),
            Chapter("/erases", Message("Erase many tablets"), (Permission.DESTROY,)),
        ),
    ),
    (
        Message("Pupils and staff"),
        (
            Chapter("/pupils", Message("Pupils"), (Permission.ROSTER,)),
            Chapter("/staff", Message("Staff"), (Permission.ROSTER,)),
            Chapter("/substitutes", Message("Substitutes"), (Permission.LEAD,)),
        ),
    ),
    (Message("Desk"), (Chapter("/desk", Message("Desk"), (Permission.HANDLE,)),)),
    (
        Message("Apps"),
        (
            Chapter("/apps", Message("Apps and bundles"), (Permission.AUTHOR,)),
            Chapter("/apps/licences", Message("Licences, Apps and Books"), (Permission.AUTHOR,)),
        ),
    ),
    (
        Message("Hours"),
        (
            Chapter("/hours", Message("Timetables"), (Permission.AUTHOR,)),
            Chapter("/hours/days", Message("Single days and evaluations"), (Permission.AUTHOR,)),
            Chapter("/calendar", Message("Calendar"), (Permission.AUTHOR,)),
        ),
    ),
    (
        Message("Filter", context="menu"),
        (
            Chapter("/web-filter", Message("Web filter"), (Permission.AUTHOR,)),
            Chapter("/filter-lists", Message("Filter lists"), (Permission.AUTHOR,)),
        ),
    ),
    (
        Message("Rules"),
        (
            Chapter("/rules", Message("Rules by place"), (Permission.AUTHOR,)),
            Chapter("/rules/presets", Message("Presets"), (Permission.AUTHOR,)),
            Chapter("/system-updates", Message("System updates"), (Permission.AUTHOR,)),
            Chapter("/groups", Message("Groups"), (Permission.AUTHOR,)),
        ),
    ),
    (
        Message("Sessions"),
        (
            Chapter("/class", Message("Class"), (Permission.TEACH,)),
            Chapter("/activities", Message("Activities"), (Permission.ACTIVITY,)),
        ),
    ),
    (Message("Rosters"), (Chapter("/rosters", Message("Rosters"), (Permission.ROSTER,)),)),
    (Message("School year"), (Chapter("/year", Message("School year"), (Permission.LEAD,)),)),
    (
        Message("Data and rights"),
        (
            Chapter("/data", Message("Requests of people"), (Permission.PRIVACY,)),
            Chapter("/data/duties", Message("Notices, retention, breaches"), (Permission.PRIVACY,)),
            Chapter("/audit", Message("Audit trail: who did what"), (Permission.PRIVACY,)),
        ),
    ),
    (
        Message("Settings"),
        (
            Chapter("/town", Message("Town"), (Permission.AUTHOR,)),
            Chapter("/accounts", Message("Accounts"), (Permission.GOVERN,), "town_id"),
            Chapter("/missions", Message("Missions"), (Permission.GOVERN,), "town_id"),
            Chapter("/notices", Message("Notices of alarms"), (Permission.GOVERN,), "town_id"),
            Chapter("/identity-providers", Message("Sign-in with an organisation"), (Permission.GOVERN,), "town_id"),
            Chapter("/service-tokens", Message("Tokens of programs"), (Permission.GOVERN,), "town_id"),
            Chapter("/apple-school-manager", Message("Apple School Manager"), (Permission.GOVERN,)),
            Chapter("/safeguards", Message("Safeguards"), (Permission.CARE,)),
        ),
    ),
    (
        Message("Operator"),
        (
            Chapter("/towns", Message("Towns"), (Permission.OPERATE,)),
            Chapter("/system", Message("Server"), (Permission.GOVERN, Permission.OPERATE)),
        ),
    ),
)
CHAPTERS: tuple[Chapter, ...] = tuple(chapter for _, chapters in _GROUPS for chapter in chapters)


def list_menu(request: Request, language: Language) -> list[MenuGroup]:
    """Return the groups of the menu with the chapters that this person may open; those without any are left out."""
    actor: Actor | None = getattr(request.state, "actor", None)
    if actor is None:
        return []
    place: Place = getattr(request.state, "place", Place())
    covering = (chapter for chapter in CHAPTERS if chapter.covers(request.url.path))
    current = max(covering, key=lambda chapter: len(chapter.address), default=None)
    groups = []
    for title, chapters in _GROUPS:
        links = [
            ChapterLink(_build_address(chapter, place), chapter.title.translate(language), chapter is current)
            for chapter in chapters
            if chapter.is_open_to(actor)
        ]
        if links:
            groups.append(MenuGroup(title.translate(language), links))
    return groups


def _build_address(chapter: Chapter, place: Place) -> str:
    """Return the address of a chapter, in the town of the place for who has several."""
    if place.town is None or len(place.towns) < 2:
        return chapter.address
    return f"{chapter.address}?{urlencode({chapter.town_parameter: str(place.town.id)})}"


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
