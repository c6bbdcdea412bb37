"""Sessions: one row per sign-in, found by the hash of its token; listed and ended by their owner. Never commits.

Tokens are random and mean nothing without their row, so that ending a session ends its token at once, in every process.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from cartable import audit
from cartable.client_address import coarsen_address
from cartable.errors import NotFound
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import SYSTEM, Actor, RoleAssignment
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import missions
from mdm.accounts.errors import MustChangePassword, NotSignedIn, TooManyAttempts, WrongCredentials
from mdm.accounts.models import Account, AccountSession, SessionKind
from mdm.accounts.passwords import verify_password
from mdm.accounts.repository import AccountRepository
from mdm.accounts.sign_in_limits import SignInClient, hash_address
from mdm.accounts.trust import compute_trusted_from

#: The time of last use is written at most so often.
LAST_USED_PRECISION = timedelta(minutes=5)
#: How long a session is kept after its end: its address stays known for sign-in limits.
KEPT_AFTER_END = timedelta(days=30)
#: How long the password that was given once more counts.
REAUTHENTICATION_LIFETIME = timedelta(minutes=10)
#: So many wrong passwords end the session in which they were typed: whoever has stolen it cannot go on guessing.
MAX_WRONG_PASSWORDS = 5
_PREFIXES = {SessionKind.CONSOLE: "cts_", SessionKind.API: "cta_"}


class Authentication(NamedTuple):
    """Who is signed in: the actor, the account, and the session."""

    actor: Actor
    account: Account
    session: AccountSession


class SignedIn(NamedTuple):
    """A successful sign-in. `device_cookie` lets a browser be recognised at the next one."""

    account: Account
    token: str
    device_cookie: str


def open_session(work: UnitOfWork, account: Account, kind: SessionKind, client: SignInClient) -> str:
    """Store a new session of an account and return its token, which is shown only here."""
    token = _PREFIXES[kind] + secrets.token_urlsafe(32)
    work.session.add(
        AccountSession(
            account_id=account.id,
            kind=kind,
            token_hash=_hash_token(work, token),
            network=coarsen_address(client.address),
            address_hash=hash_address(work, client.address),
            program=client.program[:40],
            created_at=work.now,
            last_used_at=work.now,
            expires_at=work.now + timedelta(minutes=work.settings.token_minutes),
            wrong_passwords=0,
        )
    )
    work.session.flush()
    return token


def authenticate_token(
    work: UnitOfWork, token: str, kind: SessionKind = SessionKind.API, *, allow_one_time_password: bool = False
) -> Authentication:
    """Return who a token belongs to. Raises `NotSignedIn` (also for a token of another kind), `MustChangePassword`."""
    repository = AccountRepository(work.session)
    row = repository.get_session_by_token(_hash_token(work, token), kind, work.now) if token else None
    if row is None:
        raise NotSignedIn
    session, account = row
    if work.now - session.last_used_at >= LAST_USED_PRECISION:
        session.last_used_at = work.now
    if account.must_change_password and not allow_one_time_password:
        raise MustChangePassword
    roles = repository.list_roles(account.id, work.now)
    confirmed_at = session.reauthenticated_at
    actor = Actor(
        account.id,
        account.display_name,
        tuple(RoleAssignment(role.role, role.town_id, role.school_id, role.class_id) for role in roles),
        reauthenticated=confirmed_at is not None and work.now - confirmed_at < REAUTHENTICATION_LIFETIME,
        trusted_from=compute_trusted_from(account, roles, work.now),
    )
    return Authentication(missions.add_mission_roles(work, actor), account, session)


def list_own_sessions(work: UnitOfWork, account: Account, page: PageRequest = FIRST_PAGE) -> Page[AccountSession]:
    """List the open sessions of an account, the newest first."""
    return AccountRepository(work.session).list_open_sessions(account.id, work.now, page)


def end_session(work: UnitOfWork, account: Account, session_id: UUID) -> AccountSession:
    """End one session of the account and return it; its token is void at once. Raises `NotFound`."""
    session = AccountRepository(work.session).get_session(account.id, session_id)
    if session is None:
        raise NotFound
    if session.ended_at is None:
        audit.record_event(work, SYSTEM, "account.end_session", "account", account.id, town_id=None, session_id=str(session.id))
        session.ended_at = work.now
    return session


def end_all_sessions(work: UnitOfWork, account: Account) -> int:
    """End every session of an account. Returns how many were open."""
    count = AccountRepository(work.session).end_sessions(account.id, work.now)
    audit.record_event(work, SYSTEM, "account.end_all_sessions", "account", account.id, town_id=None, sessions=count)
    return count


def check_own_password(
    work: UnitOfWork, account: Account, session: AccountSession, password: str
) -> WrongCredentials | TooManyAttempts | None:
    """Check the password of the person who is signed in. Returns the error, because the count of failures must be committed.

    After `MAX_WRONG_PASSWORDS` the session ends. Other sessions of the owner are not concerned.
    """
    AccountRepository(work.session).lock_session(session)
    if session.ended_at is not None:
        return TooManyAttempts()
    if verify_password(account.password_hash, password):
        session.wrong_passwords = 0
        return None
    session.wrong_passwords += 1
    audit.record_event(work, SYSTEM, "account.wrong_password", "account", account.id, town_id=None, session_id=str(session.id))
    if session.wrong_passwords < MAX_WRONG_PASSWORDS:
        return WrongCredentials()
    session.ended_at = work.now
    return TooManyAttempts()


def reauthenticate(
    work: UnitOfWork, account: Account, session: AccountSession, password: str
) -> WrongCredentials | TooManyAttempts | None:
    """Check the password once more; then the session may do for some minutes what a stolen one must not. Returns the error.

    Signing in does not count: a session that is stolen right afterwards must not be enough.
    """
    refusal = check_own_password(work, account, session, password)
    if refusal is None:
        audit.record_event(
            work, SYSTEM, "account.reauthenticate", "account", account.id, town_id=None, session_id=str(session.id)
        )
        session.reauthenticated_at = work.now
    return refusal


def purge_sessions(work: UnitOfWork) -> None:
    """Delete the sessions that ended long ago."""
    AccountRepository(work.session).delete_sessions_expired_before(work.now - KEPT_AFTER_END)


def _hash_token(work: UnitOfWork, token: str) -> str:
    return work.keyring.keyed_hash(token[:200], "account_session.token")
