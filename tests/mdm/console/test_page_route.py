"""What a page has written before it is refused is taken back."""

from __future__ import annotations

import asyncio

import httpx
from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from sqlalchemy import func, select

from cartable import audit
from cartable.errors import Conflict
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.api.deps import WorkDep
from mdm.console.page_route import PageRoute


def test_a_refused_page_leaves_nothing_behind(runtime: Runtime) -> None:
    router = APIRouter(route_class=PageRoute)

    @router.get("/refused")
    def refuse(work: WorkDep) -> Response:
        audit.record_event(work, SYSTEM, "page.refuse", "page", "1", town_id=None)
        raise Conflict

    @router.get("/shown")
    def show(work: WorkDep) -> Response:
        audit.record_event(work, SYSTEM, "page.show", "page", "1", town_id=None)
        return Response("shown")

    app = FastAPI()
    app.state.runtime = runtime
    app.include_router(router)

    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://mdm.test") as client:
            return [(await client.get(path)).status_code for path in ("/refused", "/shown")]

    assert asyncio.run(ask()) == [409, 200]
    with runtime.open_unit_of_work() as work:
        actions = work.session.scalars(select(audit.AuditEvent.action)).all()
        assert actions == ["page.show"]
        assert work.session.scalar(select(func.count()).select_from(audit.AuditEvent)) == 1
