"""What the QR code of a label opens: for whoever is signed in the search, for a finder whose tablet it is and whom to call.

A finder learns the town and its number alone, whether the tag exists or not: no tag can be guessed by asking.
"""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from enrollment.tablets import lookup
from mdm.accounts.errors import MustChangePassword, NotSignedIn
from mdm.api.deps import WorkDep
from mdm.console.frame import render_page, require_sign_in
from mdm.console.page_route import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)
MAX_TAG = 24


@router.get("/t/{tag}")
def open_label(request: Request, tag: str, work: WorkDep) -> Response:
    """Redirect to the search of the console, or show a finder whom to call."""
    try:
        require_sign_in(request, work)
    except (NotSignedIn, MustChangePassword):
        town = lookup.find_town_of_label(work, tag[:MAX_TAG])
        return render_page(request, "tablets/label.html", town=town, tag=tag[:MAX_TAG] if town is not None else "")
    return RedirectResponse(f"/?q={quote(tag[:MAX_TAG], safe='')}", status_code=303)
