"""Every operation by every role with own and foreign ids, from the OpenAPI document: nobody names an object of another town with effect.

Two towns have one row in every table. A person of the first town calls each operation once per id that it takes: that id is of the other
town, all others are of the own one. Nothing of the other town may be shown, changed, or referred to by a row of the own town.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import structlog
from sqlalchemy import Engine, select

from cartable.clock import ManualClock, SystemClock
from cartable.scope import SCOPES, TEMPORARY_ROLES, Role, RoleScope
from cartable.telemetry import configure_logging
from enrollment.places.models import Town
from mdm.tables import metadata
from tests.conftest import KEYRING
from tests.support import databases, sampling
from tests.support.api_document import read_api_document
from tests.support.rows import as_id, fill_tables
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

DOCUMENT = read_api_document()
SCHEMAS = DOCUMENT["components"]["schemas"]
#: These end the session of the test, or need none.
LEFT_OUT = {
    "create_token",
    "change_password",
    "end_current_session",
    "end_all_sessions",
    "confirm_session",
    "healthz",
    "readyz",
    "metrics",
}
#: The table of an id, where the name of the parameter does not say it.
TABLES = {
    "class_id": "school_class", "rollover_id": "rollover", "document_id": "policy_document", "import_id": "roster_import",
    "server_id": "ade_server", "bulk_id": "bulk_erase", "extension_id": "budget_extension", "assignment_id": "teacher_assignment",
    "target_id": "pupil", "new_school_id": "school", "report_id": "privacy_report", "command_id": "command", "group_id": "policy_group",
    "exception_id": "calendar_override", "rule_id": "guardian_rule", "target": "tablet", "session_id": "class_session", "cart_slot_id": "cart_slot",
    "exam_id": "exam_day", "preset_id": "policy_preset",
    "role_id": "role_assignment", "token_id": "licence_token", "provider_id": "identity_provider", "staff_id": "staff_member",
    "recipient_id": "notice_address", "release_id": "filter_list_release",
}  # fmt: skip
#: The same by operation, where one name means several things.
TABLES_BY_OPERATION = {
    ("approve_position_request", "request_id"): "position_request",
    ("get_position_request", "request_id"): "position_request",
    ("approve_request", "request_id"): "approval_request",
    ("answer_privacy_request", "request_id"): "privacy_request",
    ("extend_privacy_request", "request_id"): "privacy_request",
    ("end_session", "session_id"): "account_session",
    ("confirm_loss_report", "report_id"): "loss_report",
    ("decline_loss_report", "report_id"): "loss_report",
}
#: Operations that read a stored certificate, which a row made from the columns does not have.
NEED_REAL_ROWS = {"install_ade_token"}
#: The roles of people in a town: the administrator, who may do most, and a quarter of the others each day.
ROLES = [
    role
    for number, role in enumerate(Role)
    if SCOPES[role] is not RoleScope.OPERATOR and (role is Role.TOWN_ADMIN or sampling.is_turn(number, 4))
]
#: Ids that a client makes itself.
MADE_BY_CLIENTS = {"request_id"}
#: Tables that keep ids of attempts, and what the server itself does meanwhile.
_TRACES = {"audit_event", "outbox", "account_session", "attempt_counter"}
#: Operations that answer with success although an id is foreign, and why that is right.
IGNORED: dict[tuple[str, str], str] = {}


@dataclass(frozen=True)
class Call:
    """One operation with the names of the ids that it takes."""

    operation_id: str
    method: str
    path: str
    description: dict[str, Any]

    @property
    def content(self) -> tuple[str, dict[str, Any]] | None:
        """The media type and the schema of the body."""
        for media_type, each in self.description.get("requestBody", {}).get("content", {}).items():
            return media_type, _resolve(each["schema"])
        return None

    def list_ids(self) -> list[str]:
        """The names of the parameters and fields that are ids."""
        names = [each["name"] for each in self.description.get("parameters", ()) if _is_id(each["name"], each["schema"])]
        if self.content is not None:
            names += _list_id_fields(self.content[1])
        return sorted(set(names))


def _resolve(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    return schema


def _is_id(name: str, schema: dict[str, Any]) -> bool:
    schema = _resolve(schema)
    if schema.get("format") == "uuid" or name == "command_id":
        return True
    parts = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]
    return any(_is_id(name, part) for part in parts)


def _list_id_fields(schema: dict[str, Any]) -> Iterator[str]:
    schema = _resolve(schema)
    for part in [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]:
        yield from _list_id_fields(part)
    for name, each in schema.get("properties", {}).items():
        if _is_id(name, each):
            yield name
        else:
            yield from _list_id_fields(each)


def _list_calls() -> list[Call]:
    return [
        Call(description["operationId"], method.upper(), path, description)
        for path, methods in DOCUMENT["paths"].items()
        for method, description in methods.items()
        if path.startswith("/api/v1") and description["operationId"] not in LEFT_OUT
    ]


CALLS = _list_calls()


class Request:
    """Builds the request of a call in which the ids named `foreign` are of the other town."""

    def __init__(self, call: Call, own: dict[str, Any], other: dict[str, Any], foreign: set[str]) -> None:
        self.call, self.own, self.other, self.foreign = call, own, other, foreign

    def send(self, client: httpx.Client) -> httpx.Response:
        path, query = self.call.path.removeprefix("/api/v1"), {}
        for parameter in self.call.description.get("parameters", ()):
            name, schema = parameter["name"], parameter["schema"]
            if parameter["in"] == "path":
                path = path.replace("{" + name + "}", str(self._value(name, schema)))
            elif parameter["in"] == "query" and (parameter.get("required") or _is_id(name, schema)):
                query[name] = self._value(name, schema)
        sent: dict[str, Any] = {"params": query}
        if self.call.content is not None:
            media_type, schema = self.call.content
            if media_type == "application/json":
                sent["json"] = self._value("", schema)
            else:
                fields = {name: self._value(name, each) for name, each in schema["properties"].items() if not _is_file(each)}
                sent["data"] = {name: str(value) for name, value in fields.items()}
                sent["files"] = {name: ("a.csv", b"x") for name, each in schema["properties"].items() if _is_file(each)}
        return client.request(self.call.method, path, **sent)

    def _value(self, name: str, schema: dict[str, Any]) -> Any:
        schema = _resolve(schema)
        if name and _is_id(name, schema):
            value = self._id(name)
            return [value] if "items" in schema or any("items" in part for part in schema.get("anyOf", ())) else value
        if "anyOf" in schema:
            return self._value(name, schema["anyOf"][0])
        if "enum" in schema:
            return schema["enum"][0]
        if schema.get("type") == "object":
            return {key: self._value(key, each) for key, each in schema.get("properties", {}).items()}
        if schema.get("type") == "array":
            return [self._value("", schema["items"])] if schema.get("items") else []
        return _make_plain_value(name, schema)

    def _id(self, name: str) -> Any:
        if (self.call.operation_id, name) not in TABLES_BY_OPERATION and name in MADE_BY_CLIENTS:
            return "00000000-0000-0000-0000-0000000000aa"
        table = find_table(self.call.operation_id, name)
        return as_id((self.other if name in self.foreign else self.own)[table])


def find_table(operation_id: str, name: str) -> str:
    """Return the table that an id is of."""
    singular = name if name.endswith("_id") else name.removesuffix("s")
    return TABLES_BY_OPERATION.get((operation_id, name)) or TABLES.get(singular) or singular.removesuffix("_id")


def _is_file(schema: dict[str, Any]) -> bool:
    return "binary" in str(_resolve(schema)) or "contentMediaType" in _resolve(schema)


def _make_plain_value(name: str, schema: dict[str, Any]) -> Any:
    if "default" in schema and schema["default"] is not None:
        return schema["default"]
    by_name = {"ticket": "T-1", "day": "2027-06-24", "at": "10:00", "starts": "10:00", "ends": "11:00", "code": "X"}
    if name in by_name and schema.get("format") not in ("date", "date-time"):
        return by_name[name]
    formats = {"date": "2027-06-24", "date-time": "2027-06-24T10:00:00Z", "uuid": "00000000-0000-0000-0000-0000000000aa"}
    plain = {"boolean": False, "integer": schema.get("minimum", 30), "number": 1.0, "string": "a text long enough for all"}
    return formats.get(schema.get("format", "")) or plain.get(schema.get("type", ""), "x")


def test_the_table_of_every_id_is_known() -> None:
    """A new id in the API is tried too: its name says its table, or a line above does."""
    tables = set(metadata.tables)
    unknown = {
        f"{call.operation_id}.{name} ({find_table(call.operation_id, name)})"
        for call in CALLS
        for name in call.list_ids()
        if name not in MADE_BY_CLIENTS and find_table(call.operation_id, name) not in tables
    }
    assert unknown == set()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder: Path = tmp_path_factory.mktemp("foreign-ids")
    engine = databases.create_sqlite_engine(folder)
    logging_before = structlog.get_config()
    configure_logging(json=True)
    with start_live_server(engine, KEYRING, folder / "data", ManualClock(SystemClock().now())) as running:
        yield running
    structlog.configure(**logging_before)
    engine.dispose()


@dataclass(frozen=True)
class TwoTowns:
    """The keys of two towns' rows by table."""

    own: dict[str, Any]
    other: dict[str, Any]


