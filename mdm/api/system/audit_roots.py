"""The daily roots of the audit trail, for everybody: whoever has kept one can prove later that nothing before it was removed or changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from cartable.audit_anchors import AnchorFile

PATH = "/.well-known/cartable-audit-roots"
router = APIRouter(tags=["system"])
#: The files are read again after so long: anybody may ask, as often as they like.
KEPT_FOR = timedelta(minutes=5)
MAX_ROOTS = 400


@router.get(PATH, operation_id="audit_roots", include_in_schema=False)
def list_audit_roots(request: Request) -> Response:
    """Return the daily roots, the newest first. They reveal nothing of events, towns or people but the number of chains."""
    state, runtime = request.app.state, request.app.state.runtime
    kept = getattr(state, "audit_roots", None)
    if kept is None or kept[0] <= runtime.clock.now():
        state.audit_roots = kept = (runtime.clock.now() + KEPT_FOR, _read_roots(AnchorFile(runtime.settings, runtime.keyring)))
    headers = {"Cache-Control": f"public, max-age={int(KEPT_FOR.total_seconds())}", "Access-Control-Allow-Origin": "*"}
    return JSONResponse({"hash": "sha256", "roots": kept[1]}, headers=headers)


def _read_roots(anchor_file: AnchorFile) -> list[dict[str, Any]]:
    lines = anchor_file.read_daily_lines(MAX_ROOTS)
    return [{"at": line.at.isoformat(), "root": line.root, "chains": len(line.ends)} for line in lines]
