"""Verbs of accounts: create, sign in, recognise, change the password. Never commits."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import jwt

from cartable import audit
from cartable.errors import Invalid, NotFound
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
from mdm.accounts.models import Account, AccountGrant
from mdm.accounts.passwords import NOBODY, Strangers, hashed, lock_after, matches
from mdm.accounts.repository import AccountRepository

FIRST_LOGIN = "admin"
_ALGORITHM = "HS256"
_strangers = Strangers()


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
    """Make an account whose password must be changed at the first sign-in. Its role may have an end, and must for people
    who come for a time (schools.md section 13). Raises `LoginTaken`, `WeakPassword`, `NotFound` (school), `Invalid`.
    """
    actor.require_permission(Permission.GOVERN, town_id, school_id)
    _check_grant(work, role, town_id, school_id, ends_at)
    login = login.strip().lower()
    if AccountRepository(work.session).by_login(login) is not None:
        raise LoginTaken
    account = Account(
        login=login,
        display_name=display_name,
        password_hash=hashed(password),
        must_change_password=True,
        active=True,
        token_epoch=0,
        failed_attempts=0,
        created_at=work.now,
    )
    work.session.add(account)
    work.session.flush()
    work.session.add(AccountGrant(account_id=account.id, role=role, town_id=town_id, school_id=school_id, ends_at=ends_at))
    work.session.flush()
    audit.record_event(work, actor, "account.create", "account", account.id, town_id=town_id, role=role.value)
    return account


def create_shared_technician(work: UnitOfWork, login: str, display_name: str) -> str:
    """At the operator's command line: a technician of no town, whom towns call by missions. Returns the one-time password.

    Raises `LoginTaken`.
    """
    login = login.strip().lower()
    if AccountRepository(work.session).by_login(login) is not None:
        raise LoginTaken
    password = secrets.token_urlsafe(12)
    account = Account(
        login=login, display_name=display_name, password_hash=hashed(password), must_change_password=True, created_at=work.now
    )
    work.session.add(account)
    work.session.flush()
    audit.record_event(work, SYSTEM, "account.create_shared", "account", account.id, town_id=None)
    return password


def _check_grant(work: UnitOfWork, role: Role, town_id: UUID, school_id: UUID | None, ends_at: datetime | None) -> None:
    """A head is one of a school; a data protection officer is one of a town."""
    if (role is Role.HEAD and school_id is None) or (role is Role.DPO and school_id is not None):
        raise Invalid(field="school_id")
    if school_id is not None:
        school = work.session.get(School, school_id)
        if school is None or school.town_id != town_id:
            raise NotFound(field="school_id")
    if ends_at is not None and ends_at <= work.now:
        raise Invalid(field="ends_at")


def accounts_of(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[Account]:
    """The accounts with a role in a town, by login. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    return AccountRepository(work.session).of_town(town_id, work.now)


