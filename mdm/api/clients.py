"""Where a sign-in comes from: the address, also behind a trusted proxy, the browser, and the page that sent it."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import Response

from cartable.client_address import group_address, resolve_client_address
from mdm.accounts.errors import ForeignOrigin
from mdm.accounts.sign_in_limits import SignInClient

#: By it a browser is known at its next sign-in. It opens nothing.
DEVICE_COOKIE = "cartable-device"
_DEVICE_COOKIE_SECONDS = 400 * 86400
#: Marks of browsers; the first that is found counts, because each also names those below it.
_PROGRAMS = (("Edg", "Edge"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))


def get_sign_in_client(request: Request) -> SignInClient:
    """Return the client of a request to sign in."""
    peer = request.client.host if request.client else None
    proxies = request.app.state.runtime.settings.proxy_networks
    address = resolve_client_address(peer, request.headers.getlist("x-forwarded-for"), proxies)
    return SignInClient(
        group_address(address), _name_program(request.headers.get("user-agent", "")), request.cookies.get(DEVICE_COOKIE, "")
    )


def _name_program(user_agent: str) -> str:
    """Return the name of a browser, or of a program's library: enough to recognise one's own, and nothing more."""
    return next((name for mark, name in _PROGRAMS if mark in user_agent), user_agent.partition("/")[0][:40])


def set_device_cookie(response: Response, value: str) -> None:
    """Let the browser be known at its next sign-in."""
    response.set_cookie(
        DEVICE_COOKIE, value, max_age=_DEVICE_COOKIE_SECONDS, httponly=True, secure=True, samesite="strict", path="/"
    )


def check_origin(request: Request) -> None:
    """Check that the page of no other site sent a sign-in. Raises `ForeignOrigin`.

    Browsers say where a request comes from, the older ones only by its origin; programs that are no browser say nothing.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site in ("same-origin", "none") or (site is None and origin is None):
        return
    if site is not None or origin is None:
        raise ForeignOrigin
    own_hosts = {request.headers.get("host", ""), urlsplit(request.app.state.runtime.settings.public_url).netloc}
    parts = urlsplit(origin) if origin.isascii() else None
    if parts is None or parts.scheme != "https" or parts.netloc not in own_hosts:
        raise ForeignOrigin
