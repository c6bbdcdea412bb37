"""All SQL of a change of mode that is decided for many tablets at once: who is due, what is announced to them, their next modes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, exists, select, text, update
from sqlalchemy.orm import Session

from cartable.bulk_params import build_parameters, build_table_sql
from cartable.database import UtcDateTime
from enrollment.places.models import Grade
from enrollment.tablets.repository import TabletRepository
from mdm.devices.models import DeclarationStatus, DeclarativeState, DeviceEnrollment
from mdm.devices.repository import is_enrolled_channel
from mdm.reconcile.models import AppState, ProfileTrial, TabletApp, TabletProfile, TrialState
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.models import PupilAfterSchool, TabletMode
from profiles.schedule.modes import Mode

_MODE_COLUMNS = {"tablet_id": "uuid", "mode": "text", "next_evaluation_at": "timestamptz"}
_SAVE_MODES = """
UPDATE tablet_mode SET next_evaluation_at = given.next_evaluation_at, mode = given.mode,
    since = CASE WHEN tablet_mode.mode = given.mode THEN tablet_mode.since ELSE :now END
FROM {given} WHERE tablet_mode.tablet_id = given.tablet_id
"""
_ANNOUNCEMENT_COLUMNS = {"enrollment_id": "bigint", "mode": "text"}
_ANNOUNCE_MODES = """
UPDATE declarative_state SET mode = given.mode, status = 'waiting', status_since = :now, problem = NULL, confirmed_at = NULL,
    publication = publication + 1, published_at = :now, next_check_at = :next_check_at
FROM {given} WHERE declarative_state.enrollment_id = given.enrollment_id
"""


class DueTablet(NamedTuple):
    """A tablet whose mode is due, and of which nothing but the mode changes with the clock."""

    tablet_id: UUID
    enrollment_id: int
    mode: Mode
    mode_only_basis: str
    town_id: UUID
    school_id: UUID | None
    class_id: UUID | None
    grade: Grade | None
    is_staff: bool
    after_school: AfterSchool | None


@dataclass(frozen=True, slots=True)
class NextMode:
    """What is saved of a tablet: its mode, and when that is evaluated again."""

    tablet_id: UUID
    mode: Mode
    next_evaluation_at: datetime | None


class ModeSwitchRepository:
    """Reads and writes for the tablets of a town, in a constant number of statements."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.dialect = session.get_bind().dialect.name

    def lock_due_tablets(self, town_id: UUID, now: datetime, limit: int) -> list[DueTablet]:
        """Return the due tablets that may need no full decision, by id, with the rows of their modes locked until the commit.

        Left out are those with something on the way beside declarations: a profile, a trial, an app that is ordered again.
        """
        place = TabletRepository.select_places().subquery()
        statement = (
            select(
                TabletMode.tablet_id, DeviceEnrollment.id, TabletMode.mode, TabletMode.mode_only_basis, place.c.town_id,
                place.c.school_id, place.c.class_id, place.c.grade, place.c.staff_id.is_not(None), PupilAfterSchool.after_school,
            )
            .join(place, place.c.tablet_id == TabletMode.tablet_id)
            .join(DeviceEnrollment, DeviceEnrollment.tablet_id == TabletMode.tablet_id)
            .outerjoin(PupilAfterSchool, PupilAfterSchool.pupil_id == place.c.pupil_id)
            .where(TabletMode.town_id == town_id, TabletMode.next_evaluation_at <= now, TabletMode.mode_only_until > now)
            .where(*is_enrolled_channel())
            .where(
                ~exists().where(TabletProfile.tablet_id == TabletMode.tablet_id),
                ~exists().where(ProfileTrial.tablet_id == TabletMode.tablet_id, ProfileTrial.state != TrialState.PROVED),
                ~exists().where(TabletApp.tablet_id == TabletMode.tablet_id, TabletApp.state == AppState.WAITING),
            )
            .order_by(TabletMode.tablet_id)
            .limit(limit)
            .with_for_update(of=TabletMode)
        )  # fmt: skip
        return [DueTablet._make(row) for row in self.session.execute(statement)]

    def lock_announcements(self, enrollment_ids: Collection[int]) -> Sequence[Any]:
        """Return what is announced to enrollments that are managed by declarations, locked until the commit.

        Left out is what the last report has not settled: a failure, a renewal, a check that is due.
        """
        columns = (
            DeclarativeState.enrollment_id, DeclarativeState.set_sha256, DeclarativeState.mode, DeclarativeState.repairs,
            DeclarativeState.served_set_sha256, DeclarativeState.served_mode, DeclarativeState.served_repairs,
            DeclarativeState.status, DeclarativeState.next_check_at,
        )  # fmt: skip
        return self.session.execute(
            select(*columns)
            .where(
                DeclarativeState.enrollment_id.in_(enrollment_ids),
                DeclarativeState.fallback_reason.is_(None),
                DeclarativeState.reported_at.is_not(None),
                DeclarativeState.declarative_only_since.is_not(None),
                DeclarativeState.status.in_((DeclarationStatus.CONFIRMED, DeclarationStatus.WAITING)),
            )
            .order_by(DeclarativeState.enrollment_id)
            .with_for_update()
        ).all()

    def save_modes(self, modes: Sequence[NextMode], now: datetime) -> None:
        """Save the next modes of tablets whose rows are locked."""
        rows = [(each.tablet_id, each.mode.value, each.next_evaluation_at) for each in modes]
        self._update(_SAVE_MODES, _MODE_COLUMNS, rows, {"now": now})

    def announce_modes(self, modes: Sequence[tuple[int, Mode]], now: datetime, next_check_at: datetime) -> None:
        """Announce modes to enrollments, whose sets of declarations stay."""
        rows = [(enrollment_id, mode.value) for enrollment_id, mode in modes]
        self._update(_ANNOUNCE_MODES, _ANNOUNCEMENT_COLUMNS, rows, {"now": now, "next_check_at": next_check_at})

    def require_full_decisions(self, tablet_ids: Sequence[UUID]) -> None:
        """Let the next change of mode of these tablets be decided in full."""
        if tablet_ids:
            statement = update(TabletMode).where(TabletMode.tablet_id.in_(tablet_ids)).values(mode_only_until=None)
            self.session.execute(statement.execution_options(synchronize_session=False))

    def _update(
        self, template: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]], instants: dict[str, datetime]
    ) -> None:
        if rows:
            statement = text(template.format(given=build_table_sql(self.dialect, "given", columns)))
            statement = statement.bindparams(*(bindparam(name, type_=UtcDateTime()) for name in instants))
            self.session.execute(statement, {**build_parameters(self.dialect, "given", columns, rows), **instants})
