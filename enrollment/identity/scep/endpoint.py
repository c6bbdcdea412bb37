"""`/scep` (RFC 8894 section 4): GET and POST, lenient parsing. A thin edge over `service`."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_to_bytes

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from cartable.unit_of_work import Runtime
from enrollment.identity.ca import ensure_authority
from enrollment.identity.scep import service
from enrollment.identity.scep.wire import NotScep
from enrollment.identity.signing.port import RETRY_SECONDS, SignerUnavailable

MAX_BODY = 64 * 1024
log = structlog.get_logger()


def routes(runtime: Runtime) -> list[BaseRoute]:
    """Return the route of the SCEP server."""
    endpoint = ScepEndpoint(runtime)
    return [Route("/scep", endpoint.handle, methods=["GET", "POST"])]


class ScepEndpoint:
    """Answers SCEP operations. The query is parsed as bytes: one client puts its complete message there, raw."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def handle(self, request: Request) -> Response:
        query = request.scope["query_string"]
        operation = _get_parameter(query, b"operation").decode("latin-1").lower()
        if operation == "getcacaps":
            return Response(service.CAPABILITIES, headers={"Content-Type": "text/plain"})
        if operation == "getcacert":
            der = await run_in_threadpool(self._get_ca_certificate)
            return Response(der, headers={"Content-Type": "application/x-x509-ca-cert"})
        if operation == "pkioperation":
            return await self._pki_operation(request, query)
        return PlainTextResponse("unknown operation", status_code=400)

    async def _pki_operation(self, request: Request, query: bytes) -> Response:
        try:
            if request.method == "POST":
                message = await _read_body(request)
            else:
                message = _decode_message(_get_parameter(query, b"message", raw=True))
            reply = await run_in_threadpool(self._handle_message, message)
        except NotScep as error:
            log.warning("scep.unreadable", why=str(error))
            return PlainTextResponse("not a SCEP message", status_code=400)
        except SignerUnavailable:
            return PlainTextResponse("try again later", status_code=503, headers={"Retry-After": str(RETRY_SECONDS)})
        except ClientDisconnect:
            return Response(status_code=400)
        return Response(reply, headers={"Content-Type": "application/x-pki-message"})

    def _get_ca_certificate(self) -> bytes:
        with self.runtime.open_unit_of_work() as work:
            return ensure_authority(work).der

    def _handle_message(self, message: bytes) -> bytes:
        with self.runtime.open_unit_of_work() as work:
            return service.handle_pki_operation(work, message)


async def _read_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise NotScep("too large")
    return body


def _get_parameter(query: bytes, name: bytes, *, raw: bool = False) -> bytes:
    """Return the first value of `name`, whatever else the query contains."""
    for part in query.lstrip(b"?").split(b"&"):
        key, _, value = part.partition(b"=")
        if key.lower() == name:
            return value if raw else unquote_to_bytes(value)
    return b""


def _decode_message(value: bytes) -> bytes:
    """Return the decoded message of a GET: percent-encoded or not, URL-safe base64 or not, with spaces for `+`, without padding."""
    text = unquote_to_bytes(value).replace(b" ", b"+").replace(b"-", b"+").replace(b"_", b"/").strip()
    if len(text) > 2 * MAX_BODY:
        raise NotScep("too large")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error as error:
        raise NotScep("not base64") from error
