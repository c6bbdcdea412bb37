"""All SQL of the ACME server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from enrollment.identity.acme.models import AcmeAccount, AcmeNonce, AcmeOrder
from enrollment.identity.models import DeviceCertificate


class AcmeRepository:
    """Reads and writes accounts, orders and spent nonces."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def _insert(self, model: Any) -> Any:
        insert: Any = postgresql.insert if self.session.get_bind().dialect.name == "postgresql" else sqlite.insert
        return insert(model)

    def spend(self, nonce: str, expires_at: datetime) -> bool:
        """Note a nonce as used. Of two that try at once, exactly one is told True."""
        statement = self._insert(AcmeNonce).values(value=nonce, expires_at=expires_at).on_conflict_do_nothing()
        return len(self.session.execute(statement.returning(AcmeNonce.value)).all()) == 1

    def account(self, account_id: UUID) -> AcmeAccount | None:
        """An account, kept from the purge until the end of the transaction."""
        return self.session.get(AcmeAccount, account_id, with_for_update={"read": True})

    def account_by_key(self, thumbprint: str) -> AcmeAccount | None:
        return self.session.scalar(select(AcmeAccount).where(AcmeAccount.thumbprint == thumbprint))

    def introduce(self, account: AcmeAccount) -> bool:
        """Write an account unless its key has one. Of two that try at once, exactly one is told True."""
        values = {"id": account.id, "thumbprint": account.thumbprint, "jwk": account.jwk, "created_at": account.created_at}
        statement = self._insert(AcmeAccount).values(**values).on_conflict_do_nothing()
        return len(self.session.execute(statement.returning(AcmeAccount.id)).all()) == 1

    def order(self, account_id: UUID, order_id: UUID) -> AcmeOrder | None:
        """An order of the account, locked until the end of the transaction."""
        return self.session.scalar(
            select(AcmeOrder).where(AcmeOrder.id == order_id, AcmeOrder.account_id == account_id).with_for_update()
        )

    def orders_of(self, account_id: UUID, limit: int) -> Sequence[UUID]:
        """The account's newest orders, the newest first."""
        return self.session.scalars(
            select(AcmeOrder.id).where(AcmeOrder.account_id == account_id).order_by(AcmeOrder.id.desc()).limit(limit)
        ).all()

    def orders_for(self, challenge_id: UUID) -> int:
        """How many orders were made with one client identifier."""
        return self.session.scalar(select(func.count()).where(AcmeOrder.challenge_id == challenge_id)) or 0

    def ordered_by(self, certificate_id: UUID, account_id: UUID) -> bool:
        """Whether the account has had this certificate issued."""
        found = select(AcmeOrder.id).where(AcmeOrder.certificate_id == certificate_id, AcmeOrder.account_id == account_id)
        return self.session.scalar(found.limit(1)) is not None

    def certificate(self, account_id: UUID, certificate_id: UUID) -> DeviceCertificate | None:
        """A certificate that the account ordered."""
        if not self.ordered_by(certificate_id, account_id):
            return None
        return self.session.get(DeviceCertificate, certificate_id)

    def forget(self, now: datetime, orders_before: datetime, accounts_before: datetime) -> None:
        """Delete what is over: nonces past their time, orders that ended before, accounts without orders made before."""
        self.session.execute(delete(AcmeNonce).where(AcmeNonce.expires_at <= now))
        self.session.execute(delete(AcmeOrder).where(AcmeOrder.expires_at <= orders_before))
        ordering = select(AcmeOrder.id).where(AcmeOrder.account_id == AcmeAccount.id).exists()
        self.session.execute(delete(AcmeAccount).where(AcmeAccount.created_at <= accounts_before, ~ordering))
