"""The API describes itself in one way: operations are named verb and noun, say in plain words what they do, and every list is a page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from mdm.cli.checks import DESCRIPTION, render_api_description
from mdm.web import ROUTERS
from tests.support.api_document import read_api_document

DOCUMENT = read_api_document()
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
}
ENDPOINTS = [route for module in ROUTERS for route in module.router.routes if isinstance(route, APIRoute)]
#: The verbs of operation ids. A new one is welcome when none of these says it.
VERBS = {
    "acknowledge", "answer", "apply", "approve", "assign", "cancel", "change", "close", "complete", "confirm", "count", "create", "delete",
    "decline", "disable", "discard", "dispose", "download", "enable", "end", "erase", "explain", "export", "extend", "get", "hand",
    "import", "inspect", "install", "lend", "list", "lock", "mark", "merge", "move", "open", "play", "prepare", "preview", "print",
    "publish", "put", "record", "recover", "refresh", "release", "remove", "report", "request", "resolve", "restore", "resume", "retire",
    "retry", "return", "revoke", "run", "save", "search", "send", "set", "settle", "start", "stop", "store", "support", "swap", "sync", "undo", "update",
    "verify",
}  # fmt: skip
#: Verbs that begin a summary but no operation id.
PLAIN_VERBS = {
    "announce", "ask", "call", "choose", "compare", "enter", "let", "name", "read", "reserve", "show", "sign", "take",
    "upload",
}  # fmt: skip
#: Operations that answer with an array that is no page of a list, and why.
NO_PAGES = {
    "create_invitations": "what one call has created; the request bounds it",
    "create_purchase_order": "what one call has created; the request bounds it",
    "create_reservations": "what one call has created; the request bounds it",
}


def _schema(operation: dict[str, Any]) -> dict[str, Any]:
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            schema = response.get("content", {}).get("application/json", {}).get("schema", {})
            while "$ref" in schema:
                schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            return dict(schema)
    raise AssertionError(operation["operationId"])


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_is_named_verb_and_noun(operation: dict[str, Any]) -> None:
    words = operation["operationId"].split("_")
    assert words[0] in VERBS
    assert len(words) > 1
    assert all(re.fullmatch(r"[a-z0-9]+", word) for word in words)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_summary_begins_with_a_verb_in_plain_words(operation: dict[str, Any]) -> None:
    summary = operation["summary"]
    first = summary.split()[0]
    assert first.lower() in VERBS | PLAIN_VERBS, summary
    assert first[0].isupper()
    assert len(summary.split()) > 1
    assert not summary.endswith(".")
    assert "_" not in summary.replace("_smime", "")


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_list_is_a_page_with_bounds(operation: dict[str, Any]) -> None:
    schema = _schema(operation)
    if operation["operationId"] in NO_PAGES:
        assert schema.get("type") == "array", "no exception any more"
        return
    assert schema.get("type") != "array"
    if not operation["operationId"].startswith(("list_", "search_")):
        return
    assert schema["title"].startswith("PageOut[")
    assert set(schema["properties"]) == {"items", "next_cursor"}
    parameters = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
    assert (parameters["limit"]["minimum"], parameters["limit"]["maximum"], parameters["limit"]["default"]) == (1, 200, 50)
    assert "cursor" in parameters


def test_the_committed_document_is_that_of_the_code() -> None:
    """Tests read the committed one."""
    assert DESCRIPTION.read_text("utf-8") == render_api_description(), "run `make openapi`"


def test_operation_ids_are_unique_and_the_names_of_their_functions() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)
    assert {route.endpoint.__name__ for route in ENDPOINTS} == set(ids)


def test_every_tag_is_described_and_used() -> None:
    described = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    assert all(len(description.split()) > 3 for description in described.values())
    assert {tag for operation in OPERATIONS.values() for tag in operation["tags"]} == set(described)
    assert all(len(operation["tags"]) == 1 for operation in OPERATIONS.values())


def test_no_two_schemas_share_a_name() -> None:
    assert not [name for name in DOCUMENT["components"]["schemas"] if "__" in name]
