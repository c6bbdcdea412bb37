"""Error responses: `application/problem+json` (RFC 9457) with a stable code, in the caller's language, never a traceback."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from cartable.errors import DomainError, Invalid
from cartable.i18n import choose_language
from cartable.outages import RETRY_AFTER_SECONDS, DatabaseUnavailable, find_outage

log = structlog.get_logger()
PROBLEM_TYPE = "application/problem+json"


class ProblemOut(BaseModel):
    """An error. Programs branch on `code`; `title` is for people."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"type": "about:blank", "title": "Introuvable.", "status": 404, "code": "not_found"}]}
    )
    type: str = "about:blank"
    title: str = Field(description="One sentence in the caller's language.")
    status: int
    code: str = Field(description="Stable; never translated.")
    details: dict[str, Any] = Field(default_factory=dict, description="What a program may need, such as the field.")


#: The errors that every operation may answer with.
COMMON_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "model": ProblemOut,
        "description": description,
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in {
        401: "No valid sign-in.",
        403: "The caller lacks the permission.",
        404: "It does not exist, or the caller may not see it.",
        400: "The body cannot be read.",
        409: "The current state does not allow it.",
        413: "The request is too large.",
        422: "A value is not acceptable; `details` names the field.",
        429: "A quota is reached, or sign-in is locked for a while.",
        500: "Something went wrong on our side; nothing was changed.",
        503: "The database stores nothing at the moment; nothing was changed. `Retry-After` says when to try again.",
    }.items()
}


class BodyTooLarge(Exception):
    """The body exceeds the limit. Raised while it is read."""


def install_handlers(app: FastAPI) -> None:
    """Register the error handlers."""
    app.add_exception_handler(DomainError, _answer_domain_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(ResponseValidationError, _answer_invalid_response)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(DataError, _answer_unstorable_value)
    app.add_exception_handler(OverflowError, _answer_unstorable_value)
    app.add_exception_handler(BodyTooLarge, _answer_too_large)
    app.add_exception_handler(Exception, _answer_unexpected_error)


def build_problem(status: int, code: str, title: str, details: dict[str, Any] | None = None) -> JSONResponse:
    """Return the response of an error."""
    body = ProblemOut(title=title, status=status, code=code, details=details or {})
    return JSONResponse(body.model_dump(), status_code=status, media_type=PROBLEM_TYPE)


def answer_refusal(request: Request, error: DomainError) -> JSONResponse:
    """Return the response of an error that is not raised, because what the request has counted must be committed."""
    language = choose_language(request.headers.get("accept-language"))
    details = {key: value for key, value in error.details.items() if isinstance(value, str | int | float | bool | list)}
    return build_problem(error.status, error.code, error.translate(language), details)


async def _answer_domain_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)
    return answer_refusal(request, error)


async def _answer_validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fields = [{"field": ".".join(str(part) for part in item["loc"][1:]), "why": item["msg"]} for item in error.errors()[:50]]
    return build_problem(422, "invalid_request", "The request is not well formed.", {"fields": fields})


async def _answer_invalid_response(request: Request, error: Exception) -> JSONResponse:
    """Answer a response that does not fit its schema: a fault of ours. The log names the first field that does not fit and no value.

    A traceback would hold the whole response, with the data of children, and would take so long that other requests time out.
    """
    assert isinstance(error, ResponseValidationError)
    faults = error.errors()
    first = ".".join(str(part) for part in faults[0]["loc"]) if faults else ""
    log.error("api.invalid_response", path=request.url.path, faults=len(faults), field=first[:200])
    return build_problem(500, "internal", "Something went wrong on our side; nothing was changed.")


async def _answer_http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return build_problem(error.status_code, f"http_{error.status_code}", str(error.detail))


async def _answer_unstorable_value(request: Request, error: Exception) -> JSONResponse:
    """Answer a value that no column can hold, such as a NUL character or a number of twenty digits. It is not named: it may be a name."""
    log.warning("api.unstorable", path=request.url.path, error=type(error).__name__)
    return build_problem(422, Invalid.code, Invalid.message.translate(choose_language(request.headers.get("accept-language"))))


async def _answer_too_large(_request: Request, _error: Exception) -> JSONResponse:
    problem = build_problem(413, "too_large", "The request is too large.")
    problem.headers["Connection"] = "close"  # the rest of the body is not read
    return problem


async def _answer_unexpected_error(request: Request, error: Exception) -> JSONResponse:
    if (outage := find_outage(error)) is not None:
        log.error("api.database_outage", path=request.url.path, outage=outage.value)
        problem = answer_refusal(request, DatabaseUnavailable())
        problem.headers.update({"Connection": "close", "Retry-After": str(RETRY_AFTER_SECONDS)})
        return problem
    log.error("api.unexpected", path=request.url.path, error=type(error).__name__, exc_info=error)
    problem = build_problem(500, "internal", "Something went wrong on our side; nothing was changed.")
    problem.headers["Connection"] = "close"  # the rest of the body may not have been read
    return problem
