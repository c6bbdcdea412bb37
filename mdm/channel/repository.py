"""All SQL of the device channel: enrollments, last contact, push tokens, declarative state, notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cartable.bulk_params import build_parameters, build_table_sql
from cartable.database import UtcDateTime
from enrollment.tablets.models import CartSlot, Tablet
from enrollment.tablets.rules import MISSING
from mdm.channel.models import ChannelNote, StatusReport
from mdm.devices.models import DeclarativeState, DeviceEnrollment, EnrollmentState, LastSeen, PushTarget
from mdm.queue.batch_statements import DELIVERABLE_AT_START, FIRST_OPEN, DeliveryCandidate
from mdm.queue.models import CommandState
from profiles.effective.models import DeclarationSet, RenderedProfile

_REQUESTED = {"channel_key": "text", "fingerprint": "text"}
#: The enrollment behind each request and its first open command: one statement answers an idle tablet.
_LOAD_NEXT = """
SELECT e.channel_key, e.id, e.generation, e.state, e.fingerprint, e.next_fingerprint, e.town_id,
       t.evidence_hold, t.supervised, t.os_version, c.id, c.body_id, c.state, c.lane, b.nonce, b.request_type
FROM {requested} JOIN device_enrollment e ON e.channel_key = requested.channel_key JOIN tablet t ON t.id = e.tablet_id
LEFT JOIN command c ON c.id = ({first}) LEFT JOIN command_body b ON b.id = c.body_id
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


