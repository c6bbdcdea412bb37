"""All SQL of the device channel: the statement that answers a batch of requests, what declarations refer to, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, TextClause, bindparam, func, or_, select, text
from sqlalchemy.orm import Session

from cartable.bulk_params import build_parameters, build_table_sql
from cartable.database import UtcDateTime
from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.tablets.models import CartSlot, Tablet
from enrollment.tablets.rules import MISSING
from mdm.channel.limits import MAX_NOTES_PER_HOUR
from mdm.channel.models import ChannelNote, Readoption
from mdm.devices.models import DeclarativeState, DeviceEnrollment, EnrollmentState
from mdm.queue.batch_statements import DELIVERABLE_AT_START, DeliveryCandidate, build_first_open
from mdm.queue.models import CommandBody, CommandState, QueuedCommand
from profiles.effective.models import DeclarationSet, RenderedProfile

REQUESTED_COLUMNS = {"channel_key": "text", "fingerprint": "text"}
#: The enrollment behind each request and its first open command: one statement answers an idle tablet.
_LOAD_NEXT = """
SELECT e.channel_key, e.id, e.generation, e.state, e.fingerprint, e.next_fingerprint, e.town_id,
       t.evidence_hold, t.supervised, t.os_version, c.id, c.body_id, c.state, c.lane, c.delivery_count, b.nonce, b.request_type
