"""Services of accounts: create them, sign in, revoke roles, set passwords. Tokens and sessions are in `sessions`. Never commits."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import SYSTEM, Actor, Permission, Role
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School
from mdm.accounts import sessions, sign_in_limits
from mdm.accounts.errors import LoginTaken, OwnAccount, SamePassword, TooManyAttempts, WrongCredentials
from mdm.accounts.models import Account, AccountRole, AccountSession, SessionKind
from mdm.accounts.passwords import DUMMY_HASH, hash_password, verify_password
from mdm.accounts.repository import AccountRepository
from mdm.accounts.sign_in_limits import SignInClient

FIRST_LOGIN = "admin"
UNKNOWN_CLIENT = SignInClient()


def create_account(
    work: UnitOfWork,
    actor: Actor,
    *,
    login: str,
    display_name: str,
    password: str,
    role: Role,
    town_id: UUID,
    school_id: UUID | None = None,
    ends_at: datetime | None = None,
) -> Account:
    """Create an account with a role, whose password must be changed at the first sign-in. `ends_at` ends the role.

    Raises `LoginTaken`, `WeakPassword`, `NotFound` (school), `Invalid`, `Forbidden`, `ReauthenticationRequired`.
    """
    actor.require_permission(Permission.GOVERN, town_id, school_id)
    actor.require_reauthentication()
    _check_role(work, role, town_id, school_id, ends_at)
    login = login.strip().lower()
    if AccountRepository(work.session).get_by_login(login) is not None:
        raise LoginTaken
    account = Account(
        login=login,
        display_name=display_name,
        password_hash=hash_password(password),
        must_change_password=True,
        active=True,
        created_by=actor.account_id,
        created_at=work.now,
    )
    work.session.add(account)
    work.session.flush()
    work.session.add(
        AccountRole(
            account_id=account.id,
            role=role,
            town_id=town_id,
            school_id=school_id,
            ends_at=ends_at,
            granted_by=actor.account_id,
            granted_at=work.now,
        )
    )
    work.session.flush()
    audit.record_event(work, actor, "account.create", "account", account.id, town_id=town_id, role=role.value)
    return account


def create_shared_technician(work: UnitOfWork, login: str, display_name: str) -> str:
    """Create a technician without a town, whom towns call by missions. For the command line. Returns the one-time password.

    Raises `LoginTaken`.
    """
    login = login.strip().lower()
    if AccountRepository(work.session).get_by_login(login) is not None:
        raise LoginTaken
    password = secrets.token_urlsafe(12)
    account = Account(
        login=login,
        display_name=display_name,
        password_hash=hash_password(password),
        must_change_password=True,
        created_at=work.now,
    )
    work.session.add(account)
    work.session.flush()
    audit.record_event(work, SYSTEM, "account.create_shared_technician", "account", account.id, town_id=None)
    return password


def _check_role(work: UnitOfWork, role: Role, town_id: UUID, school_id: UUID | None, ends_at: datetime | None) -> None:
    """Raise `Invalid` or `NotFound` unless a head has a school, a data protection officer has none, and the end is in the future."""
    if (role is Role.HEAD and school_id is None) or (role is Role.DPO and school_id is not None):
        raise Invalid(field="school_id")
    if school_id is not None:
        school = work.session.get(School, school_id)
        if school is None or school.town_id != town_id:
            raise NotFound(field="school_id")
    if ends_at is not None and ends_at <= work.now:
        raise Invalid(field="ends_at")


def list_accounts(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE) -> Page[Account]:
    """List the accounts with a role in a town, the oldest first. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    return AccountRepository(work.session).list_by_town(town_id, work.now, page)


