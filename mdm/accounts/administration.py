"""What administrators see and do with the accounts of their town: list, look at, switch off and on. Never commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cartable import audit
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import roles, second_factors, sessions
from mdm.accounts.errors import OwnAccount, UnknownLogin
from mdm.accounts.factor_repository import FactorRepository
from mdm.accounts.link_repository import LinkRepository
from mdm.accounts.models import Account, AccountLink, AccountRole
from mdm.accounts.repository import AccountRepository
from mdm.accounts.trust import compute_trusted_from


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """An account as the administrators of one town see it: its roles in that town, the link that waits to be used, its security."""

    account: Account
    roles: Sequence[AccountRole]
    link: AccountLink | None
    trusted_from: datetime | None
    has_second_factor: bool


def list_accounts(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE) -> Page[AccountSummary]:
    """List the accounts of a town, by name. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    rows = AccountRepository(work.session).list_by_town(town_id, work.now, page)
    return Page(_summarise(work, rows.items, town_id), rows.next_cursor)


def list_accounts_of_people(work: UnitOfWork, actor: Actor, town_id: UUID, addresses: Collection[str]) -> dict[str, Account]:
    """Return the accounts of a town that people with these mail addresses sign in with, by address; none to who does not govern it.

    It is for people who have left: their accounts go on until somebody switches them off.
    """
    if not addresses or not actor.has_permission(Permission.GOVERN, town_id):
        return {}
    accounts = AccountRepository(work.session).list_by_logins(town_id, addresses, work.now)
    return {account.login: account for account in accounts}


def find_account_by_login(work: UnitOfWork, actor: Actor, town_id: UUID, login: str) -> Account:
    """Return the account of a town that signs in by a login, also one that has no role there any more.

    Raises `UnknownLogin`, `Forbidden`. It is for the data protection officer, who must say what a misused account has read.
    """
    actor.require_permission(Permission.PRIVACY, town_id)
    account = AccountRepository(work.session).find_by_login_in_town(town_id, login.strip())
    if account is None:
        raise UnknownLogin(field="login")
    return account


def get_account(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> AccountSummary:
    """Return an account of a town. Raises `NotFound`, `Forbidden`."""
    return _summarise(work, [roles.require_account_of_town(work, actor, account_id, town_id)], town_id)[0]


def _summarise(work: UnitOfWork, accounts: Sequence[Account], town_id: UUID) -> list[AccountSummary]:
    ids = [account.id for account in accounts]
    roles_by_account: dict[UUID, list[AccountRole]] = defaultdict(list)
    for role in AccountRepository(work.session).list_roles_of_accounts(ids, work.now):
        roles_by_account[role.account_id].append(role)
    link_by_account = {link.account_id: link for link in LinkRepository(work.session).list_open_links(ids, work.now)}
    with_factor = FactorRepository(work.session).list_accounts_with_factor(ids)
    return [
        AccountSummary(
            account,
            [role for role in roles_by_account[account.id] if role.town_id == town_id],
            link_by_account.get(account.id),
            compute_trusted_from(account, roles_by_account[account.id], work.now),
            account.id in with_factor,
        )
        for account in accounts
    ]


def disable_account(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> Account:
    """Switch an account off: its sessions end, and nobody signs in with it. Its roles stay, for when it is switched on.

    Raises `NotFound`, `Forbidden`, `ReauthenticationRequired`, `OwnAccount`, `AccountBeyondOwnRights`.
    """
    account = _require_subordinate(work, actor, account_id, town_id)
    if account.active:
        audit.record_event(work, actor, "account.disable", "account", account.id, town_id=town_id)
        account.active = False
        sessions.end_all_sessions(work, account)
    return account


def enable_account(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> Account:
    """Switch an account on again. It counts as new: see `trust`. Raises as `disable_account` does."""
    account = _require_subordinate(work, actor, account_id, town_id)
    if not account.active:
        audit.record_event(work, actor, "account.enable", "account", account.id, town_id=town_id)
        account.active, account.enabled_at = True, work.now
    return account


def end_account_sessions(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> int:
    """End every session of an account of a town. Returns how many were open. Raises `NotFound`, `Forbidden`."""
    account = roles.require_account_of_town(work, actor, account_id, town_id)
    audit.record_event(work, actor, "account.end_sessions", "account", account.id, town_id=town_id)
    return sessions.end_all_sessions(work, account)


def reset_second_factors(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> Account:
    """Delete the second factors of an account whose owner has lost them. Its sessions end; it sets up new ones at the next sign-in.

    Raises as `disable_account` does.
    """
    account = _require_subordinate(work, actor, account_id, town_id)
    audit.record_event(work, actor, "account.reset_second_factors", "account", account.id, town_id=town_id)
    second_factors.delete_factors(work, account)
    sessions.end_all_sessions(work, account)
    return account


def _require_subordinate(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> Account:
    """Return an account of the town over which the actor has authority, and which is not the own."""
    account = roles.require_account_of_town(work, actor, account_id, town_id)
    actor.require_reauthentication()
    if account.id == actor.account_id:
        raise OwnAccount
    roles.lock_accounts(work, actor, town_id)
    work.session.refresh(account)
    roles.require_authority_over(work, actor, account)
    return account