FROM {requested} JOIN device_enrollment e ON e.channel_key = requested.channel_key JOIN tablet t ON t.id = e.tablet_id
LEFT JOIN {first} LEFT JOIN command_body b ON b.id = c.body_id
"""
_PINNED = "requested.fingerprint = e.fingerprint OR requested.fingerprint = e.next_fingerprint"
#: On PostgreSQL part of the statement above. A request with a certificate that is not pinned updates nothing.
_TOUCH_LAST_SEEN = """
UPDATE last_seen SET last_seen_at = :now FROM {requested} JOIN device_enrollment e ON e.channel_key = requested.channel_key
WHERE last_seen.enrollment_id = e.id AND ({pinned})
"""


@dataclass(frozen=True, slots=True)
class EnrollmentSnapshot:
    """What the channel needs to know of an enrollment, and of its tablet, to answer one request."""

    enrollment_id: int
    generation: int
    state: EnrollmentState
    fingerprint: str
    next_fingerprint: str | None
    town_id: UUID
    evidence_hold: bool
    supervised: bool | None
    os_version: str | None

    def is_pinned_to(self, fingerprint: str) -> bool:
        """Return whether the enrollment accepts requests made with this certificate."""
        return fingerprint in (self.fingerprint, self.next_fingerprint)


@dataclass(frozen=True, slots=True)
class ScannedCommand:
    """The command that an unreadable message answers, and the channel it was sent on."""

    channel_key: str
    nonce: int
    command_id: int


@dataclass(frozen=True, slots=True)
class NotedDevice:
    """A device whose requests were refused or not understood for one reason: how often, and when last."""

    udid: str
    kind: str
    count: int
    last_at: datetime
    tablet_id: UUID | None
    tag: str | None


#: The enrollment and its first open command, by channel key.
LoadedConnects = Mapping[str, tuple[EnrollmentSnapshot, DeliveryCandidate | None]]


class ChannelRepository:
    """Reads what requests of tablets need, for a batch in one statement; writes notes."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.dialect = session.get_bind().dialect.name

    def load_next_commands(self, requested: Sequence[tuple[str, str]], now: datetime) -> LoadedConnects:
        """Return, by channel key, the enrollment and the first open command for these (channel key, fingerprint) pairs.

        Updates the last contact of the enrollments that are pinned to the given fingerprint.
        """
        values = {**build_parameters(self.dialect, "requested", REQUESTED_COLUMNS, requested), "now": now}
        connection = self.session.connection()
        if self.dialect != "postgresql":
            connection.execute(_build_touch_statement(self.dialect), values)
        rows = connection.execute(build_load_statement(self.dialect), values)
        return dict(map(read_loaded_row, rows))

    def find_answered_command(self, fingerprint: str, uuids: Sequence[tuple[int, int]]) -> ScannedCommand | None:
        """Return the first of the commands, given as (nonce, id), that was queued for the tablet with this certificate."""
        for nonce, command_id in uuids:
            statement = self._select_commands(fingerprint).where(QueuedCommand.id == command_id, CommandBody.nonce == nonce)
            row = self.session.execute(statement).first()
            if row is not None:
                return ScannedCommand(*row)
        return None

    def find_command_in_flight(self, fingerprint: str) -> ScannedCommand | None:
        """Return the command that was sent last to the device channel with this certificate and has no result."""
        statement = (
            self._select_commands(fingerprint)
            .where(
                QueuedCommand.state == CommandState.SENT,
                QueuedCommand.generation == DeviceEnrollment.generation,
                DeviceEnrollment.parent_id.is_(None),
            )
            .order_by(QueuedCommand.sent_at.desc(), QueuedCommand.id.desc())
            .limit(1)
        )
        row = self.session.execute(statement).first()
        return ScannedCommand(*row) if row is not None else None

    def find_device_key(self, fingerprint: str) -> str | None:
        """Return the channel key of the device that is pinned to this certificate."""
        return self.session.scalar(
            select(DeviceEnrollment.channel_key)
            .where(_is_pinned_to(fingerprint), DeviceEnrollment.parent_id.is_(None))
            .order_by(DeviceEnrollment.id.desc())
            .limit(1)
        )

    def _select_commands(self, fingerprint: str) -> Select[str, int, int]:
        return (
            select(DeviceEnrollment.channel_key, CommandBody.nonce, QueuedCommand.id)
            .join(QueuedCommand, QueuedCommand.enrollment_id == DeviceEnrollment.id)
            .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
            .where(_is_pinned_to(fingerprint))
        )

    def may_return_to_service(self, tablet_id: UUID) -> bool:
        """Return whether the tablet belongs to a cart, is not missing and not kept as evidence, so that it may erase itself."""
        statement = (
            select(Tablet.id)
            .join(CartSlot, CartSlot.tablet_id == Tablet.id)
            .where(Tablet.id == tablet_id, Tablet.evidence_hold.is_(False), Tablet.state.not_in(MISSING))
        )
        return self.session.scalar(statement) is not None

    def get_signed_profile(self, fingerprint: str, sha256: str) -> bytes | None:
        """Return a signed profile, if a set that is announced or was served to the tablet with this certificate names it; else None."""
        rows = self.session.execute(
            select(RenderedProfile.signed, DeclarationSet.profiles)
            .join(DeclarationSet, DeclarationSet.town_id == RenderedProfile.town_id)
            .join(
                DeclarativeState,
                or_(
                    DeclarativeState.set_sha256 == DeclarationSet.sha256,
                    DeclarativeState.served_set_sha256 == DeclarationSet.sha256,
                ),
            )
            .join(DeviceEnrollment, DeviceEnrollment.id == DeclarativeState.enrollment_id)
            .where(
                RenderedProfile.sha256 == sha256,
                _is_pinned_to(fingerprint),
                DeviceEnrollment.state == EnrollmentState.ENROLLED,
            )
        )
        return next((signed for signed, profiles in rows if sha256 in profiles), None)

    def list_announced_items(self, fingerprint: str) -> tuple[UUID, list[dict[str, Any]]] | None:
        """Return the tablet with this certificate, and the declarations of the sets announced or served to it; None without any."""
        rows = self.session.execute(
            select(DeviceEnrollment.tablet_id, DeclarationSet.items)
            .join(DeclarativeState, DeclarativeState.enrollment_id == DeviceEnrollment.id)
            .join(
                DeclarationSet,
                or_(
                    DeclarativeState.set_sha256 == DeclarationSet.sha256,
                    DeclarativeState.served_set_sha256 == DeclarationSet.sha256,
                ),
            )
            .where(_is_pinned_to(fingerprint), DeviceEnrollment.state == EnrollmentState.ENROLLED)
        ).all()
        return (rows[0][0], [item for row in rows for item in row[1]]) if rows else None

    def get_readoption(self, fingerprint: str) -> Readoption | None:
        return self.session.scalar(select(Readoption).where(Readoption.fingerprint == fingerprint))

    def list_readoptions(self, actor: Actor, page: PageRequest) -> Page[Readoption]:
        """List the tablets of restores that the actor may see, newest first; those of no town are seen by whoever governs one."""
        is_visible = actor.build_visibility(Readoption, Permission.GOVERN)
        if actor.everywhere or actor.list_permitted_towns(Permission.GOVERN):
            is_visible = is_visible | Readoption.town_id.is_(None)
        return fetch_scalar_page(
            self.session, select(Readoption).where(is_visible), page, Readoption.last_at, Readoption.id, descending=True
        )

    def list_noted_devices(self, actor: Actor, limit: int = 100) -> list[NotedDevice]:
        """Return the devices with notes that the actor may see, by reason, the latest first: unknown ones, and those of own towns."""
        tablet = (DeviceEnrollment.tablet_id, Tablet.tag)
        last_at = func.max(ChannelNote.at)
        statement = (
            select(ChannelNote.udid, ChannelNote.kind, func.count(), last_at, *tablet)
            .outerjoin(DeviceEnrollment, (DeviceEnrollment.udid == ChannelNote.udid) & DeviceEnrollment.parent_id.is_(None))
            .outerjoin(Tablet, Tablet.id == DeviceEnrollment.tablet_id)
            .where(Tablet.id.is_(None) | actor.build_visibility(Tablet, Permission.GOVERN))
            .group_by(ChannelNote.udid, ChannelNote.kind, *tablet)
            .order_by(last_at.desc(), ChannelNote.udid, ChannelNote.kind)
            .limit(limit)
        )
        return [NotedDevice(*row) for row in self.session.execute(statement)]

    def add_note(self, udid: str, fingerprint: str, kind: str, details: dict[str, Any], now: datetime) -> None:
        """Store a note, unless the certificate has had its notes of this hour."""
        recent = select(func.count()).where(ChannelNote.fingerprint == fingerprint, ChannelNote.at > now - timedelta(hours=1))
        if (self.session.scalar(recent) or 0) < MAX_NOTES_PER_HOUR:
            self.session.add(ChannelNote(at=now, udid=udid[:128], fingerprint=fingerprint, kind=kind, details=details))


