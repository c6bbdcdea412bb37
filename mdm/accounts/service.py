"""Verbs of accounts: create, sign in, recognise, change the password. Never commits."""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID, uuid4

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mdm.accounts.errors import LoginTaken, MustChangePassword, NotSignedIn, TooManyAttempts, WeakPassword, WrongCredentials
from mdm.accounts.models import Account, AccountGrant
from mdm.accounts.repository import AccountRepository
from mdm.kit import audit
from mdm.kit.scope import SYSTEM, Actor, Grant, Permission, Role
from mdm.kit.work import Work

FIRST_LOGIN = "admin"
MINIMUM_PASSWORD = 12
LOCK_AFTER, LOCK_FOR = 5, timedelta(minutes=5)
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's parameters
#: Checked when the login is unknown, so that the answer takes as long.
_NOBODY = _HASHER.hash("nobody")
_ALGORITHM = "HS256"


def create_account(
    work: Work,
    actor: Actor,
    *,
    login: str,
    display_name: str,
    password: str,
    role: Role,
    town_id: UUID,
    school_id: UUID | None = None,
) -> Account:
    """Make an account whose password must be changed at the first sign-in. Raises `LoginTaken`, `WeakPassword`."""
    actor.require(Permission.GOVERN, town_id, school_id)
    _check(password)
    login = login.strip().lower()
    if AccountRepository(work.session).by_login(login) is not None:
        raise LoginTaken
    account = Account(
        login=login,
        display_name=display_name,
        password_hash=_HASHER.hash(password),
        must_change_password=True,
        active=True,
        token_epoch=0,
        failed_attempts=0,
        created_at=work.now,
    )
    work.session.add(account)
    work.session.flush()
    work.session.add(AccountGrant(account_id=account.id, role=role, town_id=town_id, school_id=school_id))
    audit.record(work, actor, "account.create", "account", account.id, town_id=town_id, role=role.value)
    return account


def ensure_first_admin(work: Work, town_id: UUID) -> tuple[str, str] | None:
    """Make the first administrator, with a one-time password that is shown once. None when there are accounts."""
    if AccountRepository(work.session).count():
        return None
    password = secrets.token_urlsafe(12)
    create_account(
        work, SYSTEM, login=FIRST_LOGIN, display_name="Administration", password=password, role=Role.TOWN_ADMIN, town_id=town_id
    )
    return FIRST_LOGIN, password


def sign_in(work: Work, login: str, password: str) -> tuple[Account, str] | WrongCredentials | TooManyAttempts:
    """Check a password. Returns the account and its token, or the refusal: returned, not raised, because the counter
    of failures must be committed.
    """
    account = AccountRepository(work.session).by_login(login.strip().lower())
    if account is not None and account.locked_until is not None and account.locked_until > work.now:
        return TooManyAttempts()
    good = _matches(account.password_hash if account else _NOBODY, password)
    if account is None or not account.active:
        return WrongCredentials()
    if not good:
        account.failed_attempts += 1
        if account.failed_attempts % LOCK_AFTER == 0:
            account.locked_until = work.now + LOCK_FOR * (account.failed_attempts // LOCK_AFTER)
        audit.record(work, SYSTEM, "account.sign_in_failed", "account", account.id, town_id=None)
        return WrongCredentials()
    account.failed_attempts, account.locked_until = 0, None
    audit.record(work, SYSTEM, "account.sign_in", "account", account.id, town_id=None)
    return account, _token(work, account)


def _token(work: Work, account: Account) -> str:
    claims = {
        "sub": str(account.id),
        "epoch": account.token_epoch,
        "iat": work.now,
        "exp": work.now + timedelta(minutes=work.settings.token_minutes),
        "jti": uuid4().hex,
    }
    return jwt.encode(claims, _key(work), algorithm=_ALGORITHM)


def actor_of(work: Work, token: str, *, even_with_one_time_password: bool = False) -> tuple[Actor, Account]:
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
    grants = tuple(Grant(row.role, row.town_id, row.school_id) for row in repository.grants(account.id, work.now))
    return Actor(account.id, account.display_name, grants), account


def change_password(work: Work, account: Account, current: str, new: str) -> str:
    """Set a new password; every former token is void. Returns a fresh one. Raises `WrongCredentials`, `WeakPassword`."""
    if not _matches(account.password_hash, current):
        raise WrongCredentials
    _check(new)
    audit.record(work, SYSTEM, "account.password", "account", account.id, town_id=None)
    account.password_hash, account.must_change_password = _HASHER.hash(new), False
    account.token_epoch += 1
    return _token(work, account)


def reset_password(work: Work, login: str) -> str:
    """At the command line: a new one-time password. Raises `WrongCredentials` when there is no such account."""
    account = AccountRepository(work.session).by_login(login.strip().lower())
    if account is None:
        raise WrongCredentials
    password = secrets.token_urlsafe(12)
    audit.record(work, SYSTEM, "account.reset", "account", account.id, town_id=None)
    account.password_hash, account.must_change_password = _HASHER.hash(password), True
    account.token_epoch += 1
    account.failed_attempts, account.locked_until = 0, None
    return password


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _check(password: str) -> None:
    if not MINIMUM_PASSWORD <= len(password) <= 200:
        raise WeakPassword(minimum=MINIMUM_PASSWORD)


def _key(work: Work) -> str:
    return work.keyring.keyed_hash("access tokens", "jwt")
