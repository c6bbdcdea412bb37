"""Each writing operation of the API has a page that does it, or stands among the exceptions with its reason; no line is out of date."""

from __future__ import annotations

from typing import Any

from mdm.console.routes import list_page_routes
from tests.mdm.console.pages_of_writes import EXCEPTIONS, PAGES
from tests.support.api_document import read_api_document


def list_writes() -> set[str]:
    """Return the operations of the API that are no reading."""
    paths: dict[str, dict[str, Any]] = read_api_document()["paths"]
    return {
        operation["operationId"]
        for operations in paths.values()
        for method, operation in operations.items()
        if method in ("post", "put", "patch", "delete")
    }


def list_forms() -> set[str]:
    """Return the routes of the console that take forms."""
    return {route.path for route in list_page_routes("POST")}


def test_each_write_has_a_page_or_a_reason() -> None:
    assert list_writes() - PAGES.keys() - EXCEPTIONS.keys() == set()


def test_no_line_speaks_of_what_is_gone() -> None:
    assert PAGES.keys() - list_writes() == set()
    assert EXCEPTIONS.keys() - list_writes() == set()
    assert PAGES.keys() & EXCEPTIONS.keys() == set()
    assert set(PAGES.values()) - list_forms() == set()
