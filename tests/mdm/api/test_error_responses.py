"""A fault of ours is answered quickly and logged briefly, without the data that it happened to."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from sqlalchemy import select
from structlog.testing import capture_logs

from cartable.unit_of_work import Runtime
from enrollment.places.models import Town
from mdm.api.deps import WorkDep
from mdm.api.errors import PROBLEM_TYPE, install_handlers
from tests.support.world import TownFactory


class PupilOut(BaseModel):
    number: int
    name: str


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    router = APIRouter()

    @router.get("/pupils", response_model=list[PupilOut])
    def list_pupils(work: WorkDep) -> object:
        TownFactory(work).create_town(name="Never kept")
        return [{"number": "no number", "name": f"Zoé {index}" * 50} for index in range(5000)]

    app = FastAPI()
    install_handlers(app)
    app.include_router(router)
    app.state.runtime = runtime
    return app


async def get(app: FastAPI, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(path)


def test_a_response_that_does_not_fit_its_schema_is_a_problem_and_one_short_line(app: FastAPI, runtime: Runtime) -> None:
    started = time.monotonic()
    with capture_logs() as lines:
        response = asyncio.run(get(app, "/pupils"))
    assert time.monotonic() - started < 5
    assert (response.status_code, response.headers["content-type"]) == (500, PROBLEM_TYPE)
    assert response.json()["code"] == "internal"
    assert "Zoé" not in response.text
    [line] = lines
    assert line["event"] == "api.invalid_response"
    assert (line["faults"], line["field"], line["path"]) == (5000, "response.0.number", "/pupils")
    assert len(str(line)) < 300
    assert "Zoé" not in str(line)
    with runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(Town.id)) is None, "nothing was changed"


def test_after_a_fault_the_connection_says_that_it_ends(app: FastAPI) -> None:
    router = APIRouter()

    @router.get("/broken")
    def fail() -> None:
        raise RuntimeError

    app.include_router(router)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/broken")

    response = asyncio.run(ask())
    assert (response.status_code, response.headers["connection"]) == (500, "close")
