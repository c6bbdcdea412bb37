"""What watches the server asks: whether the process lives, whether it can work, and its figures. No account is needed."""

from __future__ import annotations

import hmac
import shutil
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from cartable.leases import acquire_lease
from cartable.migrate import list_missing_migrations
from cartable.outages import Outage, find_outage
from cartable.unit_of_work import Runtime
from enrollment.identity.server_names import list_tablet_names
from enrollment.identity.signing.port import SignerUnavailable
from enrollment.identity.signing.state import load_remote_signer
from enrollment.places.hosts import MAX_HOST, normalise_host
from mdm.api.system.metrics import render_metrics
from mdm.care.server_state import load_server_state
from mdm.channel.batcher import Batcher

router = APIRouter(tags=["system"])
#: Less free space than this, and nothing more may be accepted.
MINIMUM_DISK_BYTES = 50 * 2**20


@router.get("/healthz", operation_id="healthz", include_in_schema=False)
def healthz() -> dict[str, str]:
    """Return that the process answers."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="readyz", include_in_schema=False)
def readyz(request: Request, response: Response) -> dict[str, object]:
    """Return whether requests can be served here; with 503 and the problems when they cannot. A warning stops no check-in."""
    problems = find_problems(request.app.state.runtime, request.app.state.batcher)
    if problems:
        response.status_code = 503
    return {
        "status": "not ready" if problems else "ready",
        "problems": problems,
        "warnings": [] if problems else find_warnings(request.app.state.runtime),
    }


def find_problems(runtime: Runtime, batcher: Batcher) -> list[str]:
    """Return what keeps this process from serving: a database that cannot be written, a missing migration, a dead batcher, a full disk."""
    problems = []
    if not batcher.is_alive():
        problems.append("batcher_dead")
    folder = runtime.settings.data_dir
    if folder.exists() and shutil.disk_usage(folder).free < MINIMUM_DISK_BYTES:
        problems.append("disk_full")
    try:
        with runtime.open_unit_of_work() as work:
            acquire_lease(work, "readiness", "any", timedelta(minutes=1))  # a real write: a read-only database answers questions
        if list_missing_migrations(runtime.engine):
            problems.append("migration_missing")
    except SQLAlchemyError as error:
        problems.append((find_outage(error) or Outage.AWAY).value)
    return problems


def find_warnings(runtime: Runtime) -> list[str]:
    """Return what fails while tablets are served: without the signer none enrolls or renews, and check-ins go on."""
    with runtime.open_unit_of_work() as work:
        signer = load_remote_signer(work)
    try:
        if signer is not None:
            signer.check()  # after the transaction: whoever waits for the signer blocks no check-in
    except SignerUnavailable:
        return ["signer_away"]
    return []


@router.get("/tls/known-host", operation_id="tls_known_host", include_in_schema=False)
def tls_known_host(request: Request, domain: str) -> Response:
    """Return 200 for the host name of the installation or of a town, else 404: a proxy asks before it has a certificate issued.

    Without this question anybody could use up the proxy's allowance at its certificate authority with names that lead here.
    """
    with request.app.state.runtime.open_unit_of_work() as work:
        return Response(status_code=200 if normalise_host(domain[:MAX_HOST]) in list_tablet_names(work) else 404)


@router.get("/metrics", operation_id="metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """Return the figures for Prometheus, to whoever gives the token of the settings; without one in the settings there is no such page."""
    runtime: Runtime = request.app.state.runtime
    token = runtime.settings.metrics_token
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not token or not hmac.compare_digest(given.encode(), token.encode()):
        return Response(status_code=404)
    with runtime.open_unit_of_work() as work:
        text = render_metrics(load_server_state(work), request.app.state.batcher.counters, work.now)
    return Response(text, media_type="text/plain; version=0.0.4")
