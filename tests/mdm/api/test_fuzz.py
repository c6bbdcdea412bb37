"""Random bodies, queries, forms and files, well formed and not, against every operation of the API: the response is an error with a code or
a result, never a 500.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartable.scope import Role
from enrollment.places.models import Grade
from tests.conftest import KEYRING
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.mdm.api.test_foreign_ids import NEED_REAL_ROWS, TABLES, TABLES_BY_OPERATION
from tests.support import databases, sampling
from tests.support.api_document import read_api_document
from tests.support.rows import as_id, fill_tables
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

Schema = dict[str, Any]
DOCUMENT = read_api_document()
#: They would end the session of the test.
EXCLUDED_PATHS = {"/api/v1/password", "/api/v1/tokens", "/api/v1/sessions", "/api/v1/sessions/current"}


@dataclass(frozen=True)
class Operation:
    """One operation as the OpenAPI document describes it."""

    method: str
    path: str
    description: Schema

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _operations() -> list[Operation]:
    operations = []
    for path, methods in DOCUMENT["paths"].items():
        for method, description in methods.items():
            if path not in EXCLUDED_PATHS and description["operationId"] not in NEED_REAL_ROWS:
                operations.append(Operation(method.upper(), path, description))
    return operations


OPERATIONS = _operations()
#: Days in which each operation is tried with each database.
DAYS = 2
#: Each operation with a database: one today, the other one tomorrow.
CASES = [
    (dialect, operation)
    for place, dialect in enumerate(databases.DIALECTS)
    for number, operation in enumerate(OPERATIONS)
    if sampling.is_turn(number + place, DAYS)
]


@dataclass
class Target:
    """An administrator, and ids of existing objects by the names of their parameters."""

    client: httpx.Client
    known: dict[str, str]
    keys: dict[str, str]

    def get_known(self, operation: Operation) -> dict[str, str]:
        """Return the ids by the names that the operation gives them."""
        own = {name: table for (each, name), table in TABLES_BY_OPERATION.items() if each == operation.description["operationId"]}
        return self.known | {name: self.keys[table] for name, table in own.items()}


@pytest.fixture(scope="module")
def get_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Target]]:
    """Return the target on a dialect. Its server starts with the first case and serves all: a parametrised fixture would be made anew for each."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda dialect: stack.enter_context(_start_target(dialect, tmp_path_factory.mktemp("fuzz"))))


@contextlib.contextmanager
def _start_target(dialect: str, folder: Path) -> Iterator[Target]:
    engine = databases.create_sqlite_engine(folder) if dialect == "sqlite" else databases.empty_postgres_engine()
    with start_live_server(engine, KEYRING, folder / "data") as server, _create_objects(server) as target:
        yield target
    engine.dispose()


@contextlib.contextmanager
def _create_objects(server: LiveServer) -> Iterator[Target]:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        school_class = world.create_class(school)
        pupil = world.create_pupil(school_class, Grade.CE2)
        tablet = world.create_tablet(town, school_id=school.id)
        loan = world.lend_tablet(tablet, pupil)
        ids: dict[str, UUID] = {
            "town_id": town.id, "school_id": school.id, "class_id": school_class.id, "pupil_id": pupil.id, "tablet_id": tablet.id,
            "loan_id": loan.id,
        }  # fmt: skip
        uai = school.uai
        keys = {table: str(as_id(key)) for table, key in fill_tables(work, town).items()}
    client = server.sign_in(ids["town_id"], Role.TOWN_ADMIN, "fuzzer")
    client.timeout = httpx.Timeout(60)
    rows = {f"{table}_id": key for table, key in keys.items()} | {name: keys[table] for name, table in TABLES.items()}
    known = rows | {name: str(value) for name, value in ids.items()} | {"school_uai": uai}
    form = {"town_id": known["town_id"], "school_uai": uai}
    roster = client.post("/rosters", files={"file": ("a.csv", text_file(ONDE, onde_line("A", "B")))}, data=form).json()
    rollover = client.put(f"/towns/{known['town_id']}/rollovers").json()
    known |= {"import_id": roster["id"], "rollover_id": rollover["id"]}
    yield Target(client, known, keys)
    client.close()


NASTY = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "=1+1",
    "\u202eevil",
    "é" * 400,
    "x" * 5000,
    "' OR 1=1 --",
    "../../etc",
    "%s%n",
    "0" * 40,
    "🏫",
]
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(max_size=30))
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from([2**31, 2**63, 2**70, -1, 0]), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)
DATES = ["0001-01-01", "9999-12-31", "2026-11-25", "2026-02-30", "2016-02-29", "2026-11-25T10:00:00Z", "0001-01-01T00:00:00+14:00",
         "9999-12-31T23:59:59-12:00", "now"]  # fmt: skip


def _resolve_references(schema: Schema) -> Schema:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def build_strategy_of_schema(schema: Schema, name: str, known: dict[str, str]) -> st.SearchStrategy[Any]:
    """Return a strategy for values of a schema: mostly valid ones, so that services are reached, now and then anything."""
    return st.one_of(*[_build_strategy(_resolve_references(schema), name, known)] * 5, ANYTHING)


