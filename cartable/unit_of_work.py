"""The unit of work: one transaction per request or task. Only endpoints and tasks open and commit it, never services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Select, text
from sqlalchemy.orm import Session

from cartable import outbox
from cartable.clock import Clock
from cartable.crypto import Keyring
from cartable.outbox import JobLane, Topic
from cartable.read_replica import ReadReplica
from cartable.settings import Settings


@dataclass(slots=True)
class UnitOfWork:
    """What a service receives: the session, the current instant, the settings. A service never commits it."""

    session: Session
    now: datetime
    settings: Settings
    keyring: Keyring
    topics_to_notify: set[Topic] = field(default_factory=set)
    #: Called with a unit of work of their own after this one, committed or rolled back: what must be stored although an act is refused.
    #: Of those with an equal key only the first is called.
    follow_ups: dict[str, Callable[[UnitOfWork], object]] = field(default_factory=dict)
    #: Called once, in order, when all else is done and just before the commit.
    before_commit: list[Callable[[UnitOfWork], None]] = field(default_factory=list)

    def enqueue_job(
        self, topic: Topic, *keys: object, not_before: datetime | None = None, lane: JobLane = JobLane.NORMAL
    ) -> None:
        """Add a job of `topic` for each key; the worker runs it after this unit of work is committed."""
        outbox.enqueue_jobs(self.session, self.now, topic, [str(key) for key in keys], not_before=not_before, lane=lane)
        self.topics_to_notify.add(topic)

    def enqueue_selected_jobs(self, topic: Topic, keys: Select[Any], *, lane: JobLane = JobLane.NORMAL) -> None:
        """Add a job of `topic` for each row of `keys`, a statement that selects one column of ids."""
        outbox.enqueue_selected_jobs(self.session, self.now, topic, keys, lane=lane)
        self.topics_to_notify.add(topic)


@dataclass(slots=True)
class Runtime:
    """What the composition root has assembled. Endpoints and tasks open units of work from it."""

    settings: Settings
    engine: Engine
    clock: Clock
    keyring: Keyring
    #: Called after a commit that added outbox rows. If the notification is lost, a worker finds the rows within a second.
    notify_worker: Callable[[Topic], None] = lambda _topic: None
    #: Where exports are read, if there is such a standby.
    replica: ReadReplica | None = None

    @contextmanager
    def open_unit_of_work(self, engine: Engine | None = None) -> Iterator[UnitOfWork]:
        """Open a unit of work: commit on return, roll back on any exception; after a commit, notify the worker.

        `engine` is another engine on the same database, for work that needs other connection settings.
        """
        with Session(engine or self.engine, expire_on_commit=False) as session:
            work = UnitOfWork(session, self.clock.now(), self.settings, self.keyring)
            try:
                with session.begin():
                    yield work
                    for complete in work.before_commit:
                        complete(work)
            finally:
                if work.follow_ups:
                    self._call_follow_ups(work, engine)
        for topic in work.topics_to_notify:
            self.notify_worker(topic)

    @contextmanager
    def open_reading(self, beside: UnitOfWork | None = None) -> Iterator[UnitOfWork]:
        """Open a unit of work that reads only, on the replica while that is recent, else on the database. Nothing of it is stored.

        For exports, which may be some seconds old. Without a recent replica the unit of work `beside`, which is open already, is the
        one to read: on SQLite a second one would wait for it.
        """
        is_on_replica = self.replica is not None and self.replica.is_recent()
        if beside is not None and not is_on_replica:
            yield beside
            return
        engine = self.replica.engine if self.replica is not None and is_on_replica else self.engine
        with Session(engine, expire_on_commit=False) as session:
            if engine.dialect.name == "postgresql":
                session.execute(text("SET TRANSACTION READ ONLY"))
            yield UnitOfWork(session, self.clock.now(), self.settings, self.keyring)
            session.rollback()

    def _call_follow_ups(self, work: UnitOfWork, engine: Engine | None) -> None:
        with self.open_unit_of_work(engine) as next_work:
            for call in work.follow_ups.values():
                call(next_work)
