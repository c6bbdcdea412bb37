"""From when on an account counts as one of two people: a day after it, a role, its password or a second factor is new, or once
somebody vouches for it.

Without this, whoever holds one session of an administrator makes the second person. Never commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from cartable import audit
from cartable.errors import NotFound, SamePerson
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.accounts.models import Account, AccountRole
from mdm.accounts.repository import AccountRepository

#: How long an account, a role, a password or a second factor is new.
NEW_FOR = timedelta(days=1)


def compute_trusted_from(account: Account, roles: Sequence[AccountRole], now: datetime) -> datetime | None:
    """Return from when on an account counts as one of two people; None: already now."""
    changed_at = _get_last_change(account, roles)
    if account.confirmed_at is not None and account.confirmed_at >= changed_at:
        return None
    trusted_from = changed_at + NEW_FOR
    return trusted_from if trusted_from > now else None


def confirm_account(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> Account:
    """Vouch for an account of the town as it is now, and return it: it counts as one of two people at once.

    Raises `NotFound`, `Forbidden`, `NotTrustedYet`, `ReauthenticationRequired`, and `SamePerson` for the own account, and for one that the
    actor has created or given a role.
    """
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_trust(work.now)
    actor.require_reauthentication()
    repository = AccountRepository(work.session)
    account = repository.get(account_id)
    roles = repository.list_roles(account_id, work.now)
    if account is None or all(role.town_id != town_id for role in roles):
        raise NotFound
    if actor.account_id in {account.id, account.created_by, *(role.granted_by for role in roles)}:
        raise SamePerson
    audit.record_event(work, actor, "account.confirm", "account", account.id, town_id=town_id)
    account.confirmed_by, account.confirmed_at = actor.account_id, work.now
    return account


def _get_last_change(account: Account, roles: Sequence[AccountRole]) -> datetime:
    changes = (
        account.created_at, account.enabled_at, account.password_changed_at, account.factors_changed_at, *(role.granted_at for role in roles),
    )  # fmt: skip
    return max(instant for instant in changes if instant is not None)
