"""The lease of an ADE server: one worker synchronises it at a time. It is stored in the database and extended by each unit of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from cartable.ids import new_id
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining.ade.models import AdeServer
from enrollment.joining.ade.repository import AdeRepository

#: Longer than the longest request with its retry; after a crash another worker waits this long.
LEASE_DURATION = timedelta(minutes=5)


class LeaseLost(Exception):
    """Another worker has the lease of this server."""


@dataclass(slots=True)
class SyncLease:
    """The exclusive right to synchronise a server. No transaction is open during a request."""

    runtime: Runtime
    server_id: UUID
    holder: UUID = field(default_factory=new_id)

    @contextmanager
    def open_unit_of_work(self) -> Iterator[UnitOfWork]:
        """Open a unit of work that first acquires or extends the lease. Raises `LeaseLost`."""
        with self.runtime.open_unit_of_work() as work:
            if not AdeRepository(work.session).acquire_lease(self.server_id, self.holder, work.now, LEASE_DURATION):
                raise LeaseLost
            yield work

    def get_server(self, work: UnitOfWork) -> AdeServer:
        """Return the server, whose row this unit of work has locked."""
        return work.session.get_one(AdeServer, self.server_id)

    def release(self) -> None:
        """Give the lease back."""
        with self.runtime.open_unit_of_work() as work:
            AdeRepository(work.session).release_lease(self.server_id, self.holder)