def withdraw(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> Account:
    """End an account's roles in a town. When it holds none anywhere it is switched off, and its tokens are void.

    A technician shared with another town keeps the other town's roles. Raises `NotFound`, `OwnAccount`, `Forbidden`.
    """
    actor.require_permission(Permission.GOVERN, town_id)
    repository = AccountRepository(work.session)
    account = repository.get(account_id)
    grants = repository.grants(account_id, work.now) if account else []
    if account is None or all(grant.town_id != town_id for grant in grants):
        raise NotFound
    if account.id == actor.account_id:
        raise OwnAccount
    audit.record_event(work, actor, "account.withdraw", "account", account.id, town_id=town_id)
    for grant in grants:
        if grant.town_id == town_id:
            grant.ends_at = work.now
    if all(grant.town_id == town_id for grant in grants):
        account.active = False
        account.token_epoch += 1
    return account


def ensure_first_admin(work: UnitOfWork, town_id: UUID) -> tuple[str, str] | None:
    """Make the first administrator, with a one-time password that is shown once. None when there are accounts."""
    if AccountRepository(work.session).count():
        return None
    password = secrets.token_urlsafe(12)
    create_account(
        work, SYSTEM, login=FIRST_LOGIN, display_name="Administration", password=password, role=Role.TOWN_ADMIN, town_id=town_id
    )
    return FIRST_LOGIN, password


def sign_in(work: UnitOfWork, login: str, password: str) -> tuple[Account, str] | WrongCredentials | TooManyAttempts:
    """Check a password. Returns the account and its token, or the refusal: returned, not raised, because the counter
    of failures must be committed.
    """
    login = login.strip().lower()
    account = AccountRepository(work.session).by_login(login, lock=True)  # guesses at one login wait for each other
    stranger = work.keyring.keyed_hash(login, "sign-in")
    if _strangers.is_locked(stranger, work.now) if account is None else _is_locked(account, work.now):
        return TooManyAttempts()
    good = matches(account.password_hash if account else NOBODY, password)
    if account is None:
        _strangers.fail(stranger, work.now)
        return WrongCredentials()
    if not good or not account.active:
        account.failed_attempts += 1
        account.locked_until = lock_after(account.failed_attempts, work.now)
        audit.record_event(work, SYSTEM, "account.sign_in_failed", "account", account.id, town_id=None)
        return WrongCredentials()
    account.failed_attempts, account.locked_until = 0, None
    audit.record_event(work, SYSTEM, "account.sign_in", "account", account.id, town_id=None)
    return account, _token(work, account)


def _is_locked(account: Account, now: datetime) -> bool:
    return account.locked_until is not None and account.locked_until > now


def _token(work: UnitOfWork, account: Account) -> str:
    claims = {
        "sub": str(account.id),
        "epoch": account.token_epoch,
        "iat": work.now,
        "exp": work.now + timedelta(minutes=work.settings.token_minutes),
        "jti": uuid4().hex,
    }
    return jwt.encode(claims, _key(work), algorithm=_ALGORITHM)


def actor_of(work: UnitOfWork, token: str, *, even_with_one_time_password: bool = False) -> tuple[Actor, Account]:
    """Recognise the person behind a token. Raises `NotSignedIn`, `MustChangePassword`."""
    try:
        options = {"require": ["sub", "exp"], "verify_exp": False, "verify_iat": False}
        claims = jwt.decode(token, _key(work), algorithms=[_ALGORITHM], options=options)  # type: ignore[arg-type]
        account_id, epoch, expires = UUID(claims["sub"]), int(claims["epoch"]), float(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, KeyError, TypeError) as error:
        raise NotSignedIn from error
    repository = AccountRepository(work.session)
    account = repository.get(account_id)
    # The expiry is checked against the injected clock.
    if account is None or not account.active or account.token_epoch != epoch or expires <= work.now.timestamp():
        raise NotSignedIn
    if account.must_change_password and not even_with_one_time_password:
        raise MustChangePassword
    grants = tuple(RoleAssignment(row.role, row.town_id, row.school_id) for row in repository.grants(account.id, work.now))
    actor = Actor(account.id, account.display_name, grants)
    return missions.join(work, actor), account


def change_password(work: UnitOfWork, account: Account, current: str, new: str) -> str:
    """Set a new password; every former token is void. Returns a fresh one.

    Raises `WrongCredentials`, `WeakPassword`, `SamePassword`.
    """
    if not matches(account.password_hash, current):
        raise WrongCredentials
    if new == current:
        raise SamePassword
    password_hash = hashed(new)
    audit.record_event(work, SYSTEM, "account.password", "account", account.id, town_id=None)
    account.password_hash, account.must_change_password = password_hash, False
    account.token_epoch += 1
    return _token(work, account)


def reset_password(work: UnitOfWork, login: str) -> str:
    """At the command line: a new one-time password. Raises `WrongCredentials` when there is no such account."""
    account = AccountRepository(work.session).by_login(login.strip().lower())
    if account is None:
        raise WrongCredentials
    password = secrets.token_urlsafe(12)
    audit.record_event(work, SYSTEM, "account.reset", "account", account.id, town_id=None)
    account.password_hash, account.must_change_password = hashed(password), True
    account.token_epoch += 1
    account.failed_attempts, account.locked_until = 0, None
    return password


def _key(work: UnitOfWork) -> str:
    return work.keyring.keyed_hash("access tokens", "jwt")
