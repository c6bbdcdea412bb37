"""Errors that no page has answered, as pages for browsers; programs get the problem documents of the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from fastapi.responses import Response

from cartable.i18n import Message
from cartable.outages import DatabaseUnavailable
from mdm.console.frame import get_language, render_page

Handler = Callable[[Request, Exception], Awaitable[Response]]
_TEXTS: dict[int, Message] = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Message("What you sent is too large: a file may have 10 MB."),
    HTTPStatus.INTERNAL_SERVER_ERROR: Message("Something went wrong on our side; nothing was changed."),
    HTTPStatus.SERVICE_UNAVAILABLE: DatabaseUnavailable.message,
}
_OTHER = Message("The address or the form is not as this page made it: go back, and try again.")


def install_error_pages(app: FastAPI) -> None:
    """Let every error handler of the application answer browsers with a page of the same status."""
    for kind, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(kind, _answer_with_page(cast("Handler", handler)))


def _answer_with_page(handler: Handler) -> Handler:
    async def answer(request: Request, error: Exception) -> Response:
        response = await handler(request, error)
        if "text/html" not in request.headers.get("accept", "") or request.url.path.startswith("/api/"):
            return response
        page = _render(request, response.status_code)
        for name in ("connection", "retry-after"):
            if name in response.headers:
                page.headers[name] = response.headers[name]
        return page

    return answer


def _render(request: Request, status: int) -> Response:
    if status == HTTPStatus.NOT_FOUND:
        return render_page(request, "not_found.html", status=status)
    problem = _TEXTS.get(status, _OTHER).translate(get_language(request))
    return render_page(request, "refused.html", status=status, problem=problem)
