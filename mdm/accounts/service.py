"""Services of accounts: create them, sign in, verify tokens, revoke roles, set passwords. Never commits."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import jwt

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import SYSTEM, Actor, Permission, Role, RoleAssignment
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School
from mdm.accounts import missions
from mdm.accounts.errors import (
    LoginTaken,
    MustChangePassword,
    NotSignedIn,
    OwnAccount,
    SamePassword,
    TooManyAttempts,
    WrongCredentials,
)
from mdm.accounts.models import Account, AccountRole
from mdm.accounts.passwords import DUMMY_HASH, UnknownLoginThrottle, compute_locked_until, hash_password, verify_password
from mdm.accounts.repository import AccountRepository

FIRST_LOGIN = "admin"
_ALGORITHM = "HS256"
_unknown_logins = UnknownLoginThrottle()


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

    Raises `LoginTaken`, `WeakPassword`, `NotFound` (school), `Invalid`, `Forbidden`.
    """
    actor.require_permission(Permission.GOVERN, town_id, school_id)
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
        token_epoch=0,
        failed_attempts=0,
        created_at=work.now,
    )
    work.session.add(account)
    work.session.flush()
    work.session.add(AccountRole(account_id=account.id, role=role, town_id=town_id, school_id=school_id, ends_at=ends_at))
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
    """End the roles of an account in a town. Without a role in any other town the account is disabled and its tokens are invalid.

    Raises `NotFound`, `OwnAccount`, `Forbidden`.
    """
    actor.require_permission(Permission.GOVERN, town_id)
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
        account.token_epoch += 1
    return account


def ensure_first_admin(work: UnitOfWork, town_id: UUID) -> tuple[str, str] | None:
    """Create the first administrator. Returns the login and a one-time password; None when an account exists."""
    if AccountRepository(work.session).count_accounts():
        return None
    password = secrets.token_urlsafe(12)
    create_account(
        work, SYSTEM, login=FIRST_LOGIN, display_name="Administration", password=password, role=Role.TOWN_ADMIN, town_id=town_id
    )
    return FIRST_LOGIN, password


def sign_in(work: UnitOfWork, login: str, password: str) -> tuple[Account, str] | WrongCredentials | TooManyAttempts:
    """Return the account and a new token, or the error. The error is returned, not raised, because the failure counter must be
    committed.
    """
    login = login.strip().lower()
    account = AccountRepository(work.session).get_by_login(login, lock=True)  # attempts at one login are serialised
    throttle_key = work.keyring.keyed_hash(login, "sign-in")
    if _unknown_logins.is_locked(throttle_key, work.now) if account is None else _is_locked(account, work.now):
        return TooManyAttempts()
    is_correct = verify_password(account.password_hash if account else DUMMY_HASH, password)
    if account is None:
        _unknown_logins.record_failure(throttle_key, work.now)
        return WrongCredentials()
    if not is_correct or not account.active:
        account.failed_attempts += 1
        account.locked_until = compute_locked_until(account.failed_attempts, work.now)
        audit.record_event(work, SYSTEM, "account.sign_in_failed", "account", account.id, town_id=None)
        return WrongCredentials()
    account.failed_attempts, account.locked_until = 0, None
    audit.record_event(work, SYSTEM, "account.sign_in", "account", account.id, town_id=None)
    return account, _issue_token(work, account)


def _is_locked(account: Account, now: datetime) -> bool:
    return account.locked_until is not None and account.locked_until > now


def _issue_token(work: UnitOfWork, account: Account) -> str:
    claims = {
        "sub": str(account.id),
        "epoch": account.token_epoch,
        "iat": work.now,
        "exp": work.now + timedelta(minutes=work.settings.token_minutes),
        "jti": uuid4().hex,
    }
    return jwt.encode(claims, _get_signing_key(work), algorithm=_ALGORITHM)


def authenticate_token(work: UnitOfWork, token: str, *, allow_one_time_password: bool = False) -> tuple[Actor, Account]:
    """Return the actor and the account of a token. Raises `NotSignedIn`, `MustChangePassword`."""
    try:
        options = {"require": ["sub", "exp"], "verify_exp": False, "verify_iat": False}
        claims = jwt.decode(token, _get_signing_key(work), algorithms=[_ALGORITHM], options=options)  # type: ignore[arg-type]
        account_id, epoch, expires = UUID(claims["sub"]), int(claims["epoch"]), float(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, KeyError, TypeError) as error:
        raise NotSignedIn from error
    repository = AccountRepository(work.session)
    account = repository.get(account_id)
    # The expiry is compared with the injected clock.
    if account is None or not account.active or account.token_epoch != epoch or expires <= work.now.timestamp():
        raise NotSignedIn
    if account.must_change_password and not allow_one_time_password:
        raise MustChangePassword
    roles = tuple(RoleAssignment(row.role, row.town_id, row.school_id) for row in repository.list_roles(account.id, work.now))
    actor = Actor(account.id, account.display_name, roles)
    return missions.add_mission_roles(work, actor), account


def change_password(work: UnitOfWork, account: Account, current: str, new: str) -> str:
    """Set a new password, which invalidates every earlier token. Returns a new token.

    Raises `WrongCredentials`, `WeakPassword`, `SamePassword`.
    """
    if not verify_password(account.password_hash, current):
        raise WrongCredentials
    if new == current:
        raise SamePassword
    password_hash = hash_password(new)
    audit.record_event(work, SYSTEM, "account.change_password", "account", account.id, town_id=None)
    account.password_hash, account.must_change_password = password_hash, False
    account.token_epoch += 1
    return _issue_token(work, account)


def reset_password(work: UnitOfWork, login: str) -> str:
    """Set a new one-time password and return it. For the command line. Raises `WrongCredentials` when there is no such account."""
    account = AccountRepository(work.session).get_by_login(login.strip().lower())
    if account is None:
        raise WrongCredentials
    password = secrets.token_urlsafe(12)
    audit.record_event(work, SYSTEM, "account.reset_password", "account", account.id, town_id=None)
    account.password_hash, account.must_change_password = hash_password(password), True
    account.token_epoch += 1
    account.failed_attempts, account.locked_until = 0, None
    return password


def _get_signing_key(work: UnitOfWork) -> str:
    return work.keyring.keyed_hash("access tokens", "jwt")
