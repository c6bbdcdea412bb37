"""All SQL of releases: lists that came by themselves, and the contents that wait or are on trial."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from cartable.ids import new_id
from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor
from profiles.filters.blocks import CategoryContent
from profiles.filters.models import ListRelease, ReleaseStatus, StagedCategory

OPEN = (ReleaseStatus.WAITING, ReleaseStatus.TRIAL)
#: Releases that one run deletes.
_ROWS_PER_RUN = 100


class ReleaseRepository:
    """Reads and writes releases."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def add(self, row: ListRelease, staged: Collection[CategoryContent]) -> None:
        """Store a release and the contents of its categories that wait."""
        self.session.add(row)
        self.session.flush()
        values = [
            {"id": new_id(), "town_id": row.town_id, "release_id": row.id, "name": each.name, "white": each.white,
             "hosts": each.hosts, "content_sha256": each.content_sha256}
            for each in staged
        ]  # fmt: skip
        if values:
            self.session.execute(insert(StagedCategory), values)

    def list_releases(self, town_id: UUID, page: PageRequest) -> Page[ListRelease]:
        """Return one page of the releases of a town, the newest first."""
        statement = select(ListRelease).where(ListRelease.town_id == town_id)
        return fetch_scalar_page(self.session, statement, page, ListRelease.arrived_at, ListRelease.id, descending=True)

    def find_release(self, actor: Actor, release_id: UUID) -> ListRelease | None:
        """Return a release that the actor may see."""
        return self.session.scalar(actor.restrict(select(ListRelease).where(ListRelease.id == release_id), ListRelease))

    def find_open(self, town_id: UUID) -> ListRelease | None:
        """Return the release of a town that waits or is on trial."""
        statement = select(ListRelease).where(ListRelease.town_id == town_id, ListRelease.status.in_(OPEN))
        return self.session.scalar(statement.execution_options(populate_existing=True))

    def list_ended_trials(self, now: datetime) -> Sequence[ListRelease]:
        """Return the releases of all towns whose trial is over."""
        is_over = (ListRelease.status == ReleaseStatus.TRIAL) & (ListRelease.trial_until <= now)
        return self.session.scalars(select(ListRelease).where(is_over).order_by(ListRelease.id)).all()

    def list_staged(self, release_id: UUID) -> list[CategoryContent]:
        """Return the contents of a release."""
        rows = self.session.scalars(select(StagedCategory).where(StagedCategory.release_id == release_id))
        return [CategoryContent(row.name, row.white, row.hosts, row.content_sha256) for row in rows]

    def delete_staged(self, release_id: UUID) -> None:
        """Let the contents of a release go."""
        self.session.execute(delete(StagedCategory).where(StagedCategory.release_id == release_id))

    def delete_old(self, before: datetime) -> int:
        """Delete releases that were decided before an instant, and return how many."""
        due = select(ListRelease.id).where(ListRelease.decided_at < before, ListRelease.status.not_in(OPEN)).limit(_ROWS_PER_RUN)
        ids = list(self.session.scalars(due))
        self.session.execute(delete(ListRelease).where(ListRelease.id.in_(ids)))
        return len(ids)
