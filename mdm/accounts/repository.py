"""All SQL of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, func, or_, select
from sqlalchemy.orm import Session

from enrollment.places.models import Town
from mdm.accounts.models import Account, AccountGrant, Mission


class AccountRepository:
    """Reads and writes accounts and their grants."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def by_login(self, login: str, *, lock: bool = False) -> Account | None:
        statement = select(Account).where(Account.login == login)
        return self.session.scalar(statement.with_for_update() if lock else statement)

    def get(self, account_id: UUID) -> Account | None:
        return self.session.get(Account, account_id)

    def grants(self, account_id: UUID, now: datetime) -> Sequence[AccountGrant]:
        """Grants that hold at this instant."""
        return self.session.scalars(
            select(AccountGrant)
            .where(AccountGrant.account_id == account_id, or_(AccountGrant.ends_at.is_(None), AccountGrant.ends_at > now))
            .order_by(AccountGrant.id)
        ).all()

    def of_town(self, town_id: UUID, now: datetime) -> Sequence[Account]:
        """Accounts with a role in a town at this instant."""
        holds = or_(AccountGrant.ends_at.is_(None), AccountGrant.ends_at > now)
        return self.session.scalars(
            select(Account)
            .where(Account.id.in_(select(AccountGrant.account_id).where(AccountGrant.town_id == town_id, holds)))
            .order_by(Account.login, Account.id)
        ).all()

    def missions_around(self, account_id: UUID, day: date) -> Sequence[Row[Mission, str]]:
        """Missions of a person that may hold on a day somewhere on earth, each with the time zone of its town."""
        near = timedelta(days=1)
        return self.session.execute(
            select(Mission, Town.time_zone)
            .join(Town, Town.id == Mission.town_id)
            .where(Mission.account_id == account_id, Mission.ended_at.is_(None))
            .where(Mission.first_day <= day + near, Mission.last_day >= day - near)
            .order_by(Mission.id)
        ).all()

    def missions_of_town(self, town_id: UUID, since: date) -> Sequence[Row[Mission, Account]]:
        """Missions in a town that were not over on a day, with whom they send."""
        return self.session.execute(
            select(Mission, Account)
            .join(Account, Account.id == Mission.account_id)
            .where(Mission.town_id == town_id, Mission.last_day >= since, Mission.ended_at.is_(None))
            .order_by(Mission.first_day, Mission.id)
        ).all()

    def mission(self, mission_id: UUID) -> Mission | None:
        return self.session.get(Mission, mission_id)

    def count(self) -> int:
        return self.session.scalar(select(func.count()).select_from(Account)) or 0