def revoke_roles(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> Account:
    """End the roles of an account in a town. Without a role in any other town the account is disabled and its sessions end.

    Raises `NotFound`, `OwnAccount`, `Forbidden`, `ReauthenticationRequired`.
    """
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_reauthentication()
    repository = AccountRepository(work.session)
    account = repository.get(account_id)
    roles = repository.list_roles(account_id, work.now) if account else []
    if account is None or all(role.town_id != town_id for role in roles):
        raise NotFound
    if account.id == actor.account_id:
        raise OwnAccount
    audit.record_event(work, actor, "account.revoke_roles", "account", account.id, town_id=town_id)
    for role in roles:
        if role.town_id == town_id:
            role.ends_at = work.now
    if all(role.town_id == town_id for role in roles):
        account.active = False
        sessions.end_all_sessions(work, account)
    return account


def end_account_sessions(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> int:
    """End every session of an account of a town. Returns how many were open. Raises `NotFound`, `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    repository = AccountRepository(work.session)
    account = repository.get(account_id)
    if account is None or all(role.town_id != town_id for role in repository.list_roles(account_id, work.now)):
        raise NotFound
    audit.record_event(work, actor, "account.end_sessions", "account", account.id, town_id=town_id)
    return sessions.end_all_sessions(work, account)


def ensure_first_admin(work: UnitOfWork, town_id: UUID) -> tuple[str, str] | None:
    """Create the first administrator. Returns the login and a one-time password; None when an account exists."""
    if AccountRepository(work.session).count_accounts():
        return None
    password = secrets.token_urlsafe(12)
    create_account(
        work, SYSTEM, login=FIRST_LOGIN, display_name="Administration", password=password, role=Role.TOWN_ADMIN, town_id=town_id
    )
    return FIRST_LOGIN, password


class SignedIn(NamedTuple):
    """A successful sign-in. `device_cookie` lets a browser be recognised at the next one."""

    account: Account
    token: str
    device_cookie: str


def sign_in(
    work: UnitOfWork,
    login: str,
    password: str,
    client: SignInClient = UNKNOWN_CLIENT,
    kind: SessionKind = SessionKind.API,
) -> SignedIn | WrongCredentials | TooManyAttempts:
    """Open a session and return its token, or the error. The error is returned, not raised: the count of failures must be committed.

    A login without an account is treated in every respect as one with an account and a wrong password.
    """
    login = login.strip().lower()
    account = AccountRepository(work.session).get_by_login(login)
    attempt = sign_in_limits.count_sign_in(work, login, account.id if account else None, client)
    if not attempt.allowed:
        return TooManyAttempts()
    is_correct = verify_password(account.password_hash if account else DUMMY_HASH, password)
    if account is None or not is_correct or not account.active:
        subject = account.id if account else work.keyring.keyed_hash(login, "sign-in")
        audit.record_event(work, SYSTEM, "account.sign_in_failed", "account", subject, town_id=None)
        return WrongCredentials()
    sign_in_limits.record_success(work, attempt)
    audit.record_event(work, SYSTEM, "account.sign_in", "account", account.id, town_id=None)
    token = sessions.open_session(work, account, kind, client)
    return SignedIn(account, token, sign_in_limits.make_device_cookie(work, account.id))


def change_password(
    work: UnitOfWork, account: Account, session: AccountSession, current: str, new: str, client: SignInClient = UNKNOWN_CLIENT
) -> str | WrongCredentials | TooManyAttempts:
    """Set a new password and end every session of the account. Returns the token of a new session like the given one, or the error.

    Raises `WeakPassword`, `SamePassword`.
    """
    refused = sessions.check_own_password(work, account, session, current)
    if refused is not None:
        return refused
    if new == current:
        raise SamePassword
    password_hash = hash_password(new)
    audit.record_event(work, SYSTEM, "account.change_password", "account", account.id, town_id=None)
    account.password_hash, account.must_change_password, account.password_changed_at = password_hash, False, work.now
    sessions.end_all_sessions(work, account)
    return sessions.open_session(work, account, session.kind, client)


def reset_password(work: UnitOfWork, login: str) -> str:
    """Set a new one-time password and return it. For the command line. Raises `WrongCredentials` when there is no such account."""
    account = AccountRepository(work.session).get_by_login(login.strip().lower())
    if account is None:
        raise WrongCredentials
    password = secrets.token_urlsafe(12)
    audit.record_event(work, SYSTEM, "account.reset_password", "account", account.id, town_id=None)
    account.password_hash, account.must_change_password, account.password_changed_at = hash_password(password), True, work.now
    sessions.end_all_sessions(work, account)
    return password
