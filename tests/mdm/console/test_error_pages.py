"""What goes wrong outside a page is a page for a browser, in its language, and a problem document for a program."""

from __future__ import annotations

import asyncio
import html

import httpx
import pytest

from cartable.unit_of_work import Runtime
from mdm.web import create_app

_TOO_LARGE = {"Content-Length": str(11 * 2**20)}


def send(runtime: Runtime, method: str, path: str, **headers: str) -> httpx.Response:
    async def act() -> httpx.Response:
        app = create_app(runtime)
        app.default_app.add_api_route("/broken", _break)  # type: ignore[attr-defined]
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(act())


def _break() -> None:
    raise RuntimeError


@pytest.mark.parametrize(
    ("method", "path", "further", "status", "french"),
    [
        ("GET", "/nothing", {}, 404, "Cette page n'existe pas"),
        ("DELETE", "/sign-in", {}, 405, "revenez en arrière"),
        ("POST", "/rosters", _TOO_LARGE, 413, "trop volumineux"),
        ("GET", "/broken", {}, 500, "rien n'a été modifié"),
    ],
)
def test_a_browser_reads_a_page(
    runtime: Runtime, method: str, path: str, further: dict[str, str], status: int, french: str
) -> None:
    page = send(runtime, method, path, **{"Accept": "text/html", "Accept-Language": "fr", **further})
    assert page.status_code == status
    assert french in html.unescape(page.text)
    program = send(runtime, method, path, **{"Accept": "application/json", **further})
    assert program.headers["content-type"] == "application/problem+json"
    assert program.json()["status"] == status
