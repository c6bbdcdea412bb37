"""One talk with the service at a time for each server: a lease in the database, kept with every transaction of the talk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from cartable.ids import new_id
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining.ade.models import AssignmentServer
from enrollment.joining.ade.repository import AssignmentRepository

#: Longer than the longest request with its repetition; a worker that died gives the server free after it.
LEASE = timedelta(minutes=5)


class Overtaken(Exception):
    """Another worker talks for this server."""


@dataclass(slots=True)
class Talk:
    """The right to talk for a server. No transaction is open while the network is used."""

    runtime: Runtime
    server_id: UUID
    holder: UUID = field(default_factory=new_id)

    @contextmanager
    def work(self) -> Iterator[UnitOfWork]:
        """A unit of work that first makes sure that the talk is still ours. Raises `Overtaken`."""
        with self.runtime.open_unit_of_work() as work:
            if not AssignmentRepository(work.session).hold(self.server_id, self.holder, work.now, LEASE):
                raise Overtaken
            yield work

    def server(self, work: UnitOfWork) -> AssignmentServer:
        """The server, locked by this unit of work."""
        return work.session.get_one(AssignmentServer, self.server_id)

    def end(self) -> None:
        """Let others talk."""
        with self.runtime.open_unit_of_work() as work:
            AssignmentRepository(work.session).release(self.server_id, self.holder)
