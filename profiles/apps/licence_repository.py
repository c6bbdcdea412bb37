"""All SQL of licences."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from profiles.apps.models import Licence, LicencePool, LicenceState, LicenceToken

IN_USE = (LicenceState.RESERVED, LicenceState.ASSIGNED)


class LicenceRepository:
    """Reads and writes pools and licences."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_pools(self, app_ids: Sequence[UUID]) -> dict[UUID, LicencePool]:
        rows = self.session.scalars(select(LicencePool).where(LicencePool.app_id.in_(app_ids)))
        return {row.app_id: row for row in rows}

    def lock_pool(self, app_id: UUID) -> LicencePool | None:
        """The pool of an app, held until the end of the transaction."""
        return self.session.scalar(select(LicencePool).where(LicencePool.app_id == app_id).with_for_update())

    def get_licences(self, app_id: UUID, tablet_ids: Sequence[UUID]) -> dict[UUID, Licence]:
        rows = self.session.scalars(select(Licence).where(Licence.app_id == app_id, Licence.tablet_id.in_(tablet_ids)))
        return {row.tablet_id: row for row in rows}

    def count_in_use(self, app_ids: Sequence[UUID]) -> dict[UUID, int]:
        """How many licences of each app are reserved or assigned."""
        rows = self.session.execute(
            select(Licence.app_id, func.count())
            .where(Licence.app_id.in_(app_ids), Licence.state.in_(IN_USE))
            .group_by(Licence.app_id)
        )
        return {row[0]: row[1] for row in rows}

    def list_in_use_by_tablets(self, tablet_ids: Collection[UUID]) -> Sequence[Licence]:
        """Every licence that these tablets hold."""
        return self.session.scalars(
            select(Licence)
            .where(Licence.tablet_id.in_(tablet_ids), Licence.state.in_(IN_USE))
            .order_by(Licence.tablet_id, Licence.app_id)
        ).all()

    def count_by_state(self, app_ids: Sequence[UUID], now: datetime) -> dict[UUID, dict[LicenceState, int]]:
        """How many licences of each app are in each state; grace that is over is not counted."""
        rows = self.session.execute(
            select(Licence.app_id, Licence.state, func.count())
            .where(Licence.app_id.in_(app_ids), (Licence.until.is_(None)) | (Licence.until > now))
            .group_by(Licence.app_id, Licence.state)
        )
        found: dict[UUID, dict[LicenceState, int]] = {}
        for app_id, state, count in rows:
            found.setdefault(app_id, {})[state] = count
        return found

    def count_without_licence(self, app_id: UUID, tablets: Select[UUID]) -> int:
        """How many of these tablets hold no licence of an app."""
        chosen = tablets.subquery()
        key = next(iter(chosen.c))
        holding = select(Licence.tablet_id).where(Licence.app_id == app_id, Licence.state.in_(IN_USE))
        return self.session.scalar(select(func.count()).select_from(chosen).where(key.not_in(holding))) or 0

    def has_token(self, town_id: UUID) -> bool:
        """Whether the town's licences come from Apps and Books."""
        return self.session.scalar(select(LicenceToken.id).where(LicenceToken.town_id == town_id)) is not None