@pytest.fixture(scope="module")
def towns(server: LiveServer) -> TwoTowns:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        return TwoTowns(*(fill_tables(work, work.session.get_one(Town, world.create_town().id)) for _ in range(2)))


def _sign_in(server: LiveServer, towns: TwoTowns, role: Role, login: str) -> httpx.Client:
    """Sign in a person with a role in the first town, or in its school or class."""
    scope = SCOPES[role]
    in_school = scope in (RoleScope.SCHOOL, RoleScope.CLASS)
    return server.sign_in(
        towns.own["town"], role, login, school_id=towns.own["school"] if in_school else None,
        class_id=towns.own["school_class"] if scope is RoleScope.CLASS else None,
        ends_at=server.runtime.clock.now() + timedelta(days=1) if role in TEMPORARY_ROLES else None,
    )  # fmt: skip


def _is_empty(answer: httpx.Response) -> bool:
    """Return whether an answer is a list without items, or null: a filter by a foreign id finds nothing."""
    is_json = "json" in answer.headers.get("content-type", "")
    return answer.is_success and is_json and answer.json() in ({"items": [], "next_cursor": None}, None)


def _load_rows(engine: Engine) -> dict[str, set[tuple[str, ...]]]:
    """Return the rows of all tables, as texts."""
    with engine.connect() as connection:
        return {
            table.name: {tuple(map(str, row)) for row in connection.execute(select(table))}
            for table in metadata.sorted_tables
            if table.name not in _TRACES
        }


