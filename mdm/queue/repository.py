"""All SQL of the queue, apart from the channel's batch statements, which are in `hot.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, String, bindparam, cast, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cartable.outbox import OutboxRow, Topic, keep_earlier_time
from cartable.scope import Actor
from enrollment.tablets.models import Tablet
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.queue.models import OPEN_STATES, Command, CommandAnswer, CommandBody, CommandState, Lane, SafetySwitch

UNSENT = (CommandState.QUEUED, CommandState.NOT_NOW)


class QueueRepository:
    """Reads and writes commands in sets."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.dialect = session.get_bind().dialect.name

    def add_body(self, body: CommandBody) -> None:
        self.session.add(body)
        self.session.flush()

    def supersede(self, selection: Select[int], keys: Sequence[str], now: datetime) -> None:
        """End unsent commands with one of these dedupe keys, on every selected enrolment."""
        self.session.execute(
            update(Command)
            .where(
                Command.enrollment_id.in_(selection.scalar_subquery()),
                Command.dedupe_key.in_(keys),
                Command.state.in_(UNSENT),
            )
            .values(state=CommandState.SUPERSEDED, finished_at=now, why="a newer command took its place")
            .execution_options(synchronize_session=False)
        )

    def hasten(self, enrollment_ids: Sequence[int], key: str, lane: int) -> None:
        """Let unsent commands with this dedupe key go out in a more urgent lane."""
        self.session.execute(
            update(Command)
            .where(
                Command.enrollment_id.in_(enrollment_ids),
                Command.dedupe_key == key,
                Command.state.in_(UNSENT),
                Command.lane > lane,
            )
            .values(lane=lane)
            .execution_options(synchronize_session=False)
        )

    def insert_for(self, selection: Select[int], values: dict[str, Any]) -> int:
        """One command for each selected enrolment that can receive it; equal waiting ones stay single. Returns how many."""
        columns = ["enrollment_id", "generation", *values]
        source = (
            select(DeviceEnrollment.id, DeviceEnrollment.generation, *(_constant(name, v) for name, v in values.items()))
            .where(DeviceEnrollment.id.in_(selection.scalar_subquery()))
            .where(DeviceEnrollment.state.in_((EnrollmentState.PENDING, EnrollmentState.ENROLLED)))
            .order_by(DeviceEnrollment.id)
        )
        insert: Any = postgresql.insert if self.dialect == "postgresql" else sqlite.insert
        statement = insert(Command).from_select(columns, source).on_conflict_do_nothing()
        statement = statement.execution_options(preserve_rowcount=True)
        return int(self.session.execute(statement).rowcount)  # type: ignore[attr-defined]

    def ring_for(self, body_id: int, now: datetime) -> None:
        """One waiting push per enrolment that just received a command of this body."""
        source = select(
            _constant("topic", Topic.PUSH, OutboxRow),
            cast(Command.enrollment_id, String),
            _constant("not_before", now, OutboxRow),
            _constant("created_at", now, OutboxRow),
            literal(0),
        ).where(Command.body_id == body_id, Command.state == CommandState.QUEUED)
        insert: Any = postgresql.insert if self.dialect == "postgresql" else sqlite.insert
        statement = insert(OutboxRow).from_select(["topic", "key", "not_before", "created_at", "attempts"], source)
        self.session.execute(keep_earlier_time(statement))

    def ids_of(self, body_id: int, limit: int) -> list[int]:
        return list(self.session.scalars(select(Command.id).where(Command.body_id == body_id).order_by(Command.id).limit(limit)))

    def device_channels(self, tablet_ids: Sequence[UUID]) -> Select[int]:
        """Statement: the device channels (not the user channels) of tablets."""
        return select(DeviceEnrollment.id).where(DeviceEnrollment.tablet_id.in_(tablet_ids), DeviceEnrollment.parent_id.is_(None))

    def device_channels_where(self, tablets: Select[UUID]) -> Select[int]:
        """Statement: the device channels of the tablets that another statement selects."""
        return select(DeviceEnrollment.id).where(
            DeviceEnrollment.tablet_id.in_(tablets.scalar_subquery()), DeviceEnrollment.parent_id.is_(None)
        )

    def expire(self, now: datetime) -> int:
        """End what has passed its deadline."""
        statement = (
            update(Command)
            .where(Command.state.in_(OPEN_STATES), Command.deadline <= now)
            .values(state=CommandState.EXPIRED, finished_at=now, why="deadline")
            .execution_options(synchronize_session=False)
        )
        return int(self.session.execute(statement).rowcount)  # type: ignore[attr-defined]

    def waiting_again(self, before: datetime, now: datetime) -> list[int]:
        """Enrolments that need a push: a command was put off (NotNow) or unanswered since `before`, or its hour has come."""
        put_off = Command.state.in_((CommandState.NOT_NOW, CommandState.SENT)) & (Command.sent_at <= before)
        come = (Command.state == CommandState.QUEUED) & Command.not_before.between(now - timedelta(minutes=3), now)
        return list(
            self.session.scalars(select(Command.enrollment_id).where(put_off | come).distinct().order_by(Command.enrollment_id))
        )

    def visible(self, actor: Actor, command_id: int) -> Row[Command, CommandBody, DeviceEnrollment] | None:
        statement = (
            select(Command, CommandBody, DeviceEnrollment)
            .join(CommandBody, CommandBody.id == Command.body_id)
            .join(DeviceEnrollment, DeviceEnrollment.id == Command.enrollment_id)
            .join(Tablet, Tablet.id == DeviceEnrollment.tablet_id)
            .where(Command.id == command_id)
        )
        return self.session.execute(actor.restrict(statement, Tablet)).one_or_none()

    def history(
        self, tablet_id: UUID, before: int | None, limit: int
    ) -> Sequence[Row[Command, CommandBody, CommandAnswer | None]]:
        """Commands of a tablet, newest first, over all its lives."""
        statement = (
            select(Command, CommandBody, CommandAnswer)
            .join(CommandBody, CommandBody.id == Command.body_id)
            .join(DeviceEnrollment, DeviceEnrollment.id == Command.enrollment_id)
            .outerjoin(CommandAnswer, CommandAnswer.command_id == Command.id)
            .where(DeviceEnrollment.tablet_id == tablet_id)
            .order_by(Command.id.desc())
            .limit(limit)
        )
        return self.session.execute(statement if before is None else statement.where(Command.id < before)).all()

    def answered(self, command_id: int) -> Row[Command, CommandBody, CommandAnswer, DeviceEnrollment] | None:
        return self.session.execute(
            select(Command, CommandBody, CommandAnswer, DeviceEnrollment)
            .join(CommandBody, CommandBody.id == Command.body_id)
            .join(CommandAnswer, CommandAnswer.command_id == Command.id)
            .join(DeviceEnrollment, DeviceEnrollment.id == Command.enrollment_id)
            .where(Command.id == command_id)
        ).one_or_none()

    def open_types(self, enrollment_id: int) -> set[str]:
        """Dedupe keys of the open commands of an enrolment."""
        return set(
            self.session.scalars(
                select(Command.dedupe_key).where(
                    Command.enrollment_id == enrollment_id, Command.state.in_(OPEN_STATES), Command.dedupe_key.is_not(None)
                )
            )
        ) - {None}  # type: ignore[return-value]

    def supersede_life(self, enrollment_id: int, generation: int, now: datetime) -> bool:
        """End every open command of the lives before `generation`. An erase that was sent has done its work. Returns whether
        there was one.
        """
        ended = []
        erased = (Command.state == CommandState.SENT) & (Command.lane == Lane.FINAL)
        for condition, state, why in (
            (erased, CommandState.ACKNOWLEDGED, "the tablet came back erased"),
            (Command.state.in_(OPEN_STATES), CommandState.SUPERSEDED, "the tablet enrolled again"),
        ):
            statement = update(Command).where(Command.enrollment_id == enrollment_id, Command.generation < generation, condition)
            statement = statement.values(state=state, finished_at=now, why=why).returning(Command.id)
            ended.append(self.session.scalars(statement.execution_options(synchronize_session=False)).all())
        return bool(ended[0])

    def stopped_towns(self, town_ids: set[UUID]) -> set[UUID]:
        """Those of the towns whose stop switch is thrown."""
        return set(
            self.session.scalars(
                select(SafetySwitch.town_id).where(SafetySwitch.town_id.in_(town_ids), SafetySwitch.stopped_at.is_not(None))
            )
        )

    def read_answers_older_than(self, before: datetime) -> None:
        """Empty the raw bodies of answers that have been read long ago."""
        self.session.execute(
            update(CommandAnswer).where(CommandAnswer.received_at < before, CommandAnswer.body.is_not(None)).values(body=None)
        )


def _constant(name: str, value: Any, model: Any = Command) -> ColumnElement[Any]:
    """A bound constant with the type of the column it goes to."""
    return bindparam(None, value, type_=model.__table__.c[name].type, unique=True)
