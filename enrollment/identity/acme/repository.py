"""All SQL of ACME accounts, orders and nonces."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cartable.database import get_insert
from enrollment.identity.acme.models import AcmeAccount, AcmeNonce, AcmeOrder
from enrollment.identity.models import DeviceCertificate


class AcmeRepository:
    """Reads and writes accounts, orders and used nonces."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def _insert(self, model: Any) -> Any:
        insert = get_insert(self.session.get_bind().dialect.name)
        return insert(model)

    def record_nonce(self, nonce: str, expires_at: datetime) -> bool:
        """Store a nonce as used; return False when it was used before. Of two concurrent calls exactly one returns True."""
        statement = self._insert(AcmeNonce).values(value=nonce, expires_at=expires_at).on_conflict_do_nothing()
        return len(self.session.execute(statement.returning(AcmeNonce.value)).all()) == 1

    def get_account(self, account_id: UUID) -> AcmeAccount | None:
        """Return an account, locked against deletion until the end of the transaction."""
        return self.session.get(AcmeAccount, account_id, with_for_update={"read": True})

    def get_account_by_key(self, thumbprint: str) -> AcmeAccount | None:
        return self.session.scalar(select(AcmeAccount).where(AcmeAccount.thumbprint == thumbprint))

    def create_account(self, account: AcmeAccount) -> bool:
        """Insert an account unless its key has one; return whether it was inserted. Of two concurrent calls exactly one returns True."""
        values = {"id": account.id, "thumbprint": account.thumbprint, "jwk": account.jwk, "created_at": account.created_at}
        statement = self._insert(AcmeAccount).values(**values).on_conflict_do_nothing()
        return len(self.session.execute(statement.returning(AcmeAccount.id)).all()) == 1

    def get_order_for_update(self, account_id: UUID, order_id: UUID) -> AcmeOrder | None:
        """Return an order of the account, locked until the end of the transaction."""
        return self.session.scalar(
            select(AcmeOrder).where(AcmeOrder.id == order_id, AcmeOrder.account_id == account_id).with_for_update()
        )

    def list_order_ids(self, account_id: UUID, limit: int) -> Sequence[UUID]:
        """Return the ids of the account's newest orders, the newest first."""
        return self.session.scalars(
            select(AcmeOrder.id).where(AcmeOrder.account_id == account_id).order_by(AcmeOrder.id.desc()).limit(limit)
        ).all()

    def count_orders(self, challenge_id: UUID) -> int:
        """Return the number of orders with one client identifier."""
        return self.session.scalar(select(func.count()).where(AcmeOrder.challenge_id == challenge_id)) or 0

    def is_ordered_by(self, certificate_id: UUID, account_id: UUID) -> bool:
        """Return whether the account has ordered this certificate."""
        orders = select(AcmeOrder.id).where(AcmeOrder.certificate_id == certificate_id, AcmeOrder.account_id == account_id)
        return self.session.scalar(orders.limit(1)) is not None

    def get_certificate(self, account_id: UUID, certificate_id: UUID) -> DeviceCertificate | None:
        """Return a certificate if the account has ordered it."""
        if not self.is_ordered_by(certificate_id, account_id):
            return None
        return self.session.get(DeviceCertificate, certificate_id)

    def delete_expired(self, now: datetime, orders_before: datetime, accounts_before: datetime) -> None:
        """Delete expired nonces, orders that expired before an instant, and older accounts without orders."""
        self.session.execute(delete(AcmeNonce).where(AcmeNonce.expires_at <= now))
        self.session.execute(delete(AcmeOrder).where(AcmeOrder.expires_at <= orders_before))
        has_orders = select(AcmeOrder.id).where(AcmeOrder.account_id == AcmeAccount.id).exists()
        self.session.execute(delete(AcmeAccount).where(AcmeAccount.created_at <= accounts_before, ~has_orders))
