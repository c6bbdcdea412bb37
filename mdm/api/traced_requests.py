"""Middleware that opens a span for each request of people and programs. Requests of tablets are traced by their batch."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cartable import tracing


class TracedRequests:
    """Traces requests by method and route. The address itself is never recorded: links by mail and enrollments carry secrets in it.

    A `traceparent` of the caller is ignored: what is recorded is the operator's choice.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with tracing.start_span("http.request", {"http.request.method": scope["method"]}) as span:

            async def send_traced(message: Message) -> None:
                if span is not None and message["type"] == "http.response.start":
                    route = _describe_route(scope)
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attribute("http.route", route)
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self.app(scope, receive, send_traced)


def _describe_route(scope: Scope) -> str:
    """Return the pattern of the route, such as `/tablets/{tablet_id}`, or the name of the function that answers."""
    route: Any = scope.get("route")
    if route is not None and hasattr(route, "path"):
        return str(route.path)
    endpoint = scope.get("endpoint")
    return getattr(endpoint, "__name__", type(endpoint).__name__) if endpoint is not None else "unmatched"
