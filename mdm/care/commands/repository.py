"""All SQL of commands that people give: whom a selection reaches, bulk commands with their tablets and progress, bypass codes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, exists, func, select, true, update
from sqlalchemy.orm import Session

from cartable.keyset import fetch_page, fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.people.models import Pupil
from enrollment.places.models import Grade, School, SchoolClass
from enrollment.tablets.models import Loan, Tablet
from enrollment.tablets.rules import DECOMMISSIONED
from mdm.care.commands.models import ActivationBypassCode, BulkCommand, BulkCommandTablet
from mdm.care.commands.rules import CommandTarget, Obstacle
from mdm.care.lost_mode.models import LostCase
from mdm.devices.models import DeclarativeState, DeviceEnrollment, EnrollmentState
from mdm.devices.repository import select_last_contact
from mdm.queue.models import ArchivedCommand, CommandState, QueuedCommand
from mdm.reconcile.models import AppState, TabletApp
from profiles.apps.models import App

#: A tablet of a bulk command with the state of its command and the reason of that state; both None without a command.
BulkLine: TypeAlias = tuple[BulkCommandTablet, Tablet, CommandState | None, str | None]
#: State of the command of a line, which is in the queue or in the archive.
_COMMAND_STATE = func.coalesce(QueuedCommand.state, ArchivedCommand.state)
#: A bulk command makes all its commands at one instant. Naming it makes PostgreSQL look into the partition of its month alone.
_IS_ARCHIVED = (ArchivedCommand.id == BulkCommandTablet.command_id) & (ArchivedCommand.created_at == BulkCommand.sent_at)


@dataclass(frozen=True, slots=True)
class TabletSelection:
    """Which tablets of a town a command is for. What is None or empty does not narrow the choice."""

    town_id: UUID
    school_id: UUID | None = None
    class_id: UUID | None = None
    grade: Grade | None = None
    tablet_ids: frozenset[UUID] = frozenset()


class CommandRepository:
    """Reads targets and reads and writes bulk commands."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_targets(
        self, actor: Actor, selection: TabletSelection, limit: int, app_id: UUID | None = None
    ) -> list[CommandTarget]:
        """List the tablets of a selection that the actor cares for, by tag; none that are out of use for good."""
        statement = self._select_targets(app_id).where(Tablet.town_id == selection.town_id, Tablet.state.not_in(DECOMMISSIONED))
        if selection.tablet_ids:
            statement = statement.where(Tablet.id.in_(selection.tablet_ids))
        if selection.school_id is not None:
            statement = statement.where(Tablet.school_id == selection.school_id)
        if selection.class_id is not None:
            statement = statement.where(Tablet.is_of_class(selection.class_id))
        if selection.grade is not None:
            lent = select(Loan.tablet_id).join(Pupil, Pupil.id == Loan.pupil_id)
            statement = statement.where(Tablet.id.in_(lent.where(Loan.closed_at.is_(None), Pupil.grade == selection.grade)))
        statement = actor.restrict(statement, Tablet, Permission.CARE).order_by(Tablet.tag, Tablet.id).limit(limit)
        return [CommandTarget(*row) for row in self.session.execute(statement)]

    def list_targets_of(self, tablet_ids: Collection[UUID], app_id: UUID | None = None) -> list[CommandTarget]:
        """List these tablets by tag, as they are now."""
        statement = self._select_targets(app_id).where(Tablet.id.in_(tablet_ids)).order_by(Tablet.tag, Tablet.id)
        return [CommandTarget(*row) for row in self.session.execute(statement)]

    def _select_targets(self, app_id: UUID | None) -> Select[*tuple[Any, ...]]:
        """Return the statement of targets. With an app: whether it has come to the tablet, or has failed there."""
        is_app_due: ColumnElement[bool] = true()
        if app_id is not None:
            came = TabletApp.state.not_in((AppState.REMOVING, AppState.WAITING))
            is_app_due = exists().where(TabletApp.tablet_id == Tablet.id, TabletApp.app_id == app_id, came)
        in_lost_mode = exists().where(
            LostCase.tablet_id == Tablet.id, LostCase.confirmed_at.is_not(None), LostCase.lifted_at.is_(None)
        )
        proves_declarations = exists().where(
            DeclarativeState.enrollment_id == DeviceEnrollment.id,
            DeclarativeState.fallback_reason.is_(None),
            DeclarativeState.reported_at.is_not(None),
        )
        return select(
            Tablet.id, Tablet.town_id, Tablet.school_id, Tablet.tag, Tablet.serial, Tablet.state, Tablet.supervised,
            Tablet.os_version, DeviceEnrollment.id, DeviceEnrollment.unlock_token.is_not(None), in_lost_mode, select_last_contact(), proves_declarations,
            is_app_due,
        ).outerjoin(
            DeviceEnrollment,
            (DeviceEnrollment.tablet_id == Tablet.id)
            & DeviceEnrollment.parent_id.is_(None)
            & (DeviceEnrollment.state == EnrollmentState.ENROLLED)
            & DeviceEnrollment.erased_at.is_(None),
        )  # fmt: skip

    def load_unlock_tokens(self, enrollment_ids: Collection[int]) -> dict[int, bytes]:
        """Return the unlock token of each of these enrollments that has sent one."""
        rows = self.session.execute(
            select(DeviceEnrollment.id, DeviceEnrollment.unlock_token).where(
                DeviceEnrollment.id.in_(enrollment_ids), DeviceEnrollment.unlock_token.is_not(None)
            )
        )
        return {row[0]: row[1] for row in rows if row[1] is not None}

    def get_app(self, app_id: UUID) -> App:
        return self.session.get_one(App, app_id)

    # Bulk commands

    def get_visible(self, actor: Actor, bulk_id: UUID) -> BulkCommand | None:
        return self.session.scalar(actor.restrict(select(BulkCommand).where(BulkCommand.id == bulk_id), BulkCommand))

    def list_newest(self, actor: Actor, town_id: UUID, page: PageRequest) -> Page[BulkCommand]:
        statement = actor.restrict(select(BulkCommand).where(BulkCommand.town_id == town_id), BulkCommand, Permission.CARE)
        return fetch_scalar_page(self.session, statement, page, BulkCommand.requested_at, BulkCommand.id, descending=True)

    def load_places(self, bulk_ids: Collection[UUID]) -> dict[UUID, tuple[str | None, str | None]]:
        """Return the names of the school and the class that bulk commands were for."""
        rows = self.session.execute(
            select(BulkCommand.id, School.name, SchoolClass.label)
            .outerjoin(School, School.id == BulkCommand.school_id)
            .outerjoin(SchoolClass, SchoolClass.id == BulkCommand.class_id)
            .where(BulkCommand.id.in_(bulk_ids))
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    def list_tablet_ids(self, bulk_id: UUID) -> list[UUID]:
        return list(self.session.scalars(select(BulkCommandTablet.tablet_id).where(BulkCommandTablet.bulk_id == bulk_id)))

    def list_lines(self, bulk_id: UUID, page: PageRequest) -> Page[BulkLine]:
        """List the tablets of a bulk command by tag, each with the state of its command."""
        statement = (
            select(
                BulkCommandTablet, Tablet, _COMMAND_STATE, func.coalesce(QueuedCommand.state_reason, ArchivedCommand.state_reason)
            )
            .join(BulkCommand, BulkCommand.id == BulkCommandTablet.bulk_id)
            .join(Tablet, Tablet.id == BulkCommandTablet.tablet_id)
            .outerjoin(QueuedCommand, QueuedCommand.id == BulkCommandTablet.command_id)
            .outerjoin(ArchivedCommand, _IS_ARCHIVED)
            .where(BulkCommandTablet.bulk_id == bulk_id)
        )
        return fetch_page(self.session, statement, page, Tablet.tag, Tablet.id)

    def count_lines(self, bulk_ids: Collection[UUID]) -> dict[UUID, dict[CommandState | Obstacle | None, int]]:
        """Return for each bulk command how many of its tablets are in each state: of their command, or of their obstacle."""
        rows = self.session.execute(
            select(BulkCommandTablet.bulk_id, _COMMAND_STATE, BulkCommandTablet.obstacle, func.count())
            .join(BulkCommand, BulkCommand.id == BulkCommandTablet.bulk_id)
            .outerjoin(QueuedCommand, QueuedCommand.id == BulkCommandTablet.command_id)
            .outerjoin(ArchivedCommand, _IS_ARCHIVED)
            .where(BulkCommandTablet.bulk_id.in_(bulk_ids))
            .group_by(BulkCommandTablet.bulk_id, _COMMAND_STATE, BulkCommandTablet.obstacle)
        )
        counts: dict[UUID, dict[CommandState | Obstacle | None, int]] = {}
        for bulk_id, state, obstacle, number in rows:
            counts.setdefault(bulk_id, {})[state or obstacle] = number
        return counts

    def save_obstacles(self, bulk_id: UUID, obstacles: Mapping[UUID, Obstacle]) -> None:
        """Store why these tablets of a bulk command get none."""
        for obstacle in Obstacle:
            ids = [tablet_id for tablet_id, each in obstacles.items() if each is obstacle]
            if ids:
                self._update_lines(bulk_id, BulkCommandTablet.tablet_id.in_(ids), obstacle=obstacle)

    def link_commands(self, bulk_id: UUID, body_ids: Sequence[int]) -> None:
        """Link the tablets of a bulk command to the commands of these bodies. Those without one have an equal command waiting."""
        command_id = (
            select(func.max(QueuedCommand.id))
            .join(DeviceEnrollment, DeviceEnrollment.id == QueuedCommand.enrollment_id)
            .where(
                QueuedCommand.body_id.in_(body_ids),
                DeviceEnrollment.parent_id.is_(None),
                DeviceEnrollment.tablet_id == BulkCommandTablet.tablet_id,
            )
            .correlate(BulkCommandTablet)
            .scalar_subquery()
        )
        self._update_lines(bulk_id, BulkCommandTablet.obstacle.is_(None), command_id=command_id)
        without = BulkCommandTablet.obstacle.is_(None) & BulkCommandTablet.command_id.is_(None)
        self._update_lines(bulk_id, without, obstacle=Obstacle.ALREADY_WAITING)

    def _update_lines(self, bulk_id: UUID, condition: object, **values: object) -> None:
        statement = update(BulkCommandTablet).where(BulkCommandTablet.bulk_id == bulk_id, condition)  # type: ignore[arg-type]
        self.session.execute(statement.values(**values).execution_options(synchronize_session=False))

    def select_commands(self, bulk_id: UUID) -> Select[int]:
        """Return a statement that selects the commands of a bulk command."""
        return select(BulkCommandTablet.command_id).where(  # type: ignore[return-value]
            BulkCommandTablet.bulk_id == bulk_id, BulkCommandTablet.command_id.is_not(None)
        )

    def delete_old(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` bulk commands requested before an instant, oldest first, with their lines. Returns how many."""
        due = select(BulkCommand.id).where(BulkCommand.requested_at < before).order_by(BulkCommand.requested_at).limit(limit)
        ids = list(self.session.scalars(due))
        for model, column in ((BulkCommandTablet, BulkCommandTablet.bulk_id), (BulkCommand, BulkCommand.id)):
            self.session.execute(delete(model).where(column.in_(ids)).execution_options(synchronize_session=False))
        return len(ids)

    # Bypass codes

    def get_bypass_code(self, tablet_id: UUID) -> ActivationBypassCode | None:
        return self.session.get(ActivationBypassCode, tablet_id)

    def save_bypass_code(self, town_id: UUID, tablet_id: UUID, code: str, received_at: datetime) -> None:
        """Store the bypass code that a tablet reported, in place of an earlier one."""
        row = self.get_bypass_code(tablet_id) or ActivationBypassCode(tablet_id=tablet_id)
        row.town_id, row.code, row.received_at = town_id, code, received_at
        self.session.add(row)
        self.session.flush()
