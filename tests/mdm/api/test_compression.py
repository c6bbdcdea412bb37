"""Responses are compressed for the pages of this server and for programs, and never for what another site has a browser ask."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from cartable.unit_of_work import Runtime
from mdm.console.static_files import build_asset_url
from mdm.web import create_app


def ask(runtime: Runtime, path: str, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_a_request_of_this_site_gets_a_compressed_page(runtime: Runtime, site: str | None) -> None:
    page = ask(runtime, "/accessibility", **({"Sec-Fetch-Site": site} if site else {}))
    assert page.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in page.headers["vary"]
    assert int(page.headers["content-length"]) < len(page.content) / 2


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_a_request_that_another_site_caused_tells_nothing_by_its_length(runtime: Runtime, site: str) -> None:
    page = ask(runtime, "/accessibility", **{"Sec-Fetch-Site": site})
    assert page.status_code == 200
    assert "content-encoding" not in page.headers


def test_a_client_that_reads_no_gzip_gets_none(runtime: Runtime) -> None:
    assert "content-encoding" not in ask(runtime, "/accessibility", **{"Accept-Encoding": "identity"}).headers


def test_the_api_is_compressed_too(runtime: Runtime) -> None:
    assert ask(runtime, "/api/openapi.json").headers["content-encoding"] == "gzip"


def test_a_file_is_kept_by_browsers_at_the_address_of_its_content(runtime: Runtime) -> None:
    address = build_asset_url("console.css")
    response = ask(runtime, address)
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-type"].startswith("text/css")
    for former in ("/console/assets/console.css", "/console/assets/000000000000/console.css"):
        old = ask(runtime, former)
        assert old.headers["cache-control"] == "no-cache"
        assert old.content == response.content
    for outside in (f"{address}/../../frame.py", "/console/assets/x/..%2fframe.py", build_asset_url("nothing.css")):
        assert ask(runtime, outside).status_code == 404
