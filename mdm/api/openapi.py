"""How the API describes itself: its tags, and the id and the summary of an operation, taken from its endpoint function."""

from __future__ import annotations

import re

from fastapi import APIRouter
from fastapi.routing import APIRoute

#: The chapters of the API, in the order in which the description shows them.
TAGS = [
    {"name": name, "description": description}
    for name, description in {
        "accounts": "Sign-in, accounts, their roles, and the missions of technicians who are shared by several towns.",
        "notices": "Who is written to about alarms: people, addresses outside, webhooks, and what became of each notice.",
        "places": "Towns, schools, classes and the pupils in them.",
        "people": "The people of a school: absent pupils, groups, guardians, substitutes.",
        "rosters": "Imports of school rosters (preview, confirm, undo) and exports of them.",
        "invitations": "Permissions for tablets to join, as links and QR codes.",
        "automated device enrollment": "Device management servers in Apple's portal, their tokens, and the devices that they are assigned.",
        "Apple School Manager": "The key for Apple's API, and the devices that the organisation owns.",
        "reservations": "For whom tablets are meant that have not enrolled yet.",
        "tablets": "Lists of tablets, one tablet with its circumstances, and what happened to it.",
        "why": "Why a tablet has its settings, its mode and its apps.",
        "apps": "The town's catalogue of apps, and its licences.",
        "bundles": "Named sets of apps, the places that have them, and how far tablets are.",
        "settings": "The settings that policy documents may hold.",
        "policy documents": "What a place sets: drafts, previews, roll-outs by stages, and earlier versions.",
        "presets": "Named values that policy documents take in, with the same life as documents.",
        "groups": "Groups of pupils across classes, for which policy documents may be written.",
        "web filter": "Imported lists of web sites, and why a site is blocked on a tablet.",
        "schedule": "Timetables, calendars, day exceptions, exams, class sessions, activities and guardians' rules.",
        "care": "Lost mode, positions, locking, erasing, and the safeguards: budget, stop switch, alarms.",
        "custody": "Who has which tablet: purchase orders, handovers, swaps, returns, carts, storage, breakages, thefts, disposal.",
        "documents": "Labels, sheets and slips as PDF.",
        "rollover": "From one school year to the next: decisions, next year's classes, and the return of leavers' tablets.",
        "privacy": "Data dictionary, retention, the rights of the people concerned, breaches and notices.",
        "system": "The state of the server, the audit trail, and commands.",
    }.items()
]


def name_operation(route: APIRoute) -> str:
    """Return the operation id of a route: the name of its endpoint function."""
    return route.name


def summarise_operations(router: APIRouter) -> None:
    """Give every operation without a summary the first sentence of its docstring; the rest stays its description."""
    for route in router.routes:
        if isinstance(route, APIRoute) and route.summary is None:
            first, *rest = re.split(r"\.(?:\s+|$)", route.description.strip(), maxsplit=1)
            route.summary, route.description = " ".join(first.split()), "".join(rest).strip()
