"""The page on which a child or a technician sees whether the web filter answers a tablet, and why a site may be closed. Open to everybody."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cartable.settings import Settings
from mdm.console.filters.foreign_hosts import CHECK_PAGE, PICTURE_PATH
from mdm.console.frame import render_page
from mdm.console.page_route import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get(CHECK_PAGE)
def show_check(request: Request) -> Response:
    """Show the page. It reads nothing of the installation's data, and the frame has nobody's name, even where somebody is signed in."""
    settings = request.app.state.runtime.settings
    return render_page(
        request, "filters/check.html", foreign_picture=_build_picture_url(settings), has_resolver=bool(settings.resolver_url)
    )


def _build_picture_url(settings: Settings) -> str:
    """Return the address of the picture that loads only where the resolver answers; empty where the operator names no host for it."""
    if not settings.resolver_check_host:
        return ""
    port = urlsplit(settings.public_url).port
    return f"https://{settings.resolver_check_host}{f':{port}' if port else ''}{PICTURE_PATH}"
