"""The unit of work: one transaction per request or task, opened and committed by the edge alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, Select
from sqlalchemy.orm import Session

from cartable import outbox
from cartable.clock import Clock
from cartable.crypto import Keyring
from cartable.outbox import Topic
from cartable.settings import Settings


@dataclass(slots=True)
class UnitOfWork:
    """What a service receives: the session, the instant, the settings. It never commits."""

    session: Session
    now: datetime
    settings: Settings
    keyring: Keyring
    topics_to_notify: set[Topic] = field(default_factory=set)

    def enqueue_job(self, topic: Topic, *keys: object, not_before: datetime | None = None) -> None:
        """Ask the worker for `topic` on each key once this work has been committed."""
        outbox.enqueue_jobs(self.session, self.now, topic, [str(key) for key in keys], not_before=not_before)
        self.topics_to_notify.add(topic)

    def enqueue_selected_jobs(self, topic: Topic, keys: Select[UUID]) -> None:
        """Ask the worker for `topic` on each key that a statement selects, once this work has been committed."""
        outbox.enqueue_selected_jobs(self.session, self.now, topic, keys)
        self.topics_to_notify.add(topic)


@dataclass(slots=True)
class Runtime:
    """What the composition root has plugged together; edges hold it and open works from it."""

    settings: Settings
    engine: Engine
    clock: Clock
    keyring: Keyring
    #: Rung after a commit that left outbox rows; the worker's sweep covers a bell that was not heard.
    notify_worker: Callable[[Topic], None] = lambda _topic: None

    @contextmanager
    def open_unit_of_work(self, engine: Engine | None = None) -> Iterator[UnitOfWork]:
        """Open a unit of work: commit on return, roll back on any exception, then ring the bells.

        `engine`: another engine on the same database, for work whose connections are set up otherwise.
        """
        with Session(engine or self.engine, expire_on_commit=False) as session:
            work = UnitOfWork(session, self.clock.now(), self.settings, self.keyring)
            with session.begin():
                yield work
        for topic in work.topics_to_notify:
            self.notify_worker(topic)
