"""All SQL of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from mdm.accounts.models import Account, AccountGrant


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

    def count(self) -> int:
        return self.session.scalar(select(func.count()).select_from(Account)) or 0
