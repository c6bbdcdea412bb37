"""Compresses responses for clients of this site alone. It knows no routes; the device channel does not pass here."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

#: What a browser says of a request that a page of this server made, or that a person typed or chose from bookmarks. Programs say nothing.
_OWN_SITE = {"", "same-origin", "none"}
#: Level 6 is within two per cent of the smallest, at half the time of level 9.
_LEVEL = 6
#: These are compressed already.
_EXCLUDED = (
    *DEFAULT_EXCLUDED_CONTENT_TYPES,
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)


class OwnSiteCompression:
    """ASGI middleware: gzip, except for requests that another site has a browser send.

    Another site could put guesses into the address, and read from the length of the response whether the page contains them (BREACH).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.compressing = GZipMiddleware(app, compresslevel=_LEVEL, exclude_content_types=_EXCLUDED)

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        is_own = scope["type"] == "http" and Headers(scope=scope).get("sec-fetch-site", "") in _OWN_SITE
        await (self.compressing if is_own else self.app)(scope, receive, send)