def _is_pinned_to(fingerprint: str) -> ColumnElement[bool]:
    return (DeviceEnrollment.fingerprint == fingerprint) | (DeviceEnrollment.next_fingerprint == fingerprint)


def _build_snapshot(row: Any) -> EnrollmentSnapshot:
    return EnrollmentSnapshot(
        row[1], row[2], EnrollmentState(row[3]), row[4], row[5], _to_uuid(row[6]), bool(row[7]),
        None if row[8] is None else bool(row[8]), row[9],
    )  # fmt: skip


def _build_candidate(row: Any) -> DeliveryCandidate | None:
    return None if row[10] is None else DeliveryCandidate(row[1], row[10], row[11], CommandState(row[12]), *row[13:17])


def read_loaded_row(row: Any) -> tuple[str, tuple[EnrollmentSnapshot, DeliveryCandidate | None]]:
    """Return a row of the statement that loads enrollments and their next commands, by channel key."""
    return row[0], (_build_snapshot(row), _build_candidate(row))


@cache
def build_load_statement(dialect: str) -> TextClause:
    """Return the statement behind `load_next_commands`; on PostgreSQL it also updates the last contact."""
    requested = build_table_sql(dialect, "requested", REQUESTED_COLUMNS)
    load_next = _LOAD_NEXT.format(requested=requested, first=build_first_open(dialect, DELIVERABLE_AT_START))
    if dialect == "postgresql":
        load_next = f"WITH touched AS ({_TOUCH_LAST_SEEN.format(requested=requested, pinned=_PINNED)}) {load_next}"
    return text(load_next).bindparams(_NOW)


@cache
def _build_touch_statement(dialect: str) -> TextClause:
    requested = build_table_sql(dialect, "requested", REQUESTED_COLUMNS)
    return text(_TOUCH_LAST_SEEN.format(requested=requested, pinned=_PINNED)).bindparams(_NOW)


_NOW = bindparam("now", type_=UtcDateTime())


def _to_uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
