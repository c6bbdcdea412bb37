"""The page that says whether the filter answers, and what the server says under the name of a closed site: a child's page, never the console."""

from __future__ import annotations

import asyncio
import html

import httpx
import pytest
import structlog

from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.places.towns import create_town
from mdm.console.filters.foreign_hosts import PLAIN_HTTP_HEADER
from mdm.web import create_app

SETTINGS = {
    "public_url": "https://mdm.ville.example:8443", "resolver_url": "https://dns.ville.example",
    "resolver_check_host": "check.ville.example", "resolver_blocked_address": "192.0.2.99",
    "always_open_hosts": ("ancien.ville.example",),
}  # fmt: skip


def send(
    runtime: Runtime, host: str, path: str, method: str = "GET", *, is_plain: bool = False, **settings: object
) -> httpx.Response:
    """Return the answer to a request with this Host header, which a proxy has received by plain HTTP if `is_plain`."""
    headers = {"Host": host, "Accept": "text/html", "Accept-Language": "fr"}
    headers |= {PLAIN_HTTP_HEADER: "1"} if is_plain else {}
    runtime.settings = Settings.model_validate(runtime.settings.model_dump() | SETTINGS | settings)

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(request())


def test_the_page_may_load_one_picture_elsewhere_and_nothing_else(runtime: Runtime) -> None:
    page = send(runtime, "mdm.ville.example:8443", "/check")
    assert page.status_code == 200
    assert "img-src 'self' https://check.ville.example:8443/check/resolver.svg;" in page.headers["content-security-policy"]
    assert '<img id="resolver-picture" src="https://check.ville.example:8443/check/resolver.svg"' in page.text
    assert "Si une coche verte apparaît ci-dessus" in html.unescape(page.text)
    assert "Pourquoi est-ce fermé" in html.unescape(page.text)
    assert "check.ville" not in send(runtime, "mdm.ville.example", "/sign-in").headers["content-security-policy"]


def test_without_a_check_host_the_page_explains(runtime: Runtime) -> None:
    page = send(runtime, "mdm.ville.example", "/check", resolver_check_host="")
    assert "resolver-picture" not in page.text
    assert "img-src 'self';" in page.headers["content-security-policy"]
    assert "l'exploitant n'a désigné aucun nom" in html.unescape(page.text)


def test_the_check_host_has_the_picture_and_leads_to_the_page(runtime: Runtime) -> None:
    picture = send(runtime, "check.ville.example:8443", "/check/resolver.svg")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert picture.headers["cache-control"] == "no-store"
    led = send(runtime, "check.ville.example", "/sign-in")
    assert (led.status_code, led.headers["location"]) == (307, "https://mdm.ville.example:8443/check")
    assert send(runtime, "mdm.ville.example:8443", "/check/resolver.svg").status_code == 404


@pytest.mark.parametrize("path", ["/", "/sign-in", "/api/v1/towns", "/scep", "/healthz", "/un/film"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_closed_site_is_answered_by_the_childs_page(runtime: Runtime, path: str, method: str) -> None:
    page = send(runtime, "www.ferme.example", path, method)
    assert page.status_code == 403
    text = html.unescape(page.text)
    assert "Ce site est fermé sur cette tablette" in text
    assert "<form" not in text
    assert 'href="/' not in text.replace('href="/console/assets/', "")
    assert "ferme.example" not in text


@pytest.mark.parametrize(
    "host",
    [
        "mdm.ville.example",
        "mdm.ville.example:8443",
        "ancien.ville.example",
        "127.0.0.1:8443",
        "[::1]:8443",
        "web",
        "localhost",
        "",
    ],
)
def test_the_servers_own_names_are_answered_as_ever(runtime: Runtime, host: str) -> None:
    assert send(runtime, host, "/healthz").status_code == 200


def test_without_an_address_for_closed_sites_no_name_is_foreign(runtime: Runtime) -> None:
    assert send(runtime, "www.ferme.example", "/healthz", resolver_blocked_address="").status_code == 200


def test_the_style_sheet_comes_under_the_name_of_a_closed_site(runtime: Runtime) -> None:
    assert send(runtime, "www.ferme.example", "/console/assets/x/console.css").status_code == 200


def test_what_was_asked_of_a_closed_site_is_not_logged(runtime: Runtime) -> None:
    with structlog.testing.capture_logs() as lines:
        send(runtime, "www.ferme.example", "/un/film/que/cherche/un/enfant")
    assert "film" not in str(lines)


def test_under_the_name_of_a_town_tablets_are_answered_and_people_led_to_the_console(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        create_town(work, SYSTEM, name="Ici", host="tablets.ici.example")
    host = "Tablets.Ici.Example:8443"
    for path, status in (
        ("/join", 200),
        ("/check", 200),
        ("/join/WRONG", 404),
        ("/healthz", 200),
        ("/scep?operation=GetCACaps", 200),
    ):
        assert send(runtime, host, path).status_code == status, path
    led = send(runtime, host, "/t/ICI-00042?a=%C3%A9&b=1")
    assert (led.status_code, led.headers["location"]) == (307, "https://mdm.ville.example:8443/t/ICI-00042?a=%C3%A9&b=1")
    assert send(runtime, host, "/towns", method="POST").status_code != 307, "what a form holds is not sent to another address"
    assert send(runtime, "tablets.ailleurs.example", "/join").status_code == 403, "another name is a closed site's"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("tablets.ici.example", "https://tablets.ici.example"),
        ("ancien.ville.example", "https://ancien.ville.example"),
        ("mdm.ville.example", "https://mdm.ville.example"),
        ("192.0.2.1", "https://mdm.ville.example:8443"),
        ("[2001:db8::1]", "https://mdm.ville.example:8443"),
        ("", "https://mdm.ville.example:8443"),
    ],
)
def test_by_plain_http_all_but_closed_sites_are_led_to_https(runtime: Runtime, host: str, address: str, method: str) -> None:
    with runtime.open_unit_of_work() as work:
        create_town(work, SYSTEM, name="Ici", host="tablets.ici.example")
    led = send(runtime, host, "/join/CODE?a=1", method, is_plain=True)
    assert (led.status_code, led.headers["location"]) == (308, f"{address}/join/CODE?a=1")
    assert send(runtime, "www.ferme.example", "/join/CODE", method, is_plain=True).status_code == 403
    assert send(runtime, "www.ferme.example", "/console/assets/x/console.css", is_plain=True).status_code == 200
