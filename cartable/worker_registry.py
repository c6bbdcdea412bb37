"""The register of worker processes: who lives, since when, and what each does. People and monitoring read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cartable.database import Base, UtcDateTime, get_insert

#: A worker writes its heartbeat so often, and renews its leases with it.
HEARTBEAT_INTERVAL = timedelta(seconds=5)
#: Without a heartbeat for so long, a worker counts as ended.
DEAD_AFTER = timedelta(seconds=30)
#: For so long an ended worker is shown to people.
SHOWN_FOR = timedelta(hours=1)


class WorkerProcess(Base):
    """A process that drains the outbox. `kinds`: the kinds of its work; `stuck`: those that overran their time limit."""

    __tablename__ = "worker_process"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    kinds: Mapped[list[Any]]
    stuck: Mapped[list[Any]]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)

    def is_alive(self, now: datetime) -> bool:
        """Return whether its last heartbeat is recent."""
        return now - self.heartbeat_at <= DEAD_AFTER


def save_heartbeat(session: Session, worker: WorkerProcess) -> None:
    """Insert or replace the row of a worker."""
    insert = get_insert(session.get_bind().dialect.name)
    columns = [column.name for column in WorkerProcess.__table__.columns]
    statement = insert(WorkerProcess).values({name: getattr(worker, name) for name in columns})
    changed = {name: getattr(statement.excluded, name) for name in ("heartbeat_at", "stuck")}
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))


def remove_worker(session: Session, worker_id: str) -> None:
    """Remove a worker that has ended in good order."""
    session.execute(delete(WorkerProcess).where(WorkerProcess.id == worker_id))


def purge_dead_workers(session: Session, now: datetime) -> None:
    """Remove the workers that died long ago."""
    session.execute(delete(WorkerProcess).where(WorkerProcess.heartbeat_at < now - SHOWN_FOR))


def list_workers(session: Session) -> Sequence[WorkerProcess]:
    """Return the workers that live and those that died lately, the newest first."""
    return session.scalars(select(WorkerProcess).order_by(WorkerProcess.started_at.desc(), WorkerProcess.id)).all()
