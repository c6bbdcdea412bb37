"""What the server answers under names that are not its own: a closed site's, which the resolver leads here, and the check host's.

It lies outside the access log: which closed site a child has asked for is written nowhere.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cartable.settings import Settings
from mdm.console.frame import render_page
from profiles.filters.resolver_access import list_own_hosts
from profiles.filters.rules import find_covering_entry

CHECK_PAGE, PICTURE_PATH = "/check", "/check/resolver.svg"
_ASSETS = "/console/assets/"
_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48" viewBox="0 0 48 48"><circle cx="24" cy="24" r="22" fill="#18753c"/>'
    '<path d="M13 25l8 8 15-17" fill="none" stroke="#fff" stroke-width="5"/></svg>'
)
_PICTURE_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ForeignHosts:
    """ASGI middleware. Requests under the server's own names pass; the paths of tablets do not come here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = _answer(Request(scope)) if scope["type"] == "http" else None
        await (self.app if response is None else response)(scope, receive, send)


def _answer(request: Request) -> Response | None:
    """Return the response to a request under a foreign name; None for one under a name of the server."""
    settings: Settings = request.app.state.runtime.settings
    host = _read_host(request)
    if host == settings.resolver_check_host != "":
        if request.url.path == PICTURE_PATH:
            return Response(_PICTURE, media_type="image/svg+xml", headers=_PICTURE_HEADERS)
        return RedirectResponse(settings.public_url + CHECK_PAGE)
    if settings.resolver_blocked_address and _is_foreign(host, settings) and not request.url.path.startswith(_ASSETS):
        return render_page(request, "filters/closed_site.html", status=403)
    return None


def _read_host(request: Request) -> str:
    """Return the name of the Host header without port; empty for one that is no name."""
    try:
        return (urlsplit(f"//{request.headers.get('host', '')}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_foreign(host: str, settings: Settings) -> bool:
    """Tell whether a name may be a closed site's: not an address, not a name without a dot (a machine's or a service's), not one of ours."""
    try:
        ip_address(host)
    except ValueError:
        return "." in host and find_covering_entry(host, tuple(list_own_hosts(settings))) is None
    return False
