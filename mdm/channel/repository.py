"""All SQL of the device channel: who is speaking, the heartbeat, enrolments and their tokens."""

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
from mdm.devices.models import DeclarativeState, DeviceEnrollment, EnrollmentState, Heartbeat, PushTarget
from mdm.queue.batch_statements import BEGINNING, FIRST_OPEN, Candidate
from mdm.queue.models import CommandState
from profiles.effective.models import Artefact, DeclarationSet

_ASKED = {"channel_key": "text", "print": "text"}
#: Who speaks, and what waits for them: the answer to an idle tablet in one statement.
_GLANCE = """
SELECT e.channel_key, e.id, e.generation, e.state, e.fingerprint, e.next_fingerprint, e.town_id,
       t.evidence_hold, t.supervised, t.os_version, c.id, c.body_id, c.state, c.lane, b.nonce, b.request_type
FROM {asked} JOIN device_enrollment e ON e.channel_key = asked.channel_key JOIN tablet t ON t.id = e.tablet_id
LEFT JOIN command c ON c.id = ({first}) LEFT JOIN command_body b ON b.id = c.body_id
"""
_PINNED = "asked.print = e.fingerprint OR asked.print = e.next_fingerprint"
#: PostgreSQL touches the heartbeats in the same statement; a certificate that is not pinned touches nothing.
_BEAT = """
UPDATE heartbeat SET last_seen_at = :now FROM {asked} JOIN device_enrollment e ON e.channel_key = asked.channel_key
WHERE heartbeat.enrollment_id = e.id AND ({pinned})
"""


@dataclass(frozen=True, slots=True)
class Speaker:
    """An enrolment as the channel needs to know it for one request."""

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
        """Whether this certificate may speak for the enrolment."""
        return fingerprint in (self.fingerprint, self.next_fingerprint)


