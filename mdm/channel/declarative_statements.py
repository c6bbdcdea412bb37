"""The channel's set-based SQL on declarations: who asks and what is announced to them, what was served, what they report.

Each method is one statement for any number of tablets, written as SQL text because it runs for every declarative request.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.orm import Session

from cartable.bulk_params import build_parameters, build_table_sql
from cartable.database import Json, UtcDateTime
from mdm.devices.declaration_status import CurrentStatus
from mdm.devices.models import DeclarationStatus, EnrollmentState, Manifest

_REQUESTED = {"channel_key": "text", "fingerprint": "text", "reports": "bigint"}
#: The last two columns are long, and only a report is compared with them.
_LOAD_SENDERS = """
SELECT e.channel_key, e.id, e.generation, e.state, e.fingerprint, e.next_fingerprint, e.tablet_id, e.town_id, e.udid,
       e.authenticated_at, s.set_sha256, s.mode, s.repairs, s.publication, s.published_at, s.served_set_sha256, s.served_mode, s.served_repairs,
       s.served_at, s.status, s.status_since, s.confirmed_at, s.reported_at, s.declarative_only_since,
       CASE WHEN requested.reports = 1 THEN s.status_items END AS status_items,
       CASE WHEN requested.reports = 1 THEN s.reported_declarations END AS reported_declarations
FROM {requested} JOIN device_enrollment e ON e.channel_key = requested.channel_key
LEFT JOIN declarative_state s ON s.enrollment_id = e.id
"""
_TOUCH_LAST_SEEN = """
UPDATE last_seen SET last_seen_at = :now FROM {requested} JOIN device_enrollment e ON e.channel_key = requested.channel_key
WHERE last_seen.enrollment_id = e.id AND (requested.fingerprint = e.fingerprint OR requested.fingerprint = e.next_fingerprint)
"""
_COLUMN_TYPES: Mapping[str, Any] = {
    "tablet_id": Uuid(), "town_id": Uuid(), "authenticated_at": UtcDateTime(), "repairs": Json, "published_at": UtcDateTime(),
    "served_repairs": Json, "served_at": UtcDateTime(), "status_since": UtcDateTime(), "confirmed_at": UtcDateTime(),
    "reported_at": UtcDateTime(), "declarative_only_since": UtcDateTime(), "status_items": Json, "reported_declarations": Json,
}  # fmt: skip
#: Rows are locked in the order in which the worker locks them when it announces, so that neither waits for the other.
_LOCKED = (
    "(SELECT enrollment_id FROM declarative_state WHERE enrollment_id IN ({ids}) ORDER BY enrollment_id{for_update}) AS locked"
)
_SERVED = {"enrollment_id": "bigint", "set_sha256": "text", "mode": "text", "repairs": "jsonb"}
_SAVE_SERVED = """
UPDATE declarative_state SET served_set_sha256 = served.set_sha256, served_mode = served.mode, served_repairs = served.repairs,
    served_at = :now
FROM {locked} JOIN {served} ON served.enrollment_id = locked.enrollment_id
WHERE declarative_state.enrollment_id = locked.enrollment_id
"""
_REPORTED_KEYS = {"enrollment_id": "bigint", "publication": "bigint", "generation": "bigint"}
_REPORTED_COLUMNS = {
    "status_items": "jsonb", "errors": "jsonb", "reported_at": "timestamptz", "reported_declarations": "jsonb",
    "confirmed_mode": "text", "status": "text", "status_since": "timestamptz", "problem": "text",
    "confirmed_at": "timestamptz", "next_check_at": "timestamptz", "repair_attempts": "bigint",
}  # fmt: skip
#: A report changes nothing where other declarations were announced since it was compared, or another enrollment has begun.
_SAVE_REPORTED = """
UPDATE declarative_state SET {assignments}
FROM {locked} JOIN {reported} ON reported.enrollment_id = locked.enrollment_id
JOIN device_enrollment e ON e.id = locked.enrollment_id AND e.generation = reported.generation
WHERE declarative_state.enrollment_id = locked.enrollment_id AND declarative_state.publication = reported.publication
RETURNING declarative_state.enrollment_id
"""


@dataclass(frozen=True, slots=True)
class DeclarationSnapshot:
    """The declarative state of one enrollment as it was read. The last two attributes are read for reports only."""

    announced: Manifest | None
    publication: int
    published_at: datetime | None
    served: Manifest | None
    served_at: datetime | None
    current: CurrentStatus
    reported_at: datetime | None
    declarative_only_since: datetime | None
    status_items: Mapping[str, Any]
    reported_declarations: Mapping[str, Any]

    @property
    def fetched(self) -> Manifest | None:
        """The manifest that the tablet fetched last; the announced one for a tablet that has never fetched any."""
        return self.announced if self.served_at is None else self.served


@dataclass(frozen=True, slots=True)
class DeclarativeSender:
    """An enrollment that sent a declarative request. `declarations` is None where nothing was announced or reported yet."""

    enrollment_id: int
    generation: int
    state: EnrollmentState
    fingerprint: str
    next_fingerprint: str | None
    tablet_id: UUID
    town_id: UUID
    udid: str
    authenticated_at: datetime
    declarations: DeclarationSnapshot | None

    def is_accepted(self, fingerprint: str) -> bool:
        """Return whether the enrollment is at work, and pinned to the certificate of the request."""
        return self.state is EnrollmentState.ENROLLED and fingerprint in (self.fingerprint, self.next_fingerprint)


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What is known of a declarative request before its sender is loaded."""

    channel_key: str
    fingerprint: str
    is_report: bool


