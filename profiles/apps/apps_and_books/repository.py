"""All SQL of content tokens and of the comparison with Apps and Books."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from cartable.scope import Actor
from enrollment.places.models import School, Town
from enrollment.tablets.models import Tablet, TabletState
from profiles.apps.models import App, Licence, LicencePool, LicenceState, LicenceToken, LicenceTokenSchool


@dataclass(frozen=True, slots=True)
class DueAssignments:
    """What the service must assign and take back: serial numbers by store number."""

    to_assign: dict[int, list[str]]
    to_return: dict[int, list[str]]


@dataclass(frozen=True, slots=True)
class LicensedTablet:
    """A tablet of the town that an account has given a licence to."""

    id: UUID
    serial: str
    state: TabletState


class AppsAndBooksRepository:
    """Reads and writes content tokens with their schools, and licences by serial number."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find_token(self, actor: Actor, token_id: UUID) -> LicenceToken | None:
        statement = actor.restrict(select(LicenceToken).where(LicenceToken.id == token_id), LicenceToken)
        return self.session.scalar(statement.execution_options(populate_existing=True))

    def get_token(self, token_id: UUID) -> LicenceToken | None:
        return self.session.get(LicenceToken, token_id)

    def list_token_ends(self) -> list[tuple[UUID, datetime]]:
        """Return the town of each content token, and when the token ends."""
        rows = self.session.execute(select(LicenceToken.town_id, LicenceToken.expires).order_by(LicenceToken.town_id))
        return [(row[0], row[1]) for row in rows]

    def lock_token(self, token_id: UUID) -> LicenceToken | None:
        """Return a token, locked until the end of the transaction."""
        statement = select(LicenceToken).where(LicenceToken.id == token_id).with_for_update()
        return self.session.scalar(statement.execution_options(populate_existing=True))

    def list_tokens(self, town_id: UUID) -> Sequence[LicenceToken]:
        """Return the content tokens of a town, that of all schools first, the others by account."""
        statement = select(LicenceToken).where(LicenceToken.town_id == town_id)
        return self.session.scalars(
            statement.order_by(LicenceToken.is_town_wide.desc(), LicenceToken.location, LicenceToken.id)
        ).all()

    def list_all_token_ids(self) -> list[UUID]:
        return list(self.session.scalars(select(LicenceToken.id).order_by(LicenceToken.id)))

    def list_other_accounts(self, token: LicenceToken) -> set[str]:
        """Return the accounts of the town's other tokens."""
        rows = self.session.scalars(
            select(LicenceToken.location_uid).where(
                LicenceToken.town_id == token.town_id, LicenceToken.id != token.id, LicenceToken.location_uid.is_not(None)
            )
        )
        return {uid for uid in rows if uid is not None}

    def get_town_name(self, town_id: UUID) -> str:
        return self.session.get_one(Town, town_id).name

    def list_schools(self, token_ids: Collection[UUID]) -> dict[UUID, list[School]]:
        """Return the schools of each token, by name."""
        rows = self.session.execute(
            select(LicenceTokenSchool.token_id, School)
            .join(School, School.id == LicenceTokenSchool.school_id)
            .where(LicenceTokenSchool.token_id.in_(token_ids))
            .order_by(School.name, School.id)
        )
        schools: dict[UUID, list[School]] = {}
        for token_id, school in rows:
            schools.setdefault(token_id, []).append(school)
        return schools

    def list_town_schools(self, town_id: UUID, school_ids: Collection[UUID]) -> Sequence[School]:
        """Return those of these schools that are in a town."""
        return self.session.scalars(
            select(School).where(School.town_id == town_id, School.id.in_(school_ids)).order_by(School.name, School.id)
        ).all()

    def replace_schools(self, token: LicenceToken, school_ids: Collection[UUID]) -> None:
        """Let a token serve these schools and no others."""
        self.session.execute(delete(LicenceTokenSchool).where(LicenceTokenSchool.token_id == token.id))
        self.session.add_all(
            LicenceTokenSchool(school_id=school_id, token_id=token.id, town_id=token.town_id) for school_id in sorted(school_ids)
        )
        self.session.flush()

    def get_due_assignments(self, token_id: UUID) -> DueAssignments:
        """Return what was reserved and not given yet, and what was released and not taken back yet."""
        rows = self.session.execute(
            select(App.app_store_id, Tablet.serial, Licence.state)
            .join(LicencePool, LicencePool.id == Licence.pool_id)
            .join(App, App.id == LicencePool.app_id)
            .join(Tablet, Tablet.id == Licence.tablet_id)
            .where(
                LicencePool.token_id == token_id,
                Licence.returned.is_(False),
                Licence.state.in_((LicenceState.RESERVED, LicenceState.IN_GRACE)),
                App.app_store_id.is_not(None),
            )
            .order_by(App.app_store_id, Tablet.serial)
        )
        due = DueAssignments({}, {})
        for adam_id, serial, state in rows:
            assert adam_id is not None
            side = due.to_assign if state is LicenceState.RESERVED else due.to_return
            side.setdefault(adam_id, []).append(serial)
        return due

    def count_given(self, token_id: UUID) -> dict[int, int]:
        """Return how many licences of each app should be given at Apple, by store number, those held elsewhere included."""
        pools = self.session.execute(
            select(App.app_store_id, LicencePool.held_elsewhere)
            .join(App, App.id == LicencePool.app_id)
            .where(LicencePool.token_id == token_id, App.app_store_id.is_not(None))
        )
        counts = {adam_id: held for adam_id, held in pools if adam_id is not None}
        rows = self.session.execute(
            select(App.app_store_id, func.count())
            .join(LicencePool, LicencePool.app_id == App.id)
            .join(Licence, Licence.pool_id == LicencePool.id)
            .where(
                LicencePool.token_id == token_id,
                (Licence.state == LicenceState.ASSIGNED)
                | ((Licence.state == LicenceState.IN_GRACE) & Licence.returned.is_(False)),
            )
            .group_by(App.app_store_id)
        )
        for adam_id, assigned in rows:
            if adam_id is not None:
                counts[adam_id] = counts.get(adam_id, 0) + assigned
        return counts

    def get_apps_by_store_id(self, town_id: UUID) -> dict[int, UUID]:
        """Return the town's apps by their store number."""
        rows = self.session.execute(
            select(App.app_store_id, App.id).where(App.town_id == town_id, App.app_store_id.is_not(None)).order_by(App.id)
        )
        return {adam_id: app_id for adam_id, app_id in rows if adam_id is not None}

    def lock_pools(self, token_id: UUID) -> dict[UUID, LicencePool]:
        """Return the pools of an account by app, locked until the end of the transaction."""
        statement = select(LicencePool).where(LicencePool.token_id == token_id).order_by(LicencePool.app_id, LicencePool.id)
        rows = self.session.scalars(statement.with_for_update().execution_options(populate_existing=True))
        return {row.app_id: row for row in rows}

    def lock_licences(
        self, token_id: UUID, tablet_ids: Collection[UUID], pool_ids: Collection[UUID]
    ) -> dict[UUID, dict[UUID, Licence]]:
        """Return licences of an account by pool and tablet, locked until the commit: those of these tablets, and all of these pools."""
        rows = self.session.scalars(
            select(Licence)
            .join(LicencePool, LicencePool.id == Licence.pool_id)
            .where(LicencePool.token_id == token_id, Licence.tablet_id.in_(tablet_ids) | Licence.pool_id.in_(pool_ids))
            .order_by(Licence.pool_id, Licence.tablet_id)
            .with_for_update(of=Licence)
            .execution_options(populate_existing=True)
        )
        licences: dict[UUID, dict[UUID, Licence]] = {}
        for row in rows:
            licences.setdefault(row.pool_id, {})[row.tablet_id] = row
        return licences

    def find_tablets(self, town_id: UUID, serials: Collection[str]) -> dict[str, LicensedTablet]:
        """Return the tablets of a town that have these serial numbers."""
        chosen = sorted(serials)
        tablets: dict[str, LicensedTablet] = {}
        for start in range(0, len(chosen), 5000):
            rows = self.session.execute(
                select(Tablet.id, Tablet.serial, Tablet.state).where(
                    Tablet.town_id == town_id, Tablet.serial.in_(chosen[start : start + 5000])
                )
            )
            tablets |= {serial: LicensedTablet(tablet_id, serial, state) for tablet_id, serial, state in rows}
        return tablets

    def select_tablets(self, tablet_ids: Sequence[UUID]) -> Select[UUID]:
        """Return the statement for these tablets."""
        return select(Tablet.id).where(Tablet.id.in_(tablet_ids))
