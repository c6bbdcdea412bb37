"""What the server answers under names that are not the installation's: a town's, a closed site's, which the resolver leads here, and the
check host's.

It lies outside the access log: which closed site a child has asked for is written nowhere.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from cartable.settings import Settings
from enrollment.places.hosts import is_host, read_host
from enrollment.places.town_hosts import TownHosts
from mdm.console.frame import render_page
from profiles.filters.resolver_access import list_own_hosts
from profiles.filters.rules import find_covering_entry

#: Set by the proxy on what comes by plain HTTP: of that only the child's page is answered, and nothing that people or tablets send.
PLAIN_HTTP_HEADER = "Cartable-Plain-Http"
CHECK_PAGE, PICTURE_PATH = "/check", "/check/resolver.svg"
_ASSETS = "/console/assets/"
#: What tablets, proxies and what watches the server ask under the name of a town. All else is for people.
TABLET_PATHS = ("/join", "/emergency/", "/check", "/scep", "/acme/", "/mdm", "/healthz", "/readyz", "/metrics", "/tls/", _ASSETS)
_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48" viewBox="0 0 48 48"><circle cx="24" cy="24" r="22" fill="#18753c"/>'
    '<path d="M13 25l8 8 15-17" fill="none" stroke="#fff" stroke-width="5"/></svg>'
)
_PICTURE_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ForeignHosts:
    """ASGI middleware. Requests under the server's own names pass; the paths of the device channel do not come here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await _find_response(Request(scope)) if scope["type"] == "http" else None
        await (self.app if response is None else response)(scope, receive, send)


async def _find_response(request: Request) -> Response | None:
    """Return the response to a request that is not for the application; None for one that is."""
    settings: Settings = request.app.state.runtime.settings
    host = read_host(request.headers.get("host", ""))
    response = None
    if host != urlsplit(settings.public_url).hostname:
        is_town = await _is_town_host(request, host)
        response = _lead_to_console(request, settings) if is_town else _answer(request, settings, host)
    if response is None and PLAIN_HTTP_HEADER in request.headers and not request.url.path.startswith(_ASSETS):
        address = f"https://{host}" if is_host(host) else settings.public_url
        return RedirectResponse(address + _quote_target(request), 308)
    return response


async def _is_town_host(request: Request, host: str) -> bool:
    """Return whether a name is that of a town. A name that can be none costs no query."""
    if not is_host(host):
        return False
    hosts: TownHosts = request.app.state.town_hosts
    if hosts.is_stale:
        await run_in_threadpool(hosts.refresh)
    return host in hosts.towns


def _lead_to_console(request: Request, settings: Settings) -> Response | None:
    """Return the redirection of a person who opens the name of a town: the console has one address. None for what tablets ask."""
    if request.method != "GET" or request.url.path.startswith(TABLET_PATHS):
        return None
    return RedirectResponse(settings.public_url + _quote_target(request))


def _quote_target(request: Request) -> str:
    """Return path and query of a request as they stand in an address."""
    return quote(request.url.path) + (f"?{request.url.query}" if request.url.query else "")


def _answer(request: Request, settings: Settings, host: str) -> Response | None:
    """Return the response to a request under a name that is no town's; None for one under a name of the server."""
    if host == settings.resolver_check_host != "":
        if request.url.path == PICTURE_PATH:
            return Response(_PICTURE, media_type="image/svg+xml", headers=_PICTURE_HEADERS)
        return RedirectResponse(settings.public_url + CHECK_PAGE)
    if settings.resolver_blocked_address and _is_foreign(host, settings) and not request.url.path.startswith(_ASSETS):
        return render_page(request, "filters/closed_site.html", status=403)
    return None


def _is_foreign(host: str, settings: Settings) -> bool:
    """Return whether a name may be a closed site's: not an address, not a name without a dot (a machine's or a service's), not one of ours."""
    try:
        ip_address(host)
    except ValueError:
        return "." in host and find_covering_entry(host, tuple(list_own_hosts(settings))) is None
    return False
