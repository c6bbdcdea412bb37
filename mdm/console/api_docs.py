"""The API's description as a page that works without scripts and without other servers, and a form with which calls are tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from mdm.console.api_examples import EXAMPLES
from mdm.console.frame import render_page

router = APIRouter(include_in_schema=False)
_METHODS = ("get", "post", "put", "patch", "delete")


@router.get("/api/docs")
def show_api(request: Request) -> Response:
    """Show every operation by chapter: what it does, its fields, what it returns."""
    described = request.app.openapi()
    origin = str(request.app.state.runtime.settings.public_url).rstrip("/")
    chapters: dict[str, list[dict[str, Any]]] = {}
    for each in _list_operations(described):
        chapters.setdefault(each["chapter"], []).append(each)
    chapter_texts = {tag["name"]: tag["description"] for tag in described.get("tags", ())}
    return render_page(
        request,
        "api_docs.html",
        api=chapters,
        chapter_texts=chapter_texts,
        about=described["info"]["description"],
        examples=[(each, each.to_curl(origin)) for each in EXAMPLES],
        methods=[method.upper() for method in _METHODS],
    )


def _list_operations(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    schemas = described.get("components", {}).get("schemas", {})
    for path, methods in described["paths"].items():
        for method in _METHODS:
            if method not in methods:
                continue
            operation = methods[method]
            fields = [
                (each["name"], each["in"], each.get("required", False), each.get("description", ""))
                for each in operation.get("parameters", ())
            ]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                fields += _describe_fields(content.get("schema", {}), schemas)
            yield {
                "id": operation["operationId"],
                "chapter": (operation.get("tags") or ["other"])[0],
                "method": method.upper(),
                "path": path,
                "summary": operation["summary"],
                "detail": _describe_further(operation),
                "taken": fields,
                "given": ", ".join(_describe_responses(operation, schemas)),
            }


def _describe_further(operation: dict[str, Any]) -> str:
    """Return what the description says beyond the summary. FastAPI repeats a docstring of one sentence in both."""
    description = str(operation.get("description", ""))
    return "" if description.rstrip(".") == operation["summary"] else description


def _describe_fields(schema: dict[str, Any], schemas: dict[str, Any]) -> list[tuple[str, str, bool, str]]:
    """Return the fields of a body: name, type, whether it is required, and description."""
    body = schemas.get(_referenced_name(schema), schema)
    required = body.get("required", ())
    return [
        (name, _describe_type(field, schemas), name in required, field.get("description", ""))
        for name, field in body.get("properties", {}).items()
    ]


def _describe_type(field: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Return the type of a field in short: the values of an enumeration, the name of an object, else its type."""
    named = schemas.get(_referenced_name(field), {})
    if "enum" in named:
        return " | ".join(map(str, named["enum"]))
    if "anyOf" in field:
        return " | ".join(_describe_type(each, schemas) for each in field["anyOf"])
    if field.get("type") == "array":
        return f"[{_describe_type(field.get('items', {}), schemas)}]"
    return _referenced_name(field) or field.get("format") or str(field.get("type", "any"))


def _describe_responses(operation: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            kinds = [_describe_type(content.get("schema", {}), schemas) for content in response.get("content", {}).values()]
            yield " ".join([status, *kinds])


def _referenced_name(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]
