"""The page of the API in front of a person: an example call with a token, its answer, and what is refused before it is sent."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect

from cartable.scope import Role
from mdm.console.api_examples import EXAMPLES
from mdm.web import describe_api
from tests.browser.accessible import check_page
from tests.browser.desk_world import desk_world
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer


def test_a_call_is_tried_with_a_token(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    world = desk_world(server.runtime, size=1)
    page = sign_in(world.town_id, Role.TOWN_ADMIN, "api")
    with httpx.Client(base_url=server.url, verify=ssl.create_default_context(cafile=str(server.ca))) as client:
        token = client.post("/api/v1/tokens", json={"login": "api", "password": PASSWORD}).json()["access_token"]
    page.goto(f"{server.url}/api/docs")
    check_page(page)
    page.get_by_role("button", name="Envoyer l'appel").click()
    expect(page.locator("#try-status")).to_contain_text("401")
    page.get_by_label("Jeton", exact=True).fill(token)
    page.get_by_role("button", name="Envoyer l'appel").click()
    expect(page.locator("#try-status")).to_contain_text("200")
    expect(page.locator("#try-answer")).to_contain_text(str(world.town_id))
    page.get_by_label("Exemple").select_option("get_tablet")
    expect(page.get_by_label("Chemin")).to_have_value("/api/v1/tablets/{tablet_id}")
    page.get_by_role("button", name="Envoyer l'appel").click()
    expect(page.locator("#try-status")).to_contain_text("{tablet_id}")
    page.get_by_label("Chemin").fill("https://example.org/api/v1/towns")
    page.get_by_role("button", name="Envoyer l'appel").click()
    expect(page.locator("#try-status")).to_contain_text("/api/v1/")


def test_each_example_is_an_operation_with_its_fields() -> None:
    described = describe_api()
    operations = {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert len(EXAMPLES) == len({each.operation_id for each in EXAMPLES}) == 10
    for example in EXAMPLES:
        method, path, operation = operations[example.operation_id]
        own_path, _, query = example.path.partition("?")
        assert (example.method, own_path) == (method, path)
        known = (
            {each["name"] for each in operation["parameters"] if each["in"] == "query"} if "parameters" in operation else set()
        )
        assert {pair.partition("=")[0] for pair in query.split("&") if pair} <= known, example.operation_id
        needed = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query" and each.get("required")}
        assert needed <= {pair.partition("=")[0] for pair in query.split("&")}, example.operation_id
        if example.body is not None:
            name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            schema = described["components"]["schemas"][name]
            assert set(schema["required"]) <= set(example.body) <= set(schema["properties"])
