"""All SQL of the timeline."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from cartable.database import get_insert
from cartable.ids import new_id
from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.timeline.models import ClockPause, DatabaseRestore, Timeline
from cartable.timeline.rules import TimelinePoint

_ROW_ID = 1


class TimelineRepository:
    """Reads and writes the timeline's row, the restores and the pauses of the clock."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self) -> Timeline | None:
        return self.session.get(Timeline, _ROW_ID, populate_existing=True)

    def get_point(self) -> TimelinePoint | None:
        """Return how far this database has got; None when nothing has been recorded yet."""
        row = self.get()
        return None if row is None else TimelinePoint(row.database_id, row.epoch, row.position, row.known_at)

    def get_or_create_for_update(self, now: datetime, known: TimelinePoint | None) -> Timeline:
        """Return the row, locked until the commit. A new one is at position 0, of the database that `known` names if there is one."""
        insert = get_insert(self.session.get_bind().dialect.name)
        values = {
            "id": _ROW_ID, "database_id": known.database_id if known else new_id(), "epoch": 1, "position": 0,
            "known_at": known.known_at if known else now,
        }  # fmt: skip
        self.session.execute(insert(Timeline).values(values).on_conflict_do_nothing())
        return self.session.scalars(
            select(Timeline).where(Timeline.id == _ROW_ID).with_for_update().execution_options(populate_existing=True)
        ).one()

    def get_last_restore(self) -> DatabaseRestore | None:
        return self.session.scalar(select(DatabaseRestore).order_by(DatabaseRestore.noticed_at.desc()).limit(1))

    def list_restores(self, page: PageRequest) -> Page[DatabaseRestore]:
        """List the restores that were noticed, newest first."""
        statement = select(DatabaseRestore)
        return fetch_scalar_page(self.session, statement, page, DatabaseRestore.noticed_at, DatabaseRestore.id, descending=True)

    def has_news_since(self, instant: datetime) -> bool:
        """Return whether the clock is paused, or a restore was noticed since an instant."""
        restored = exists().where(DatabaseRestore.noticed_at > instant)
        return bool(self.session.scalar(select(or_(restored, exists().where(ClockPause.ended_at.is_(None))))))

    def get_open_pause(self) -> ClockPause | None:
        return self.session.scalar(select(ClockPause).where(ClockPause.ended_at.is_(None)).limit(1))

    def end_pause(self, now: datetime, *, released_by_name: str | None = None, reason: str | None = None) -> bool:
        """End the open pause; of two at once one returns True."""
        statement = (
            update(ClockPause)
            .where(ClockPause.ended_at.is_(None))
            .values(ended_at=now, released_by_name=released_by_name, reason=reason)
            .returning(ClockPause.id)
            .execution_options(synchronize_session=False)
        )
        return self.session.scalars(statement).first() is not None
