"""A walk over every page of the console, as each role that may open it: found from the routes, so a new page is in it by itself.

Without a browser each role reads each page in French and in English (a page that somebody can open is opened by the other roles in turn, a
quarter of them each day, under `make test`). In the browser each structure of page is judged once, under `make test` in the language of the day: on a phone
and at a desk, in light and dark colours, by axe-core and by the rules of the house.
"""

from __future__ import annotations

import gzip
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import BrowserContext, Page

from cartable.clock import ManualClock
from cartable.scope import Role
from mdm.console.frame import SESSION_COOKIE
from mdm.console.routes import list_page_routes
from tests.browser.accessible import find_faults
from tests.browser.axe import find_axe_faults
from tests.browser.conftest import launch_browser
from tests.browser.focus import find_invisible_focus
from tests.browser.walk.addresses import list_addresses
from tests.browser.walk.texts import find_untranslated
from tests.browser.walk.world import WalkWorld, make_walk_world
from tests.conftest import KEYRING
from tests.support import databases, sampling
from tests.support.server import LiveServer, start_live_server

ROUTES = list_page_routes("GET")
#: Pages that nobody opens by their address alone, and the test that visits them.
VISITED_ELSEWHERE = {
    "/second-factor": "tests/browser/test_second_factors.py",
    "/sign-in/with/{provider_id}": "tests/browser/test_sign_in_elsewhere.py",
    "/sign-in/callback": "tests/browser/test_sign_in_elsewhere.py",
    "/system/push-certificate/requests/{request_id}.plist": "tests/mdm/console/test_push_certificate_page.py",
}
#: Once somebody has opened a page, each other role opens it on one day of so many.
ROLES_TAKE_TURNS = 4
#: Bytes of a page as it travels.
MAX_COMPRESSED = 50_000
PHONE, DESK = 390, 1366
LANGUAGES = ("fr-FR", "en-GB")
Visit = tuple[str, Role | None]
#: The structures of pages that this process has judged.
_read_structures: set[str] = set()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("walk")
    engine = databases.create_sqlite_engine(folder)
    with start_live_server(engine, KEYRING, folder / "data", ManualClock(datetime.now(UTC))) as running:
        yield running
    engine.dispose()


@pytest.fixture(scope="module")
def world(server: LiveServer) -> WalkWorld:
    return make_walk_world(server.runtime)


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[httpx.Client]:
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=server.url, verify=trust, timeout=20, headers={"Accept": "text/html"}) as opened:
        yield opened


@pytest.fixture(scope="module")
def contexts(world: WalkWorld) -> Iterator[dict[str, BrowserContext]]:
    """A window in French and one in English, or that whose turn it is, which visit all pages one after the other."""
    with launch_browser() as browser:
        yield {
            language: browser.new_context(ignore_https_errors=True, locale=language, viewport={"width": PHONE, "height": 844})
            for place, language in enumerate(LANGUAGES)
            if sampling.is_turn(place, len(LANGUAGES))
        }


def _build_headers(world: WalkWorld, role: Role | None, language: str) -> dict[str, str]:
    cookie = {"Cookie": f"{SESSION_COOKIE}={world.cookies[role]}"} if role is not None else {}
    return {"Accept-Language": language, **cookie}


def _is_page(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", "")).startswith("text/html")


def _read_structure(page: str) -> str:
    """Return the elements and classes of a page below its bar, without its texts, repetitions once."""
    tags = re.findall(r"<([a-z0-9]+)[^>]*?(?: class=\"([^\"]*)\")?", page.partition("<main")[2])
    return " ".join(dict.fromkeys(f"{tag}.{classes}" for tag, classes in tags))


@pytest.mark.parametrize("route", ROUTES, ids=[route.path for route in ROUTES])
def test_a_page_is_sound_for_everyone_who_may_open_it(
    route: APIRoute, server: LiveServer, world: WalkWorld, client: httpx.Client, contexts: dict[str, BrowserContext]
) -> None:
    new: list[Visit] = []
    statuses: dict[Visit, int] = {}
    for address in list_addresses(route, world):
        for turn, role in enumerate((None, *Role)):
            is_reached = any(status < 400 for status in statuses.values())
            if is_reached and not sampling.is_turn(turn, ROLES_TAKE_TURNS):
                continue
            french = client.get(address, headers=_build_headers(world, role, "fr"))
            statuses[address, role] = french.status_code
            assert french.status_code < 500, (address, role)
            if french.status_code >= 400:
                assert _is_page(french), f"{address} answers {role} without a page: {french.text[:200]}"
            if not _is_page(french):
                continue
            assert len(gzip.compress(french.content)) < MAX_COMPRESSED, (address, role)
            structure = _read_structure(french.text)
            if structure not in _read_structures:
                _read_structures.add(structure)
                new.append((address, role))
                english = client.get(address, headers=_build_headers(world, role, "en"))
                assert find_untranslated(french.text, english.text) == set(), (address, role)
    is_reachable = any(status < 400 for status in statuses.values())
    assert is_reachable or route.path in VISITED_ELSEWHERE, f"no way to visit {route.path}: {statuses}"
    for address, role in new:
        _judge_in_browser(contexts, server, world, address, role)


def _judge_in_browser(
    contexts: dict[str, BrowserContext], server: LiveServer, world: WalkWorld, address: str, role: Role | None
) -> None:
    for language, context in contexts.items():
        context.clear_cookies()
        if role is not None:
            context.add_cookies([{"name": SESSION_COOKIE, "value": world.cookies[role], "url": server.url}])
        page = context.new_page()
        try:
            faults = _list_faults(page, server.url + address)
        finally:
            page.close()
        assert faults == [], f"{address} as {role} in {language}"


def _list_faults(page: Page, url: str) -> list[str]:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
    page.goto(url)
    faults = [] if page.title() else ["no title"]
    for width in (PHONE, DESK):
        page.set_viewport_size({"width": width, "height": 844})
        faults += [f"{fault} at {width}" for fault in find_faults(page)]
    faults += find_invisible_focus(page)
    faults += find_axe_faults(page)
    faults += find_axe_faults(page, "color-contrast", scheme="dark")
    faults += find_print_faults(page)
    return faults + [each for each in complaints if "status of 4" not in each]  # the page itself, refused to this role


def find_print_faults(page: Page) -> list[str]:
    """Return what stands on paper and is of no use there, and a dark page, which would be printed dark."""
    page.emulate_media(media="print", color_scheme="dark")
    return list(page.evaluate(_READ_PRINT))


_READ_PRINT = """() => [...document.querySelectorAll('button, .button, nav, footer')].filter(each => each.checkVisibility())
  .map(each => 'is printed: ' + each.outerHTML.slice(0, 120))
  .concat(getComputedStyle(document.documentElement).getPropertyValue('--paper').trim() === '#fff' ? [] : ['is printed dark'])"""