class DeclarativeStatements:
    """The statements, bound to one session."""

    def __init__(self, session: Session) -> None:
        self.connection = session.connection()
        self.dialect = self.connection.dialect.name

    def load_senders(self, requests: Collection[RequestKey], now: datetime) -> dict[str, DeclarativeSender]:
        """Return the senders of these requests by channel key, and update the last contact of those with a pinned certificate."""
        rows = [(each.channel_key, each.fingerprint, int(each.is_report)) for each in requests]
        values = {**build_parameters(self.dialect, "requested", _REQUESTED, rows), "now": now}
        if self.dialect != "postgresql":
            self.connection.execute(_build_touch_statement(self.dialect), values)
        return {
            row.channel_key: _build_sender(row) for row in self.connection.execute(_build_load_statement(self.dialect), values)
        }

    def save_served(self, manifests: Mapping[int, Manifest | None], now: datetime) -> None:
        """Store the manifest that was served to each of these enrollments: its declarations are served until the next one is."""
        rows = [
            (enrollment_id, None, None, None)
            if manifest is None
            else (enrollment_id, manifest.set_sha256, manifest.mode.value, json.dumps(dict(manifest.repairs)))
            for enrollment_id, manifest in manifests.items()
        ]
        values = {**build_parameters(self.dialect, "served", _SERVED, rows), "now": now}
        self.connection.execute(_build_served_statement(self.dialect), values)

    def save_reported(self, values_by_sender: Sequence[tuple[DeclarativeSender, Mapping[str, Any]]]) -> set[int]:
        """Store the columns that each report changes. Returns the enrollments that were updated, one statement per set of columns.

        The others have been told of other declarations meanwhile, or have enrolled anew.
        """
        rows_by_columns: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for sender, values in values_by_sender:
            assert sender.declarations is not None
            columns = tuple(name for name in _REPORTED_COLUMNS if name in values)
            row = (sender.enrollment_id, sender.declarations.publication, sender.generation)
            row += tuple(_encode_value(_REPORTED_COLUMNS[name], values[name]) for name in columns)
            rows_by_columns.setdefault(columns, []).append(row)
        updated: set[int] = set()
        for columns, rows in sorted(rows_by_columns.items()):
            kinds = _REPORTED_KEYS | {name: _REPORTED_COLUMNS[name] for name in columns}
            statement = _build_reported_statement(self.dialect, columns)
            updated |= set(self.connection.execute(statement, build_parameters(self.dialect, "reported", kinds, rows)).scalars())
        return updated


def _encode_value(kind: str, value: Any) -> Any:
    return json.dumps(value) if kind == "jsonb" and value is not None else value


def _build_sender(row: Any) -> DeclarativeSender:
    return DeclarativeSender(
        row.id, row.generation, EnrollmentState(row.state), row.fingerprint, row.next_fingerprint, row.tablet_id, row.town_id,
        row.udid, row.authenticated_at, None if row.publication is None else _build_snapshot(row),
    )  # fmt: skip


def _build_snapshot(row: Any) -> DeclarationSnapshot:
    return DeclarationSnapshot(
        announced=Manifest.build(row.set_sha256, row.mode, row.repairs),
        publication=row.publication,
        published_at=row.published_at,
        served=Manifest.build(row.served_set_sha256, row.served_mode, row.served_repairs),
        served_at=row.served_at,
        current=CurrentStatus(DeclarationStatus(row.status), row.status_since, row.confirmed_at),
        reported_at=row.reported_at,
        declarative_only_since=row.declarative_only_since,
        status_items=row.status_items or {},
        reported_declarations=row.reported_declarations or {},
    )


@cache
def _build_load_statement(dialect: str) -> Any:
    requested = build_table_sql(dialect, "requested", _REQUESTED)
    load = _LOAD_SENDERS.format(requested=requested)
    if dialect == "postgresql":
        statement = text(f"WITH touched AS ({_TOUCH_LAST_SEEN.format(requested=requested)}) {load}").bindparams(_NOW)
    else:
        statement = text(load)
    return statement.columns(**_COLUMN_TYPES)


@cache
def _build_touch_statement(dialect: str) -> Any:
    return text(_TOUCH_LAST_SEEN.format(requested=build_table_sql(dialect, "requested", _REQUESTED))).bindparams(_NOW)


@cache
def _build_served_statement(dialect: str) -> Any:
    locked = _build_locked_sql(dialect, "served")
    return text(_SAVE_SERVED.format(locked=locked, served=build_table_sql(dialect, "served", _SERVED))).bindparams(_NOW)


@cache
def _build_reported_statement(dialect: str, columns: tuple[str, ...]) -> Any:
    kinds = _REPORTED_KEYS | {name: _REPORTED_COLUMNS[name] for name in columns}
    return text(
        _SAVE_REPORTED.format(
            assignments=", ".join(f"{name} = reported.{name}" for name in columns),
            locked=_build_locked_sql(dialect, "reported"),
            reported=build_table_sql(dialect, "reported", kinds),
        )
    )


def _build_locked_sql(dialect: str, alias: str) -> str:
    if dialect == "postgresql":
        return _LOCKED.format(ids="SELECT unnest(CAST(:enrollment_id AS bigint[]))", for_update=" FOR UPDATE")
    return _LOCKED.format(ids=f"SELECT json_extract(value, '$[0]') FROM json_each(:{alias})", for_update="")  # noqa: S608


_NOW = bindparam("now", type_=UtcDateTime())