class ChannelRepository:
    """Reads and writes enrolments, in sets where the batch needs it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.dialect = session.get_bind().dialect.name

    def glance(self, asking: Sequence[tuple[str, str]], now: datetime) -> dict[str, tuple[Speaker, Candidate | None]]:
        """Who is behind these (channel key, fingerprint) pairs, and the first command that waits for each. Touches the
        heartbeats of those who are pinned to that fingerprint.
        """
        values = {**build_parameters(self.dialect, "asked", _ASKED, asking), "now": now}
        connection = self.session.connection()
        if self.dialect != "postgresql":
            connection.execute(_statement(self.dialect, "beat"), values)
        return {
            row[0]: (_speaker(row), _candidate(row)) for row in connection.execute(_statement(self.dialect, "glance"), values)
        }

    def beat(self, enrollment_id: int, now: datetime) -> None:
        """Touch one heartbeat."""
        self.session.execute(update(Heartbeat).where(Heartbeat.enrollment_id == enrollment_id).values(last_seen_at=now))

    def may_start_afresh(self, tablet_id: UUID) -> bool:
        """Whether the tablet belongs to a cart and nothing forbids its erasing itself."""
        statement = (
            select(Tablet.id)
            .join(CartSlot, CartSlot.tablet_id == Tablet.id)
            .where(Tablet.id == tablet_id, Tablet.evidence_hold.is_(False), Tablet.state.not_in(MISSING))
        )
        return self.session.scalar(statement) is not None

    def by_key(self, channel_key: str, *, lock: bool = False) -> DeviceEnrollment | None:
        statement = select(DeviceEnrollment).where(DeviceEnrollment.channel_key == channel_key)
        return self.session.scalar(statement.with_for_update(key_share=True) if lock else statement)

    def pinned_elsewhere(self, fingerprint: str, channel_key: str) -> bool:
        """Whether the certificate already speaks for another device."""
        found = self.session.scalar(
            select(DeviceEnrollment.id).where(
                (DeviceEnrollment.fingerprint == fingerprint) | (DeviceEnrollment.next_fingerprint == fingerprint),
                DeviceEnrollment.channel_key != channel_key,
                DeviceEnrollment.parent_id.is_(None),
            )
        )
        return found is not None

    def channels_of_tablet(self, tablet_id: UUID) -> Sequence[DeviceEnrollment]:
        """Every channel of a tablet, those of Shared iPad users too."""
        statement = select(DeviceEnrollment).where(DeviceEnrollment.tablet_id == tablet_id)
        return self.session.scalars(statement.order_by(DeviceEnrollment.id)).all()

    def other_channels_of_tablet(self, tablet_id: UUID, channel_key: str) -> Sequence[DeviceEnrollment]:
        """Older device channels of the same tablet under another UDID (a logic board was changed)."""
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

    def users_of(self, enrollment_id: int) -> Sequence[DeviceEnrollment]:
        return self.session.scalars(
            select(DeviceEnrollment).where(DeviceEnrollment.parent_id == enrollment_id).order_by(DeviceEnrollment.id)
        ).all()

    def start_heart(self, enrollment_id: int, now: datetime) -> None:
        values = {"enrollment_id": enrollment_id, "last_seen_at": now}
        statement = self._insert(Heartbeat).values(values)
        self.session.execute(
            statement.on_conflict_do_update(
                index_elements=["enrollment_id"], set_={"last_seen_at": statement.excluded.last_seen_at}
            )
        )

    def aim_push(self, enrollment_id: int, token: bytes, magic: str, topic: str, now: datetime) -> None:
        """Keep where to push; a former failure is forgotten."""
        statement = self._insert(PushTarget).values(
            enrollment_id=enrollment_id, token=token, magic=magic, topic=topic, updated_at=now
        )
        new = statement.excluded
        self.session.execute(
            statement.on_conflict_do_update(
                index_elements=["enrollment_id"],
                set_={
                    "token": new.token, "magic": new.magic, "topic": new.topic, "updated_at": new.updated_at,
                    "invalid_since": None, "invalid_why": None,
                },
            )
        )  # fmt: skip

    def forget_push(self, enrollment_ids: Sequence[int]) -> None:
        self.session.execute(delete(PushTarget).where(PushTarget.enrollment_id.in_(enrollment_ids)))

    def forget_status(self, enrollment_id: int) -> None:
        for model in (StatusReport, DeclarativeState):
            self.session.execute(delete(model).where(model.enrollment_id == enrollment_id))

    def keep_status(self, enrollment_id: int, body: bytes, now: datetime) -> None:
        statement = self._insert(StatusReport).values(enrollment_id=enrollment_id, body=body, received_at=now)
        self.session.execute(
            statement.on_conflict_do_update(
                index_elements=["enrollment_id"],
                set_={"body": statement.excluded.body, "received_at": statement.excluded.received_at},
            )
        )

    def declarative(self, enrollment_id: int) -> DeclarativeState | None:
        return self.session.get(DeclarativeState, enrollment_id)

    def start_declarative(self, enrollment_id: int) -> DeclarativeState:
        row = DeclarativeState(enrollment_id=enrollment_id, repairs=0)
        self.session.add(row)
        return row

    def declaration_items(self, sha256: str) -> list[dict[str, Any]]:
        """The declarations of a set; none when there is no such set."""
        return self.session.scalar(select(DeclarationSet.items).where(DeclarationSet.sha256 == sha256)) or []

    def profile_for(self, fingerprint: str, sha256: str) -> bytes | None:
        """A signed profile, if the tablet behind this certificate was told of it."""
        row = self.session.execute(
            select(Artefact.signed, DeclarationSet.profiles)
            .join(DeclarationSet, DeclarationSet.town_id == Artefact.town_id)
            .join(DeclarativeState, DeclarativeState.set_sha256 == DeclarationSet.sha256)
            .join(DeviceEnrollment, DeviceEnrollment.id == DeclarativeState.enrollment_id)
            .where(
                Artefact.sha256 == sha256,
                (DeviceEnrollment.fingerprint == fingerprint) | (DeviceEnrollment.next_fingerprint == fingerprint),
                DeviceEnrollment.state == EnrollmentState.ENROLLED,
            )
        ).first()
        return row[0] if row is not None and sha256 in row[1] else None

    def note(self, udid: str, kind: str, details: dict[str, Any], now: datetime) -> None:
        self.session.add(ChannelNote(at=now, udid=udid[:128], kind=kind, details=details))

    def promote(self, enrollment_id: int, fingerprint: str) -> None:
        """The renewed certificate has been seen: it alone is pinned from now on."""
        self.session.execute(
            update(DeviceEnrollment)
            .where((DeviceEnrollment.id == enrollment_id) | (DeviceEnrollment.parent_id == enrollment_id))
            .values(fingerprint=fingerprint, next_fingerprint=None)
        )

    def _insert(self, model: Any) -> Any:
        return postgresql.insert(model) if self.dialect == "postgresql" else sqlite.insert(model)


def _speaker(row: Any) -> Speaker:
    return Speaker(
        row[1], row[2], EnrollmentState(row[3]), row[4], row[5], _uuid(row[6]), bool(row[7]),
        None if row[8] is None else bool(row[8]), row[9],
    )  # fmt: skip


def _candidate(row: Any) -> Candidate | None:
    return None if row[10] is None else Candidate(row[1], row[10], row[11], CommandState(row[12]), row[13], row[14], row[15])


_BUILT: dict[tuple[str, str], Any] = {}


def _statement(dialect: str, name: str) -> Any:
    if (dialect, name) not in _BUILT:
        asked = build_table_sql(dialect, "asked", _ASKED)
        beat = _BEAT.format(asked=asked, pinned=_PINNED)
        glance = _GLANCE.format(asked=asked, first=FIRST_OPEN.format(states=BEGINNING))
        if dialect == "postgresql":
            glance = f"WITH beat AS ({beat}) {glance}"
        now = bindparam("now", type_=UtcDateTime())
        _BUILT[dialect, "glance"], _BUILT[dialect, "beat"] = text(glance).bindparams(now), text(beat).bindparams(now)
    return _BUILT[dialect, name]


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