def _build_strategy(schema: Schema, name: str, known: dict[str, str]) -> st.SearchStrategy[Any]:
    if name in known:
        return st.one_of(*[st.just(known[name])] * 3, st.uuids().map(str))
    if "anyOf" in schema:
        return st.one_of(*(_build_strategy(_resolve_references(each), name, known) for each in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    simple: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "null": st.none,
        "boolean": st.booleans,
        "integer": lambda: st.one_of(st.integers(0, 40), st.sampled_from([-1, 2**31, 2**63, 2**70])),
        "number": lambda: st.floats(allow_nan=False),
        "string": lambda: _build_text_strategy(schema, known),
        "array": lambda: st.lists(
            _build_strategy(_resolve_references(schema.get("items", {})), name.removesuffix("s"), known), max_size=3
        ),
        "object": lambda: _build_object_strategy(schema, known),
    }
    return simple.get(schema.get("type", ""), lambda: ANYTHING)()


def _build_text_strategy(schema: Schema, known: dict[str, str]) -> st.SearchStrategy[Any]:
    form = schema.get("format", "")
    if form in ("date", "date-time"):
        return st.one_of(st.sampled_from(DATES), st.dates().map(str), st.datetimes().map(lambda at: at.isoformat() + "Z"))
    if form == "uuid":
        return st.one_of(st.sampled_from(sorted(known.values())), st.uuids().map(str))
    return TEXTS


def _build_object_strategy(schema: Schema, known: dict[str, str]) -> st.SearchStrategy[Any]:
    properties = schema.get("properties", {})
    needed = {
        name: build_strategy_of_schema(each, name, known)
        for name, each in properties.items()
        if name in schema.get("required", ())
    }
    others = {name: build_strategy_of_schema(each, name, known) for name, each in properties.items() if name not in needed}
    if not properties:
        return st.dictionaries(TEXTS, TEXTS, max_size=4)
    return st.fixed_dictionaries(needed, optional=others)


FILES = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda lines: text_file(ONDE, *lines, encoding="utf-8"), st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=5)),
    st.sampled_from([b"", b"PK\x03\x04", text_file(ONDE, onde_line("MARTIN", "Zoé")), b"Nom;Pr\xc3\xa9nom;Niveau\n\x00;b;CP"]),
)  # fmt: skip


def _call_operation(data: st.DataObject, target: Target, operation: Operation) -> httpx.Response:
    path, query, known = operation.path.removeprefix("/api/v1"), {}, target.get_known(operation)
    for parameter in operation.description.get("parameters", []):
        schema, name = _resolve_references(parameter["schema"]), parameter["name"]
        if parameter["in"] == "path":
            value = data.draw(
                st.one_of(*[_build_strategy(schema, name, known)] * 4, TEXTS.filter(lambda text: text.strip("./ ") == text != ""))
            )
            path = path.replace(f"{{{name}}}", _quote_path(str(value)))
        elif parameter["required"] or data.draw(st.booleans()):
            query[name] = _as_text(data.draw(build_strategy_of_schema(schema, name, known)))
    sent: dict[str, Any] = {"params": query}
    for media_type, content in operation.description.get("requestBody", {}).get("content", {}).items():
        schema = _resolve_references(content["schema"])
        if media_type == "application/json":
            body = data.draw(build_strategy_of_schema(schema, "", known))
            sent |= {"content": json.dumps(body).encode(), "headers": {"Content-Type": media_type}}
        elif media_type == "multipart/form-data":
            fields = {
                name: build_strategy_of_schema(each, name, known)
                for name, each in schema["properties"].items()
                if name not in ("file", "template")
            }
            form = {
                name: _as_text(data.draw(each))
                for name, each in fields.items()
                if name in schema.get("required", ()) or data.draw(st.booleans())
            }
            at = "file" if "file" in schema["properties"] else "template"
            sent |= {"data": form, "files": {at: ("liste.csv", data.draw(FILES))}}
        else:
            sent |= {
                "data": {
                    name: _as_text(data.draw(build_strategy_of_schema(each, name, known)))
                    for name, each in schema["properties"].items()
                }
            }
    return target.client.request(operation.method, path, **sent)


def _quote_path(text: str) -> str:
    from urllib.parse import quote

    return quote(text.encode("utf-8", "replace")[:300], safe="") or "x"


def _as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [str(_as_text(each)) for each in value]
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode()


def test_operations_are_found() -> None:
    assert len(OPERATIONS) > 340


@pytest.mark.parametrize(("dialect", "operation"), CASES, ids=str)
@settings(max_examples=5, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_input_gets_a_response(
    get_target: Callable[[str], Target], dialect: str, operation: Operation, data: st.DataObject
) -> None:
    answer = _call_operation(data, get_target(dialect), operation)
    assert answer.status_code < 500, (answer.status_code, answer.request.url, answer.request.content[:600], answer.text)
    if answer.status_code >= 400:
        assert answer.json()["code"], answer.text
