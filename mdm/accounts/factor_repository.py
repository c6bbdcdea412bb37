"""All SQL of second factors: TOTP, passkeys, recovery codes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from enrollment.places.models import Town
from mdm.accounts.models import Account, Passkey, RecoveryCode, TotpFactor


def has_second_factor() -> ColumnElement[bool]:
    """Return the SQL condition that an account has a second factor that counts."""
    has_totp = exists().where(TotpFactor.account_id == Account.id, TotpFactor.confirmed_at.is_not(None))
    return or_(has_totp, exists().where(Passkey.account_id == Account.id))


class FactorRepository:
    """Reads and changes the second factors of accounts."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_accounts_with_factor(self, account_ids: Collection[UUID]) -> set[UUID]:
        return set(self.session.scalars(select(Account.id).where(Account.id.in_(account_ids), has_second_factor())))

    def get_totp(self, account_id: UUID) -> TotpFactor | None:
        return self.session.get(TotpFactor, account_id)

    def accept_step(self, account_id: UUID, step: int) -> bool:
        """Note the step of a code as used and return True; False when it, or a later one, was used meanwhile."""
        is_later = (TotpFactor.account_id == account_id) & (TotpFactor.last_step < step)
        statement = update(TotpFactor).where(is_later).values(last_step=step).returning(TotpFactor.account_id)
        return self.session.scalar(statement) is not None

    def list_passkeys(self, account_id: UUID) -> Sequence[Passkey]:
        return self.session.scalars(select(Passkey).where(Passkey.account_id == account_id).order_by(Passkey.id)).all()

    def get_passkey(self, account_id: UUID, passkey_id: UUID) -> Passkey | None:
        return self.session.scalar(select(Passkey).where(Passkey.id == passkey_id, Passkey.account_id == account_id))

    def get_passkey_by_credential(self, credential_id: str) -> Passkey | None:
        return self.session.scalar(select(Passkey).where(Passkey.credential_id == credential_id))

    def use_recovery_code(self, account_id: UUID, code_hash: str, now: datetime) -> bool:
        """Mark a recovery code as used and return True; False when there is none, or it is used."""
        is_open = (RecoveryCode.account_id == account_id) & (RecoveryCode.code_hash == code_hash) & RecoveryCode.used_at.is_(None)
        return self.session.scalar(update(RecoveryCode).where(is_open).values(used_at=now).returning(RecoveryCode.id)) is not None

    def count_open_recovery_codes(self, account_id: UUID) -> int:
        statement = select(func.count()).where(RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None))
        return self.session.scalar(statement.select_from(RecoveryCode)) or 0

    def delete_recovery_codes(self, account_id: UUID) -> None:
        self.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))

    def delete_all(self, account_id: UUID) -> None:
        """Delete every second factor of an account, with its recovery codes."""
        for table in (TotpFactor, Passkey, RecoveryCode):
            self.session.execute(delete(table).where(table.account_id == account_id))

    def has_real_town(self, town_ids: Collection[UUID] | None) -> bool:
        """Return whether one of these towns, or of all towns, is no demonstration."""
        condition = ~Town.is_demonstration
        if town_ids is not None:
            condition &= Town.id.in_(town_ids)
        return bool(self.session.scalar(select(exists().where(condition))))
