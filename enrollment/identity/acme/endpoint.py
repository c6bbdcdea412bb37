"""`/acme/…` (RFC 8555): a thin edge over `requests`. Every answer carries a nonce, every refusal is a problem document."""

from __future__ import annotations

import json

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cartable.settings import Acme
from cartable.unit_of_work import Runtime
from enrollment.identity.acme import attestation, nonces, requests
from enrollment.identity.acme.documents import Addresses, Reply
from enrollment.identity.acme.errors import Kind, Problem
from enrollment.identity.acme.jws import MAX_BODY

JOSE, JSON, PROBLEM = "application/jose+json", "application/json", "application/problem+json"
METHODS = [
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
]  # HEAD comes with GET; what is not answered is refused in the protocol's words
log = structlog.get_logger()


def routes(runtime: Runtime) -> list[BaseRoute]:
    """The routes of the ACME server; none while it is off. Raises `OSError`, `ValueError` when the roots do not read."""
    if runtime.settings.acme is Acme.OFF:
        return []
    attestation.roots_in(runtime.settings.attestation_roots)
    return [Route("/acme/{path:path}", AcmeEndpoint(runtime).handle, methods=METHODS)]


class AcmeEndpoint:
    """Answers ACME clients."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.addresses = Addresses(runtime.settings.public_url)

    async def handle(self, request: Request) -> Response:
        path = request.path_params["path"]
        try:
            if request.method in ("GET", "HEAD"):
                return self._respond(self._read(path, request.method))
            if request.method != "POST":
                raise Problem(Kind.WRONG_METHOD, "POST")
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JOSE:
                raise Problem(Kind.WRONG_MEDIA_TYPE, f"requests are {JOSE}")
            body = await _bounded_body(request)
            return self._respond(await run_in_threadpool(self._post, path, body))
        except Problem as problem:
            return self._respond(_refusal(problem))
        except ClientDisconnect:
            return Response(status_code=400)

    def _read(self, path: str, method: str) -> Reply:
        """What may be read without a signature (RFC 8555 section 6.3)."""
        if path == "directory":
            return Reply(200, self.addresses.directory())
        if path == "new-nonce":
            return Reply(200 if method == "HEAD" else 204)
        raise Problem(Kind.WRONG_METHOD, "this is read by POST-as-GET")

    def _post(self, path: str, body: bytes) -> Reply:
        with self.runtime.open_unit_of_work() as work:
            try:
                return requests.answer(work, path, body)
            except Problem as problem:  # told after the commit: the nonce of a refused request is spent all the same
                return _refusal(problem)

    def _respond(self, reply: Reply) -> Response:
        body = reply.body
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        response = Response(content, reply.status, media_type=JSON if isinstance(body, dict) else None)
        for name, value in reply.headers.items():
            response.headers[name] = value
        response.headers.append("Link", f'<{self.addresses.of("directory")}>;rel="index"')
        response.headers["Replay-Nonce"] = nonces.make(self.runtime.keyring, self.runtime.clock.now())
        response.headers["Cache-Control"] = "no-store"
        return response


def _refusal(problem: Problem) -> Reply:
    log.warning("acme.refused", why=str(problem))
    headers = {"Content-Type": PROBLEM}
    if problem.location is not None:
        headers["Location"] = problem.location
    if problem.kind is Kind.WRONG_METHOD:
        headers["Allow"] = "POST"
    return Reply(problem.status, problem.document, headers)


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise Problem(Kind.TOO_LARGE, f"at most {MAX_BODY} bytes")
    return bytes(body)
