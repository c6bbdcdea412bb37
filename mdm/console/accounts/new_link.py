"""The page that shows a new link once, for whoever made it to pass on."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from mdm.accounts.links import NewLink
from mdm.console.frame import render_page
from mdm.console.times import format_instant


def render_new_link(request: Request, link: NewLink, *, back: str) -> Response:
    """Return the page of a link: where it is mailed to, and the link itself for who passes it on. Whoever loses it makes a new one."""
    return render_page(
        request,
        "accounts/new_link.html",
        name=link.account.display_name,
        url=link.url,
        until=format_instant(link.expires_at),
        mailed_to=link.mailed_to,
        back=back,
    )
