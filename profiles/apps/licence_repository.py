"""All SQL of licences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from enrollment.tablets.models import Tablet
from profiles.apps.licence_rules import ServingTokens
from profiles.apps.models import Licence, LicencePool, LicenceState, LicenceToken, LicenceTokenSchool

IN_USE = (LicenceState.RESERVED, LicenceState.ASSIGNED)


class LicenceRepository:
    """Reads and writes pools and licences."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_pools(self, app_ids: Sequence[UUID]) -> Sequence[LicencePool]:
        """Return the pools of these apps, in a fixed order."""
        statement = select(LicencePool).where(LicencePool.app_id.in_(app_ids))
        return self.session.scalars(statement.order_by(LicencePool.app_id, LicencePool.id)).all()

    def lock_pools(self, app_id: UUID) -> Sequence[LicencePool]:
        """Return the pools of an app, locked until the end of the transaction."""
        statement = select(LicencePool).where(LicencePool.app_id == app_id).order_by(LicencePool.id)
        return self.session.scalars(statement.with_for_update().execution_options(populate_existing=True)).all()

    def list_licences(self, pool_ids: Collection[UUID], tablet_ids: Collection[UUID]) -> Sequence[Licence]:
        """Return the licences of these pools for these tablets."""
        return self.session.scalars(
            select(Licence)
            .where(Licence.pool_id.in_(pool_ids), Licence.tablet_id.in_(tablet_ids))
            .order_by(Licence.tablet_id, Licence.pool_id)
        ).all()

    def list_licences_of_app(self, app_id: UUID, tablet_id: UUID) -> Sequence[tuple[Licence, LicencePool]]:
        """Return the licences of an app that a tablet has, each with its pool."""
        rows = self.session.execute(
            select(Licence, LicencePool)
            .join(LicencePool, LicencePool.id == Licence.pool_id)
            .where(LicencePool.app_id == app_id, Licence.tablet_id == tablet_id)
            .order_by(Licence.pool_id)
        )
        return [(licence, pool) for licence, pool in rows]

    def count_in_use(self, pool_ids: Collection[UUID]) -> dict[UUID, int]:
        """Return how many licences of each pool are reserved or assigned."""
        rows = self.session.execute(
            select(Licence.pool_id, func.count())
            .where(Licence.pool_id.in_(pool_ids), Licence.state.in_(IN_USE))
            .group_by(Licence.pool_id)
        )
        return {row[0]: row[1] for row in rows}

    def list_in_use_by_tablets(self, tablet_ids: Collection[UUID]) -> Sequence[tuple[Licence, LicencePool]]:
        """Return every licence that these tablets have, with its pool."""
        rows = self.session.execute(
            select(Licence, LicencePool)
            .join(LicencePool, LicencePool.id == Licence.pool_id)
            .where(Licence.tablet_id.in_(tablet_ids), Licence.state.in_(IN_USE))
            .order_by(Licence.tablet_id, Licence.pool_id)
        )
        return [(licence, pool) for licence, pool in rows]

    def count_by_state(self, pool_ids: Collection[UUID], now: datetime) -> dict[UUID, dict[LicenceState, int]]:
        """Return how many licences of each pool are in each state; grace that is over is not counted."""
        rows = self.session.execute(
            select(Licence.pool_id, Licence.state, func.count())
            .where(Licence.pool_id.in_(pool_ids), (Licence.until.is_(None)) | (Licence.until > now))
            .group_by(Licence.pool_id, Licence.state)
        )
        counts: dict[UUID, dict[LicenceState, int]] = {}
        for pool_id, state, count in rows:
            counts.setdefault(pool_id, {})[state] = count
        return counts

    def count_tablets_by_school(self, tablets: Select[UUID]) -> dict[UUID | None, int]:
        """Return how many of these tablets each school has."""
        chosen = tablets.subquery()
        key = next(iter(chosen.c))
        rows = self.session.execute(
            select(Tablet.school_id, func.count()).join(chosen, key == Tablet.id).group_by(Tablet.school_id)
        )
        return {row[0]: row[1] for row in rows}

    def count_licensed_by_school(self, app_ids: Collection[UUID], tablets: Select[UUID]) -> dict[tuple[UUID, UUID | None], int]:
        """Return how many of these tablets have a licence, by app and school."""
        chosen = tablets.subquery()
        key = next(iter(chosen.c))
        rows = self.session.execute(
            select(LicencePool.app_id, Tablet.school_id, func.count(func.distinct(Licence.tablet_id)))
            .join(Licence, Licence.pool_id == LicencePool.id)
            .join(Tablet, Tablet.id == Licence.tablet_id)
            .join(chosen, key == Tablet.id)
            .where(LicencePool.app_id.in_(app_ids), Licence.state.in_(IN_USE))
            .group_by(LicencePool.app_id, Tablet.school_id)
        )
        return {(row[0], row[1]): row[2] for row in rows}

    def get_schools(self, tablet_ids: Collection[UUID]) -> dict[UUID, UUID | None]:
        """Return the school of each of these tablets."""
        rows = self.session.execute(select(Tablet.id, Tablet.school_id).where(Tablet.id.in_(tablet_ids)))
        return {row[0]: row[1] for row in rows}

    def get_locations(self, town_id: UUID) -> dict[UUID, str]:
        """Return the names of the accounts that a town has content tokens for."""
        rows = self.session.execute(select(LicenceToken.id, LicenceToken.location).where(LicenceToken.town_id == town_id))
        return {row[0]: row[1] for row in rows}

    def request_comparison(self, token_id: UUID) -> None:
        """Let the next synchronisation of an account list who has each licence."""
        self.session.execute(update(LicenceToken).where(LicenceToken.id == token_id).values(compared_at=None))

    def load_serving_tokens(self, town_ids: Collection[UUID]) -> Mapping[UUID, ServingTokens]:
        """Return, by town, the content tokens whose licences have been read at least once."""
        rows = self.session.execute(
            select(LicenceToken.town_id, LicenceToken.id, LicenceToken.is_town_wide, LicenceTokenSchool.school_id)
            .outerjoin(LicenceTokenSchool, LicenceTokenSchool.token_id == LicenceToken.id)
            .where(LicenceToken.town_id.in_(town_ids), LicenceToken.read_at.is_not(None))
        )
        town_wide: dict[UUID, UUID] = {}
        by_school: dict[UUID, dict[UUID, UUID]] = {}
        for town_id, token_id, is_town_wide, school_id in rows:
            if is_town_wide:
                town_wide[town_id] = token_id
            elif school_id is not None:
                by_school.setdefault(town_id, {})[school_id] = token_id
        return {town_id: ServingTokens(town_wide.get(town_id), by_school.get(town_id, {})) for town_id in town_ids}
