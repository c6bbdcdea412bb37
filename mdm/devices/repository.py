"""All SQL of enrollments and of what is stored per enrollment: last contact, declarative state.

Push tokens are in `push_target_repository`. The channel's set-based statement that answers a batch of requests is in `mdm.channel.repository`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, ScalarSelect, Select, delete, func, select, update
from sqlalchemy.orm import Session

from cartable.database import get_insert
from enrollment.tablets.models import Tablet
from mdm.devices.models import DeclarativeState, DeviceEnrollment, EnrollmentState, LastSeen, PushTarget
from profiles.effective.models import DeclarationSet


class DeviceRepository:
    """Reads and writes enrollments and what belongs to them."""

    def __init__(self, session: Session) -> None:
        self.session = session

    # Enrollments

    def get_enrollment(self, enrollment_id: int) -> DeviceEnrollment | None:
        return self.session.get(DeviceEnrollment, enrollment_id)

    def get_by_channel_key(self, channel_key: str, *, lock: bool = False) -> DeviceEnrollment | None:
        statement = select(DeviceEnrollment).where(DeviceEnrollment.channel_key == channel_key)
        return self.session.scalar(statement.with_for_update(key_share=True) if lock else statement)

    def has_enrollments(self) -> bool:
        """Return whether any tablet has ever enrolled."""
        return self.session.scalar(select(DeviceEnrollment.id).limit(1)) is not None

    def load_enrolled_channels(self, tablet_ids: Collection[UUID]) -> dict[UUID, DeviceEnrollment]:
        """Return the enrolled device channel of each tablet that has one and was not erased since."""
        rows = self.session.scalars(
            select(DeviceEnrollment).where(DeviceEnrollment.tablet_id.in_(tablet_ids), *is_enrolled_channel())
        )
        return {row.tablet_id: row for row in rows}

    def get_latest_enrollment(self, tablet_id: UUID) -> Row[DeviceEnrollment, PushTarget | None, datetime | None] | None:
        """Return the newest device channel of a tablet in any state, with its push token and its last contact."""
        return self.session.execute(
            select(DeviceEnrollment, PushTarget, LastSeen.last_seen_at)
            .outerjoin(PushTarget, PushTarget.enrollment_id == DeviceEnrollment.id)
            .outerjoin(LastSeen, LastSeen.enrollment_id == DeviceEnrollment.id)
            .where(DeviceEnrollment.tablet_id == tablet_id, DeviceEnrollment.parent_id.is_(None))
            .order_by(DeviceEnrollment.authenticated_at.desc())
            .limit(1)
        ).one_or_none()

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

    def list_awaiting_configuration(self, before: datetime) -> Sequence[DeviceEnrollment]:
        """List the enrollments that have waited in the Setup Assistant since `before`."""
        return self.session.scalars(
            select(DeviceEnrollment)
            .where(
                DeviceEnrollment.awaiting_configuration,
                DeviceEnrollment.state == EnrollmentState.ENROLLED,
                DeviceEnrollment.enrolled_at <= before,
            )
            .order_by(DeviceEnrollment.id)
        ).all()

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

    def pin_certificate(self, enrollment_id: int, fingerprint: str) -> None:
        """Pin this certificate alone, for a device enrollment and its user enrollments."""
        self.session.execute(
            update(DeviceEnrollment)
            .where((DeviceEnrollment.id == enrollment_id) | (DeviceEnrollment.parent_id == enrollment_id))
            .values(fingerprint=fingerprint, next_fingerprint=None)
        )

    def select_channels_of_town(self, town_id: UUID) -> Select[int]:
        """Return a statement that selects every enrollment of a town, ended ones included."""
        return select(DeviceEnrollment.id).where(DeviceEnrollment.town_id == town_id)

    # Last contact

    def create_last_seen(self, enrollment_id: int, now: datetime) -> None:
        upsert_row_of_enrollment(self.session, LastSeen, {"enrollment_id": enrollment_id, "last_seen_at": now})

    def touch_last_seen(self, enrollment_id: int, now: datetime) -> None:
        """Set the last contact of one enrollment."""
        self.session.execute(update(LastSeen).where(LastSeen.enrollment_id == enrollment_id).values(last_seen_at=now))

    def get_last_seen(self, enrollment_id: int) -> datetime | None:
        """Return the last contact of one enrollment."""
        return self.session.scalar(select(LastSeen.last_seen_at).where(LastSeen.enrollment_id == enrollment_id))

    def load_last_seen(self, tablet_ids: Collection[UUID]) -> dict[UUID, datetime]:
        """Return the last contact of each of these tablets that has had one."""
        rows = self.session.execute(
            select(DeviceEnrollment.tablet_id, func.max(LastSeen.last_seen_at))
            .join(LastSeen, LastSeen.enrollment_id == DeviceEnrollment.id)
            .where(DeviceEnrollment.tablet_id.in_(tablet_ids), DeviceEnrollment.parent_id.is_(None))
            .group_by(DeviceEnrollment.tablet_id)
        )
        return {row[0]: row[1] for row in rows}

    def count_enrolled_channels(self) -> int:
        """Return how many device channels are enrolled: the size of the fleet."""
        return self.session.scalar(select(func.count()).select_from(DeviceEnrollment).where(*is_enrolled_channel())) or 0

    def take_stale_channels(self, now: datetime, refreshed_before: datetime, seen_after: datetime, limit: int) -> list[int]:
        """Mark as refreshed now those in contact after `seen_after` that were refreshed before, the oldest first. Returns them."""
        stale = (
            select(DeviceEnrollment.id)
            .join(LastSeen, LastSeen.enrollment_id == DeviceEnrollment.id)
            .where(
                *is_enrolled_channel(),
                LastSeen.last_seen_at > seen_after,
                DeviceEnrollment.refreshed_at.is_(None) | (DeviceEnrollment.refreshed_at < refreshed_before),
            )
            .order_by(DeviceEnrollment.refreshed_at.asc().nulls_first(), DeviceEnrollment.id)
            .limit(limit)
        )
        ids = sorted(self.session.scalars(stale))
        self.session.execute(
            update(DeviceEnrollment)
            .where(DeviceEnrollment.id.in_(ids))
            .values(refreshed_at=now)
            .execution_options(synchronize_session=False)
        )
        return ids

    def list_silent_channels(self, silent_since: datetime, limit: int) -> list[int]:
        """List the channels without contact and without a push since then whose tokens are valid, the longest unpushed first."""
        return list(
            self.session.scalars(
                select(DeviceEnrollment.id)
                .join(LastSeen, LastSeen.enrollment_id == DeviceEnrollment.id)
                .join(PushTarget, PushTarget.enrollment_id == DeviceEnrollment.id)
                .where(
                    *is_enrolled_channel(),
                    LastSeen.last_seen_at < silent_since,
                    PushTarget.invalid_since.is_(None),
                    PushTarget.pushed_at.is_(None) | (PushTarget.pushed_at < silent_since),
                )
                .order_by(PushTarget.pushed_at.asc().nulls_first(), DeviceEnrollment.id)
                .limit(limit)
            )
        )

    # Declarative state

    def get_declarative_state(self, enrollment_id: int) -> DeclarativeState | None:
        return self.session.get(DeclarativeState, enrollment_id)

    def load_declarative_states(self, enrollment_ids: Collection[int]) -> dict[int, DeclarativeState]:
        rows = self.session.scalars(select(DeclarativeState).where(DeclarativeState.enrollment_id.in_(enrollment_ids)))
        return {row.enrollment_id: row for row in rows}

    def create_declarative_state(self, enrollment_id: int, town_id: UUID) -> DeclarativeState:
        row = DeclarativeState(enrollment_id=enrollment_id, town_id=town_id, repair_attempts=0)
        self.session.add(row)
        return row

    def lock_declarative_states(self, enrollment_ids: Collection[int]) -> Sequence[DeclarativeState]:
        """Return the current rows of these enrollments, locked until the commit."""
        return self.session.scalars(
            select(DeclarativeState)
            .where(DeclarativeState.enrollment_id.in_(enrollment_ids))
            .order_by(DeclarativeState.enrollment_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).all()

    def load_declaration_items(self, hashes: Collection[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the declarations of each of these sets that exist, by its hash."""
        rows = self.session.execute(select(DeclarationSet.sha256, DeclarationSet.items).where(DeclarationSet.sha256.in_(hashes)))
        return {row.sha256: row.items for row in rows}

    def delete_declarative_state(self, enrollment_id: int) -> None:
        self.session.execute(delete(DeclarativeState).where(DeclarativeState.enrollment_id == enrollment_id))


