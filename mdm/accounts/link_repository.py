"""All SQL of the links by which people choose a password."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, delete, select, update
from sqlalchemy.orm import Session

from mdm.accounts.models import Account, AccountLink


class LinkRepository:
    """Reads and changes links of accounts."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_by_token(self, token_hash: str) -> Row[AccountLink, Account] | None:
        statement = select(AccountLink, Account).join(Account, Account.id == AccountLink.account_id)
        return self.session.execute(statement.where(AccountLink.token_hash == token_hash)).one_or_none()

    def mark_used(self, link_id: UUID, now: datetime) -> bool:
        """Mark a link as used and return True; False when it was used or replaced meanwhile."""
        is_open = (AccountLink.id == link_id) & AccountLink.used_at.is_(None) & AccountLink.replaced_at.is_(None)
        statement = update(AccountLink).where(is_open).values(used_at=now, mail_url=None).returning(AccountLink.id)
        return self.session.scalar(statement) is not None

    def replace_open_links(self, account_id: UUID, now: datetime) -> None:
        """Void the links of an account that were not used."""
        is_open = (AccountLink.account_id == account_id) & AccountLink.used_at.is_(None) & AccountLink.replaced_at.is_(None)
        self.session.execute(update(AccountLink).where(is_open).values(replaced_at=now, mail_url=None))

    def list_open_links(self, account_ids: Collection[UUID], now: datetime) -> Sequence[AccountLink]:
        """List the links of accounts that can be used at this instant."""
        statement = select(AccountLink).where(AccountLink.account_id.in_(account_ids), AccountLink.expires_at > now)
        return self.session.scalars(
            statement.where(AccountLink.used_at.is_(None), AccountLink.replaced_at.is_(None)).order_by(AccountLink.id)
        ).all()

    def delete_expired_before(self, instant: datetime) -> None:
        self.session.execute(delete(AccountLink).where(AccountLink.expires_at < instant))
