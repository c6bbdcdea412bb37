"""`/acme/…` (RFC 8555): a thin edge over `requests`. Every response contains a nonce, every error is a problem document."""

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
from enrollment.identity.acme.documents import AcmeResponse, AcmeUrls
from enrollment.identity.acme.errors import AcmeProblem, AcmeProblemType
from enrollment.identity.acme.jws import MAX_BODY
from enrollment.identity.signing.port import RETRY_SECONDS, SignerUnavailable

JOSE, JSON, PROBLEM = "application/jose+json", "application/json", "application/problem+json"
METHODS = [
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
]  # HEAD comes with GET; unsupported methods get a problem document
log = structlog.get_logger()


def routes(runtime: Runtime) -> list[BaseRoute]:
    """Return the routes of the ACME server; none while it is off. Raises `OSError`, `ValueError` for unreadable attestation roots."""
    if runtime.settings.acme is Acme.OFF:
        return []
    attestation.load_roots(runtime.settings.attestation_roots)
    return [Route("/acme/{path:path}", AcmeEndpoint(runtime).handle, methods=METHODS)]


class AcmeEndpoint:
    """Answers requests of ACME clients."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.addresses = AcmeUrls(runtime.settings.public_url)

    async def handle(self, request: Request) -> Response:
        path = request.path_params["path"]
        try:
            if request.method in ("GET", "HEAD"):
                return self._build_response(self._handle_get(path, request.method))
            if request.method != "POST":
                raise AcmeProblem(AcmeProblemType.WRONG_METHOD, "POST")
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JOSE:
                raise AcmeProblem(AcmeProblemType.WRONG_MEDIA_TYPE, f"requests are {JOSE}")
            body = await _read_body(request)
            return self._build_response(await run_in_threadpool(self._handle_post, path, body))
        except SignerUnavailable:  # outside the unit of work: nothing of the request is stored
            response = self._build_response(_build_refusal(AcmeProblem(AcmeProblemType.UNAVAILABLE, "try again later")))
            response.headers["Retry-After"] = str(RETRY_SECONDS)
            return response
        except AcmeProblem as problem:
            return self._build_response(_build_refusal(problem))
        except ClientDisconnect:
            return Response(status_code=400)

    def _handle_get(self, path: str, method: str) -> AcmeResponse:
        """Return what may be read without a signature (RFC 8555 section 6.3). Raises `AcmeProblem`."""
        if path == "directory":
            return AcmeResponse(200, self.addresses.render_directory())
        if path == "new-nonce":
            return AcmeResponse(200 if method == "HEAD" else 204)
        raise AcmeProblem(AcmeProblemType.WRONG_METHOD, "use POST-as-GET")

    def _handle_post(self, path: str, body: bytes) -> AcmeResponse:
        with self.runtime.open_unit_of_work() as work:
            try:
                return requests.handle_request(work, path, body)
            except AcmeProblem as problem:  # no rollback: the nonce of a refused request stays spent
                return _build_refusal(problem)

    def _build_response(self, reply: AcmeResponse) -> Response:
        body = reply.body
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        response = Response(content, reply.status, media_type=JSON if isinstance(body, dict) else None)
        for name, value in reply.headers.items():
            response.headers[name] = value
        response.headers.append("Link", f'<{self.addresses.build_url("directory")}>;rel="index"')
        response.headers["Replay-Nonce"] = nonces.create_nonce(self.runtime.keyring, self.runtime.clock.now())
        response.headers["Cache-Control"] = "no-store"
        return response


def _build_refusal(problem: AcmeProblem) -> AcmeResponse:
    log.warning("acme.refused", why=str(problem))
    headers = {"Content-Type": PROBLEM}
    if problem.location is not None:
        headers["Location"] = problem.location
    if problem.type is AcmeProblemType.WRONG_METHOD:
        headers["Allow"] = "POST"
    return AcmeResponse(problem.status, problem.document, headers)


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise AcmeProblem(AcmeProblemType.TOO_LARGE, f"at most {MAX_BODY} bytes")
    return bytes(body)
