"""The page that the emergency card of a tablet opens: whom a child can call. Open to everybody, with nobody's name.

It is the only page that may be kept by the tablet, so that it also opens a while after the last contact.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cartable.i18n import Message
from enrollment.places.emergency_contacts import EmergencyContacts, load_emergency_contacts
from mdm.api.deps import WorkDep
from mdm.console.frame import get_language, render_page
from mdm.console.page_route import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)
#: For how long a tablet may show the page that it has loaded: a changed number is there a day later at the latest.
KEPT_SECONDS = 86_400
#: The numbers of the French State, first those for what a child meets most: number, what for, when and how.
NATIONAL_NUMBERS: tuple[tuple[str, Message, Message], ...] = (
    ("3018", Message("Somebody hurts or harasses you, at school or on the Internet"), Message("free and secret, every day from 9:00 to 23:00")),
    ("119", Message("You or another child are in danger, also at home"), Message("free and secret, day and night; the call is on no phone bill")),
    ("112", Message("Any emergency"), Message("free, day and night, everywhere in Europe")),
    ("15", Message("Somebody is ill or hurt: doctors"), Message("free, day and night")),
    ("17", Message("Somebody threatens or attacks: police"), Message("free, day and night")),
    ("18", Message("Fire, accident: fire brigade"), Message("free, day and night")),
    ("114", Message("You cannot hear or cannot speak"), Message("by SMS, free, day and night")),
)  # fmt: skip


@router.get("/emergency/{town_id}")
def show_emergency_card(request: Request, work: WorkDep, town_id: str) -> Response:
    """Show the numbers. Those of the State stand there whatever the address: no child is sent away."""
    language = get_language(request)
    contacts = _find_contacts(work, town_id)
    response = render_page(
        request,
        "places/emergency_card.html",
        numbers=[(number, purpose.translate(language), hours.translate(language)) for number, purpose, hours in NATIONAL_NUMBERS],
        town=contacts.town,
        schools=contacts.schools,
    )
    response.headers["Cache-Control"] = f"private, max-age={KEPT_SECONDS}"
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response


def _find_contacts(work: WorkDep, town_id: str) -> EmergencyContacts:
    try:
        return load_emergency_contacts(work, UUID(town_id))
    except ValueError:
        return EmergencyContacts()