def upsert_row_of_enrollment(session: Session, model: Any, values: dict[str, Any]) -> None:
    """Insert the row of an enrollment with its town, or update the given columns of the existing one."""
    insert = get_insert(session.get_bind().dialect.name)
    town_id = select(DeviceEnrollment.town_id).where(DeviceEnrollment.id == values["enrollment_id"]).scalar_subquery()
    statement = insert(model).values(**values, town_id=town_id)
    changed = {name: getattr(statement.excluded, name) for name in values if name != "enrollment_id"}
    session.execute(statement.on_conflict_do_update(index_elements=["enrollment_id"], set_=changed))


def select_last_contact() -> ScalarSelect[datetime]:
    """Return a scalar subquery for the last contact of a `Tablet` on any of its device channels."""
    return (
        select(func.max(LastSeen.last_seen_at))
        .join(DeviceEnrollment, DeviceEnrollment.id == LastSeen.enrollment_id)
        .where(DeviceEnrollment.tablet_id == Tablet.id, DeviceEnrollment.parent_id.is_(None))
        .correlate(Tablet)
        .scalar_subquery()
    )


def select_erased_at() -> ScalarSelect[datetime | None]:
    """Return a scalar subquery for when a `Tablet` was erased without having enrolled since; NULL for any other."""
    return (
        select(func.max(DeviceEnrollment.erased_at))
        .where(DeviceEnrollment.tablet_id == Tablet.id, DeviceEnrollment.parent_id.is_(None))
        .correlate(Tablet)
        .scalar_subquery()
    )


def is_enrolled_channel() -> tuple[ColumnElement[bool], ColumnElement[bool], ColumnElement[bool]]:
    """Build the conditions for the device channel of an enrolled tablet that was not erased since."""
    return (
        DeviceEnrollment.state == EnrollmentState.ENROLLED,
        DeviceEnrollment.parent_id.is_(None),
        DeviceEnrollment.erased_at.is_(None),
    )
