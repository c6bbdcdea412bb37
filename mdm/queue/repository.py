"""All SQL of the command queue, except the channel's set-based statements, which are in `batch_statements.py`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, bindparam, func, insert, literal, select, text, update
from sqlalchemy.orm import Session

from cartable.bulk_params import build_parameters, build_table_sql
from cartable.database import UtcDateTime, get_insert
from cartable.keyset import fetch_keyed_rows, fetch_page
from cartable.outbox import JobLane, Topic, enqueue_selected_jobs
from cartable.paging import KeyPart, Page, PageRequest
from cartable.scope import Actor
from enrollment.tablets.models import Tablet
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.queue.models import OPEN_STATES, UNSENT_STATES, CommandBody, CommandResult, CommandState, EndReason, Lane, QueuedCommand

_GIVEN = {"enrollment_id": "bigint", "body_id": "bigint", "dedupe_key": "text"}
_INSERT_INDIVIDUAL = """
INSERT INTO command (enrollment_id, town_id, generation, body_id, lane, state, dedupe_key, deadline, created_at, delivery_count)
SELECT e.id, e.town_id, e.generation, given.body_id, :lane, 'queued', given.dedupe_key, :deadline, :now, 0
FROM {given} JOIN device_enrollment e ON e.id = given.enrollment_id
WHERE e.state IN ('pending', 'enrolled') ORDER BY e.id
ON CONFLICT DO NOTHING
"""


class QueueRepository:
    """Reads and writes command bodies, queued commands, results and stop switches."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.dialect = session.get_bind().dialect.name

    def add_body(self, body: CommandBody) -> None:
        self.session.add(body)
        self.session.flush()

    def insert_bodies(self, bodies: Sequence[CommandBody]) -> dict[int, int]:
        """Insert bodies with one statement for a thousand of them. Returns their ids by nonce."""
        names = [column.key for column in CommandBody.__table__.columns if column.key != "id"]
        rows = [{name: getattr(body, name) for name in names} for body in bodies]
        statement = insert(CommandBody).returning(CommandBody.nonce, CommandBody.id)
        return {row[0]: row[1] for row in self.session.execute(statement, rows)}

    def supersede_commands(self, selection: Select[int], keys: Sequence[str], now: datetime) -> None:
        """Supersede the unsent commands with one of these dedupe keys, for every selected enrollment."""
        self.session.execute(
            update(QueuedCommand)
            .where(
                QueuedCommand.enrollment_id.in_(selection.scalar_subquery()),
                QueuedCommand.dedupe_key.in_(keys),
                QueuedCommand.state.in_(UNSENT_STATES),
            )
            .values(state=CommandState.SUPERSEDED, finished_at=now, state_reason="a newer command took its place")
            .execution_options(synchronize_session=False)
        )

    def raise_priority(self, enrollment_ids: Sequence[int], key: str, lane: int) -> None:
        """Move unsent commands with this dedupe key to `lane`, if it is more urgent than theirs."""
        self.session.execute(
            update(QueuedCommand)
            .where(
                QueuedCommand.enrollment_id.in_(enrollment_ids),
                QueuedCommand.dedupe_key == key,
                QueuedCommand.state.in_(UNSENT_STATES),
                QueuedCommand.lane > lane,
            )
            .values(lane=lane)
            .execution_options(synchronize_session=False)
        )

    def insert_commands(self, selection: Select[int], values: dict[str, Any]) -> int:
        """Insert one command for each selected enrollment that can receive it, unless an equal one waits. Returns how many."""
        copied = (DeviceEnrollment.id, DeviceEnrollment.town_id, DeviceEnrollment.generation)
        columns = ["enrollment_id", "town_id", "generation", *values]
        rows = (
            select(*copied, *(_bind_constant(name, v) for name, v in values.items()))
            .where(DeviceEnrollment.id.in_(selection.scalar_subquery()))
            .where(DeviceEnrollment.state.in_((EnrollmentState.PENDING, EnrollmentState.ENROLLED)))
            .order_by(DeviceEnrollment.id)
        )
        dialect_insert = get_insert(self.dialect)
        statement = dialect_insert(QueuedCommand).from_select(columns, rows).on_conflict_do_nothing()
        statement = statement.execution_options(preserve_rowcount=True)
        return int(self.session.execute(statement).rowcount)  # type: ignore[attr-defined]

    def insert_individual_commands(
        self, rows: Sequence[tuple[int, int, str | None]], lane: int, deadline: datetime, now: datetime
    ) -> None:
        """Insert one command for each (enrollment, body, dedupe key) that can receive it, unless an equal one waits."""
        parameters = build_parameters(self.dialect, "given", _GIVEN, rows)
        statement = text(_INSERT_INDIVIDUAL.format(given=build_table_sql(self.dialect, "given", _GIVEN)))
        instants = [bindparam("now", type_=UtcDateTime()), bindparam("deadline", type_=UtcDateTime())]
        self.session.execute(statement.bindparams(*instants), {**parameters, "lane": lane, "deadline": deadline, "now": now})

    def enqueue_pushes(self, body_id: int, now: datetime, not_before: datetime | None, lane: JobLane) -> None:
        """Enqueue one push for each enrollment that has a queued command of this body."""
        enrollment_ids = select(QueuedCommand.enrollment_id).where(
            QueuedCommand.body_id == body_id, QueuedCommand.state == CommandState.QUEUED
        )
        enqueue_selected_jobs(self.session, now, Topic.PUSH, enrollment_ids, not_before=not_before, lane=lane)

    def expire_commands(self, now: datetime) -> int:
        """Expire the open commands whose deadline has passed. Returns how many."""
        statement = (
            update(QueuedCommand)
            .where(QueuedCommand.state.in_(OPEN_STATES), QueuedCommand.deadline <= now)
            .values(state=CommandState.EXPIRED, finished_at=now, state_reason="deadline")
            .execution_options(synchronize_session=False)
        )
        return int(self.session.execute(statement).rowcount)  # type: ignore[attr-defined]

    def list_enrollments_to_push(self, before: datetime, now: datetime) -> list[int]:
        """Return the enrollments that need a push: a command has had no result or NotNow since `before`, or has just become due."""
        unanswered = QueuedCommand.state.in_((CommandState.NOT_NOW, CommandState.SENT)) & (QueuedCommand.sent_at <= before)
        became_due = (QueuedCommand.state == CommandState.QUEUED) & QueuedCommand.not_before.between(
            now - timedelta(minutes=3), now
        )
        return list(
            self.session.scalars(
                select(QueuedCommand.enrollment_id)
                .where(unanswered | became_due)
                .distinct()
                .order_by(QueuedCommand.enrollment_id)
            )
        )

    def get_visible_command(self, actor: Actor, command_id: int) -> Row[QueuedCommand, CommandBody, DeviceEnrollment] | None:
        statement = (
            select(QueuedCommand, CommandBody, DeviceEnrollment)
            .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
            .join(DeviceEnrollment, DeviceEnrollment.id == QueuedCommand.enrollment_id)
            .join(Tablet, Tablet.id == DeviceEnrollment.tablet_id)
            .where(QueuedCommand.id == command_id)
        )
        return self.session.execute(actor.restrict(statement, Tablet)).one_or_none()

    def list_commands(
        self, tablet_id: UUID, page: PageRequest, source: int, without: str | None = None
    ) -> list[tuple[tuple[KeyPart, ...], tuple[QueuedCommand, CommandBody, CommandResult | None]]]:
        """Return the commands of a tablet with their keysets (instant, source, id), newest first, over all its generations.

        Those given by an actor `without` are left out.
        """
        changed_at = func.coalesce(QueuedCommand.finished_at, QueuedCommand.sent_at, QueuedCommand.created_at)
        statement = (
            select(QueuedCommand, CommandBody, CommandResult)
            .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
            .join(DeviceEnrollment, DeviceEnrollment.id == QueuedCommand.enrollment_id)
            .outerjoin(CommandResult, CommandResult.command_id == QueuedCommand.id)
            .where(DeviceEnrollment.tablet_id == tablet_id)
        )
        if without is not None:
            statement = statement.where(CommandBody.requested_by_name != without)
        return fetch_keyed_rows(self.session, statement, page, changed_at, literal(source), QueuedCommand.id, descending=True)

    def list_ended_commands(
        self, command_ids: Sequence[int]
    ) -> Sequence[Row[QueuedCommand, CommandBody, CommandResult | None, DeviceEnrollment]]:
        """Return those of the commands that have ended or have a result, with body, result and enrollment, by id."""
        return self.session.execute(
            select(QueuedCommand, CommandBody, CommandResult, DeviceEnrollment)
            .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
            .join(DeviceEnrollment, DeviceEnrollment.id == QueuedCommand.enrollment_id)
            .outerjoin(CommandResult, CommandResult.command_id == QueuedCommand.id)
            .where(QueuedCommand.id.in_(command_ids))
            .where(CommandResult.command_id.is_not(None) | QueuedCommand.state.not_in(OPEN_STATES))
            .order_by(QueuedCommand.id)
        ).all()

    def get_last_command(self, enrollment_id: int, dedupe_key: str) -> QueuedCommand | None:
        return self.session.scalar(
            select(QueuedCommand)
            .where(QueuedCommand.enrollment_id == enrollment_id, QueuedCommand.dedupe_key == dedupe_key)
            .order_by(QueuedCommand.id.desc())
            .limit(1)
        )

    def list_open_dedupe_keys(self, enrollment_id: int) -> set[str]:
        """Return the dedupe keys of the open commands of an enrollment."""
        return set(
            self.session.scalars(
                select(QueuedCommand.dedupe_key).where(
                    QueuedCommand.enrollment_id == enrollment_id,
                    QueuedCommand.state.in_(OPEN_STATES),
                    QueuedCommand.dedupe_key.is_not(None),
                )
            )
        ) - {None}  # type: ignore[return-value]

    def acknowledge_sent_erase(self, enrollment_id: int, generation: int, now: datetime) -> bool:
        """Acknowledge the erase that was sent before `generation`: the tablet enrolled again because it was erased.

        Returns whether there was one.
        """
        statement = (
            update(QueuedCommand)
            .where(
                QueuedCommand.enrollment_id == enrollment_id,
                QueuedCommand.generation < generation,
                QueuedCommand.state == CommandState.SENT,
                QueuedCommand.lane == Lane.FINAL,
            )
            .values(state=CommandState.ACKNOWLEDGED, finished_at=now, state_reason="the tablet came back erased")
            .returning(QueuedCommand.id)
            .execution_options(synchronize_session=False)
        )
        return self.session.scalars(statement).first() is not None

    def end_former_generations(self, enrollment_id: int, generation: int, reason: EndReason, now: datetime) -> None:
        """Supersede the open commands of all generations before `generation`, for this reason."""
        self.session.execute(
            update(QueuedCommand)
            .where(
                QueuedCommand.enrollment_id == enrollment_id,
                QueuedCommand.generation < generation,
                QueuedCommand.state.in_(OPEN_STATES),
            )
            .values(state=CommandState.SUPERSEDED, finished_at=now, state_reason=reason.value)
            .execution_options(synchronize_session=False)
        )

    def count_armed_erases(self) -> int:
        """Return how many erases wait for their tablets."""
        statement = select(func.count()).select_from(QueuedCommand)
        return self.session.scalar(statement.where(QueuedCommand.lane == Lane.FINAL, QueuedCommand.state.in_(OPEN_STATES))) or 0

    def cancel_command(self, command_id: int, now: datetime) -> bool:
        """Cancel a command unless it has been sent or has ended meanwhile. Returns whether it was cancelled."""
        statement = (
            update(QueuedCommand)
            .where(QueuedCommand.id == command_id, QueuedCommand.state.in_(UNSENT_STATES))
            .values(state=CommandState.CANCELLED, finished_at=now, state_reason="withdrawn")
            .returning(QueuedCommand.id)
            .execution_options(synchronize_session=False)
        )
        return self.session.scalars(statement).first() is not None

    def cancel_commands(self, selection: Select[int], now: datetime) -> int:
        """Cancel those of the selected commands that have not been sent. Returns how many."""
        statement = (
            update(QueuedCommand)
            .where(QueuedCommand.id.in_(selection.scalar_subquery()), QueuedCommand.state.in_(UNSENT_STATES))
            .values(state=CommandState.CANCELLED, finished_at=now, state_reason="withdrawn")
            .execution_options(synchronize_session=False)
        )
        return int(self.session.execute(statement).rowcount)  # type: ignore[attr-defined]

    def fail_acknowledged(self, command_id: int, reason: str) -> None:
        """Make an acknowledged command failed: the tablet acknowledged it as a whole, and refused what it was for."""
        self.session.execute(
            update(QueuedCommand)
            .where(QueuedCommand.id == command_id, QueuedCommand.state == CommandState.ACKNOWLEDGED)
            .values(state=CommandState.FAILED, state_reason=reason)
            .execution_options(synchronize_session=False)
        )

    def postpone_commands(self, command_ids: Sequence[int], until: datetime) -> None:
        """Deliver these open commands not before `until`."""
        self.session.execute(
            update(QueuedCommand)
            .where(QueuedCommand.id.in_(command_ids), QueuedCommand.state.in_(OPEN_STATES))
            .values(not_before=until)
            .execution_options(synchronize_session=False)
        )

    def list_undelivered(
        self, town_id: UUID, request_types: Collection[str], page: PageRequest
    ) -> Page[tuple[QueuedCommand, CommandBody, Tablet]]:
        """Return the commands of these types that no tablet of a town has received, oldest first."""
        statement = (
            select(QueuedCommand, CommandBody, Tablet)
            .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
            .join(DeviceEnrollment, DeviceEnrollment.id == QueuedCommand.enrollment_id)
            .join(Tablet, Tablet.id == DeviceEnrollment.tablet_id)
            .where(Tablet.town_id == town_id, QueuedCommand.state.in_(UNSENT_STATES), CommandBody.request_type.in_(request_types))
        )
        return fetch_page(self.session, statement, page, QueuedCommand.id)

    def load_command_traces(self, command_ids: Collection[int]) -> Sequence[Row[int, int, str, str | None]]:
        """Return id, enrollment, type and trace of those of the commands that an act of a recorded trace has given."""
        statement = (
            select(QueuedCommand.id, QueuedCommand.enrollment_id, CommandBody.request_type, CommandBody.traceparent)
            .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
            .where(QueuedCommand.id.in_(command_ids), CommandBody.traceparent.is_not(None))
            .order_by(QueuedCommand.id)
        )
        return self.session.execute(statement).all()


def _bind_constant(name: str, value: Any, model: Any = QueuedCommand) -> ColumnElement[Any]:
    """Return a bound value with the type of the column it goes to."""
    return bindparam(None, value, type_=model.__table__.c[name].type, unique=True)
