"""Every form of the console, sent after its session has ended: what was typed and where comes back after the sign-in."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, get_args
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import UploadFile

from cartable.clock import ManualClock
from cartable.settings import SecondFactorPolicy, Settings
from cartable.unit_of_work import Runtime
from mdm.accounts.models import SessionKind
from mdm.console.frame import SESSION_COOKIE
from mdm.console.kept_forms import open_form
from mdm.console.page_route import CONFIRM_FIELDS
from mdm.console.routes import list_page_routes
from mdm.web import create_app
from tests.conftest import KEYRING
from tests.support import databases
from tests.support.accounts import create_account, sign_in
from tests.support.world import TownFactory

TYPED = "Une longue phrase, « tapée » avant la fin de la session."
#: Forms that need no session, or that have nothing to keep, and why.
NOTHING_TO_KEEP = {
    "/sign-in": "is the sign-in",
    "/second-factor": "is the sign-in",
    "/welcome/{token}": "is the sign-in",
    "/sign-out": "has nothing typed",
    "/sessions/stay": "is sent by a script",
}
ROUTES = [route for route in list_page_routes("POST") if route.path not in NOTHING_TO_KEEP]
#: Fields of a type that is no text.
_VALUES: dict[type, str] = {
    int: "1",
    bool: "true",
    date: "2026-11-26",
    datetime: "2026-11-26T08:00",
    UUID: str(uuid4()),
    float: "1",
}


class EndedSession:
    """An application, the cookie of a session that has ended, and the word of its forms."""

    def __init__(self, runtime: Runtime, clock: ManualClock) -> None:
        with runtime.open_unit_of_work() as work:
            self.account_id = create_account(work, TownFactory(work).create_town().id).id
            self.token = sign_in(work, kind=SessionKind.CONSOLE).token
        self.csrf = str(KEYRING.keyed_hash(self.token, "console.csrf"))
        self.app = create_app(runtime)
        clock.advance(timedelta(hours=2))

    def send(self, path: str, fields: dict[str, str], files: dict[str, bytes], place: str) -> httpx.Response:
        async def post() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            cookies, headers = {SESSION_COOKIE: self.token}, {"Referer": f"https://localhost{place}", "Accept": "text/html"}
            async with httpx.AsyncClient(
                transport=transport, base_url="https://localhost", cookies=cookies, headers=headers
            ) as client:
                return await client.post(path, data={"csrf": self.csrf, **fields}, files=files or None)

        return asyncio.run(post())


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndedSession]:
    folder = tmp_path_factory.mktemp("kept")
    engine = databases.create_sqlite_engine(folder)
    settings = Settings(_env_file=None, data_dir=folder, public_url="https://localhost", second_factor=SecondFactorPolicy.OFFERED)
    clock = ManualClock(datetime.now(UTC))
    yield EndedSession(Runtime(settings=settings, engine=engine, clock=clock, keyring=KEYRING), clock)
    engine.dispose()


def _make_value(annotation: Any) -> str:
    options = [annotation, *get_args(annotation)]
    for option in options:
        if isinstance(option, type) and issubclass(option, Enum):
            return str(next(iter(option)).value)
        if option in _VALUES:
            return _VALUES[option]
    return TYPED


def _fill_form(route: APIRoute) -> tuple[dict[str, str], dict[str, bytes]]:
    """Return values for the fields of a form, and its files."""
    fields, files = {"free_field": TYPED}, {}
    for parameter in route.dependant.body_params:
        annotation = parameter.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields |= {name: TYPED for name, each in annotation.model_fields.items() if each.annotation is str and name != "csrf"}
        elif UploadFile in (annotation, *get_args(annotation)):
            files[parameter.alias] = b"a file"
        elif parameter.alias not in ("csrf", *CONFIRM_FIELDS):
            fields[parameter.alias] = _make_value(annotation)[: _find_longest(parameter.field_info)]
    return fields, files


def _find_longest(field: Any) -> int | None:
    return next((int(each.max_length) for each in field.metadata if hasattr(each, "max_length")), None)


def _fill_path(route: APIRoute) -> str:
    values = {each.name: _make_value(each.field_info.annotation) for each in route.dependant.path_params}
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda match: values[match[1]].partition(",")[0].replace(" ", "-"), route.path)


@pytest.mark.parametrize("route", ROUTES, ids=[route.path for route in ROUTES])
def test_a_form_is_kept_with_its_place(route: APIRoute, ended: EndedSession) -> None:
    path = _fill_path(route)
    fields, files = _fill_form(route)
    response = ended.send(path, fields, files, "/the/place?town=1")
    assert response.status_code == 401, response.text[:300]
    sealed = re.search(r'name="kept" value="([^"]+)"', response.text)
    assert sealed is not None, "the sign-in page carries the form"
    form = open_form(KEYRING, html.unescape(sealed[1]))
    assert form is not None
    assert (form.account_id, form.action, form.place) == (ended.account_id, path, "/the/place?town=1")
    assert ("free_field", TYPED) in form.fields
    assert not [name for name, _ in form.fields if name in CONFIRM_FIELDS or "password" in name]