@pytest.mark.parametrize("role", ROLES)
def test_no_operation_takes_an_id_of_another_town(server: LiveServer, towns: TwoTowns, role: Role) -> None:
    client = _sign_in(server, towns, role, f"person-{role.value}")
    engine = server.runtime.engine
    before = _load_rows(engine)
    foreign_ids = {str(key) for key in towns.other.values() if isinstance(key, UUID)}
    faults, statuses = [], Counter[int]()
    try:
        for call in CALLS:
            for name in call.list_ids():
                if name in MADE_BY_CLIENTS and (call.operation_id, name) not in TABLES_BY_OPERATION:
                    continue
                answer = Request(call, towns.own, towns.other, {name}).send(client)
                statuses[answer.status_code] += 1
                sent = as_id(towns.other[find_table(call.operation_id, name)])
                shown = {each for each in foreign_ids - {sent} if each in answer.text}
                is_ignored = (call.operation_id, name) in IGNORED or _is_empty(answer)
                if answer.status_code >= 500 or shown or (answer.is_success and not is_ignored):
                    faults.append((call.operation_id, name, answer.status_code, answer.text[:150]))
                if answer.status_code == 403 and role is not Role.TOWN_ADMIN:
                    break  # without the permission no other id helps; the administrator, who has most, tries them all
    finally:
        client.close()
    assert faults == []
    after = _load_rows(engine)
    other_town = str(towns.other["town"])
    lost = {name for name, rows in before.items() for row in rows - after[name] if foreign_ids & {*row}}
    assert lost == set(), "nothing of the other town was changed or deleted"
    referring = {name for name, rows in after.items() for row in rows - before[name] if {*row} & (foreign_ids | {other_town})}
    assert referring == set(), "no new row belongs to the other town or refers to it"
    assert sum(statuses.values()) > 150
    assert statuses[404] + statuses[403] > 120, statuses


@pytest.mark.parametrize("role", ROLES)
def test_no_operation_with_own_ids_fails_or_shows_another_town(server: LiveServer, towns: TwoTowns, role: Role) -> None:
    """Run last: these calls do what they say."""
    client = _sign_in(server, towns, role, f"own-{role.value}")
    foreign_ids = {as_id(key) for key in towns.other.values() if isinstance(key, UUID)}
    faults, statuses = [], Counter[int]()
    try:
        for call in CALLS:
            if call.operation_id in NEED_REAL_ROWS:
                continue
            try:
                answer = Request(call, towns.own, towns.other, set()).send(client)
            except httpx.RemoteProtocolError:  # after a fault the server closes the connection
                answer = Request(call, towns.own, towns.other, set()).send(client)
            statuses[answer.status_code] += 1
            if answer.status_code >= 500 or any(each in answer.text for each in foreign_ids):
                faults.append(f"{call.operation_id} {answer.status_code}")
    finally:
        client.close()
    assert faults == []
    assert sum(count for status, count in statuses.items() if status < 300) > 20, statuses