class ChannelRepository:
    """Reads and writes enrollments and what belongs to them; for a batch in sets, else row by row."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.dialect = session.get_bind().dialect.name

    def load_next_commands(
        self, requested: Sequence[tuple[str, str]], now: datetime
    ) -> dict[str, tuple[EnrollmentSnapshot, DeliveryCandidate | None]]:
        """Return, by channel key, the enrollment and the first open command for these (channel key, fingerprint) pairs.

        Updates the last contact of the enrollments that are pinned to the given fingerprint.
        """
        values = {**build_parameters(self.dialect, "requested", _REQUESTED, requested), "now": now}
        connection = self.session.connection()
        if self.dialect != "postgresql":
            connection.execute(_get_statement(self.dialect, "touch_last_seen"), values)
        rows = connection.execute(_get_statement(self.dialect, "load_next"), values)
        return {row[0]: (_build_snapshot(row), _build_candidate(row)) for row in rows}

    def touch_last_seen(self, enrollment_id: int, now: datetime) -> None:
        """Set the last contact of one enrollment."""
        self.session.execute(update(LastSeen).where(LastSeen.enrollment_id == enrollment_id).values(last_seen_at=now))

    def may_return_to_service(self, tablet_id: UUID) -> bool:
        """Return whether the tablet belongs to a cart, is not missing and not kept as evidence, so that it may erase itself."""
        statement = (
            select(Tablet.id)
            .join(CartSlot, CartSlot.tablet_id == Tablet.id)
            .where(Tablet.id == tablet_id, Tablet.evidence_hold.is_(False), Tablet.state.not_in(MISSING))
        )
        return self.session.scalar(statement) is not None

    def get_by_channel_key(self, channel_key: str, *, lock: bool = False) -> DeviceEnrollment | None:
        statement = select(DeviceEnrollment).where(DeviceEnrollment.channel_key == channel_key)
        return self.session.scalar(statement.with_for_update(key_share=True) if lock else statement)

    def is_pinned_elsewhere(self, fingerprint: str, channel_key: str) -> bool:
        """Return whether another device is already pinned to this certificate."""
        other_id = self.session.scalar(
            select(DeviceEnrollment.id).where(
                (DeviceEnrollment.fingerprint == fingerprint) | (DeviceEnrollment.next_fingerprint == fingerprint),
                DeviceEnrollment.channel_key != channel_key,
                DeviceEnrollment.parent_id.is_(None),
            )
        )
        return other_id is not None

    def list_enrollments_of_tablet(self, tablet_id: UUID) -> Sequence[DeviceEnrollment]:
        """Return all enrollments of a tablet, those of Shared iPad users included."""
        statement = select(DeviceEnrollment).where(DeviceEnrollment.tablet_id == tablet_id)
        return self.session.scalars(statement.order_by(DeviceEnrollment.id)).all()

    def list_other_device_enrollments(self, tablet_id: UUID, channel_key: str) -> Sequence[DeviceEnrollment]:
        """Return open device enrollments of the same tablet under another UDID (its logic board was replaced)."""
        return self.session.scalars(
            select(DeviceEnrollment)
            .where(
                DeviceEnrollment.tablet_id == tablet_id,
                DeviceEnrollment.parent_id.is_(None),
                DeviceEnrollment.channel_key != channel_key,
                DeviceEnrollment.state.in_((EnrollmentState.PENDING, EnrollmentState.ENROLLED)),
            )
            .order_by(DeviceEnrollment.id)
        ).all()

    def list_user_enrollments(self, enrollment_id: int) -> Sequence[DeviceEnrollment]:
        return self.session.scalars(
            select(DeviceEnrollment).where(DeviceEnrollment.parent_id == enrollment_id).order_by(DeviceEnrollment.id)
        ).all()

    def create_last_seen(self, enrollment_id: int, now: datetime) -> None:
        values = {"enrollment_id": enrollment_id, "last_seen_at": now}
        statement = self._build_insert(LastSeen).values(values)
        self.session.execute(
            statement.on_conflict_do_update(
                index_elements=["enrollment_id"], set_={"last_seen_at": statement.excluded.last_seen_at}
            )
        )

    def save_push_token(self, enrollment_id: int, token: bytes, magic: str, topic: str, now: datetime) -> None:
        """Insert or replace the push token of an enrollment, and clear a former failure."""
        statement = self._build_insert(PushTarget).values(
            enrollment_id=enrollment_id, token=token, magic=magic, topic=topic, updated_at=now
        )
        excluded = statement.excluded
        self.session.execute(
            statement.on_conflict_do_update(
                index_elements=["enrollment_id"],
                set_={
                    "token": excluded.token, "magic": excluded.magic, "topic": excluded.topic, "updated_at": excluded.updated_at,
                    "invalid_since": None, "invalid_reason": None,
                },
            )
        )  # fmt: skip

    def delete_push_targets(self, enrollment_ids: Sequence[int]) -> None:
        self.session.execute(delete(PushTarget).where(PushTarget.enrollment_id.in_(enrollment_ids)))

    def delete_declarative_state(self, enrollment_id: int) -> None:
        for model in (StatusReport, DeclarativeState):
            self.session.execute(delete(model).where(model.enrollment_id == enrollment_id))

    def save_status_report(self, enrollment_id: int, body: bytes, now: datetime) -> None:
        statement = self._build_insert(StatusReport).values(enrollment_id=enrollment_id, body=body, received_at=now)
        self.session.execute(
            statement.on_conflict_do_update(
                index_elements=["enrollment_id"],
                set_={"body": statement.excluded.body, "received_at": statement.excluded.received_at},
            )
        )

    def get_declarative_state(self, enrollment_id: int) -> DeclarativeState | None:
        return self.session.get(DeclarativeState, enrollment_id)

    def create_declarative_state(self, enrollment_id: int) -> DeclarativeState:
        row = DeclarativeState(enrollment_id=enrollment_id, repair_attempts=0)
        self.session.add(row)
        return row

    def load_declaration_items(self, sha256: str) -> list[dict[str, Any]]:
        """Return the declarations of a set; an empty list when there is no such set."""
        return self.session.scalar(select(DeclarationSet.items).where(DeclarationSet.sha256 == sha256)) or []

    def get_signed_profile(self, fingerprint: str, sha256: str) -> bytes | None:
        """Return a signed profile, if its set is published to the tablet with this certificate; else None."""
        row = self.session.execute(
            select(RenderedProfile.signed, DeclarationSet.profiles)
            .join(DeclarationSet, DeclarationSet.town_id == RenderedProfile.town_id)
            .join(DeclarativeState, DeclarativeState.set_sha256 == DeclarationSet.sha256)
            .join(DeviceEnrollment, DeviceEnrollment.id == DeclarativeState.enrollment_id)
            .where(
                RenderedProfile.sha256 == sha256,
                (DeviceEnrollment.fingerprint == fingerprint) | (DeviceEnrollment.next_fingerprint == fingerprint),
                DeviceEnrollment.state == EnrollmentState.ENROLLED,
            )
        ).first()
        return row[0] if row is not None and sha256 in row[1] else None

    def add_note(self, udid: str, kind: str, details: dict[str, Any], now: datetime) -> None:
        self.session.add(ChannelNote(at=now, udid=udid[:128], kind=kind, details=details))

    def pin_certificate(self, enrollment_id: int, fingerprint: str) -> None:
        """Pin this certificate alone, for a device enrollment and its user enrollments."""
        self.session.execute(
            update(DeviceEnrollment)
            .where((DeviceEnrollment.id == enrollment_id) | (DeviceEnrollment.parent_id == enrollment_id))
            .values(fingerprint=fingerprint, next_fingerprint=None)
        )

    def _build_insert(self, model: Any) -> Any:
        return postgresql.insert(model) if self.dialect == "postgresql" else sqlite.insert(model)


def _build_snapshot(row: Any) -> EnrollmentSnapshot:
    return EnrollmentSnapshot(
        row[1], row[2], EnrollmentState(row[3]), row[4], row[5], _to_uuid(row[6]), bool(row[7]),
        None if row[8] is None else bool(row[8]), row[9],
    )  # fmt: skip


def _build_candidate(row: Any) -> DeliveryCandidate | None:
    return (
        None if row[10] is None else DeliveryCandidate(row[1], row[10], row[11], CommandState(row[12]), row[13], row[14], row[15])
    )


_STATEMENTS: dict[tuple[str, str], Any] = {}


def _get_statement(dialect: str, name: str) -> Any:
    if (dialect, name) not in _STATEMENTS:
        requested = build_table_sql(dialect, "requested", _REQUESTED)
        touch_last_seen = _TOUCH_LAST_SEEN.format(requested=requested, pinned=_PINNED)
        load_next = _LOAD_NEXT.format(requested=requested, first=FIRST_OPEN.format(states=DELIVERABLE_AT_START))
        if dialect == "postgresql":
            load_next = f"WITH touched AS ({touch_last_seen}) {load_next}"
        now = bindparam("now", type_=UtcDateTime())
        _STATEMENTS[dialect, "load_next"] = text(load_next).bindparams(now)
        _STATEMENTS[dialect, "touch_last_seen"] = text(touch_last_seen).bindparams(now)
    return _STATEMENTS[dialect, name]


def _to_uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
