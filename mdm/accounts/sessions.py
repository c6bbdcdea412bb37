"""Sessions: one row per sign-in, found by the hash of its token; listed and ended by their owner. Never commits.

Tokens are random and mean nothing without their row, so that ending a session ends its token at once, in every process.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from cartable import audit
from cartable.client_address import coarsen_address
from cartable.errors import DomainError, NotFound
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import SYSTEM, Actor, RoleAssignment
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import missions, second_factors, sign_in_limits
from mdm.accounts.errors import (
    MustChangePassword,
    NoSecondFactor,
    NotSignedIn,
    SecondFactorEnrollmentRequired,
    SecondFactorRequired,
    TooManyAttempts,
    WrongCredentials,
)
from mdm.accounts.models import Account, AccountSession, SessionKind
from mdm.accounts.passwords import NO_PASSWORD, verify_password
from mdm.accounts.repository import AccountRepository
from mdm.accounts.second_factors import NO_PROOF, FactorProof
from mdm.accounts.sign_in_limits import UNKNOWN_CLIENT, SignInClient, hash_address
from mdm.accounts.trust import compute_trusted_from

#: The time of last use is written, and the session of a person prolonged, at most so often.
LAST_USED_PRECISION = timedelta(minutes=5)
#: How long a session is kept after its end: its address stays known for sign-in limits.
KEPT_AFTER_END = timedelta(days=30)
#: How long the password that was given once more counts.
REAUTHENTICATION_LIFETIME = timedelta(minutes=10)
#: So many wrong passwords end the session in which they were typed: whoever has stolen it cannot go on guessing.
MAX_WRONG_PASSWORDS = 5
_PREFIXES = {SessionKind.CONSOLE: "cts_", SessionKind.API: "cta_"}


class SignInStep(StrEnum):
    """What is missing after the password, in this order: until then, the session can do nothing else."""

    SECOND_FACTOR = "second_factor"
    PASSWORD_CHANGE = "password_change"  # noqa: S105 - the password was given by somebody else
    SECOND_FACTOR_ENROLLMENT = "second_factor_enrollment"


_ERRORS: dict[SignInStep, type[DomainError]] = {
    SignInStep.SECOND_FACTOR: SecondFactorRequired,
    SignInStep.PASSWORD_CHANGE: MustChangePassword,
    SignInStep.SECOND_FACTOR_ENROLLMENT: SecondFactorEnrollmentRequired,
}


class Authentication(NamedTuple):
    """Who is signed in: the actor, the account, the session, and the next missing step of the sign-in."""

    actor: Actor
    account: Account
    session: AccountSession
    missing: SignInStep | None = None


class SignedIn(NamedTuple):
    """A successful sign-in. `device_cookie` lets a browser be recognised at the next one; empty until the second factor is given."""

    account: Account
    token: str
    device_cookie: str


def sign_in_account(
    work: UnitOfWork,
    account: Account,
    kind: SessionKind,
    client: SignInClient,
    *,
    has_factor: bool,
    is_factor_given: bool = False,
) -> SignedIn:
    """Open a session of a person who has given the password, or what stands for it.

    Whoever knows the password alone gets no device cookie: with it, each sign-in would allow as many guesses of the second factor again.
    """
    token = open_session(work, account, kind, client, second_factor_at=work.now if has_factor and is_factor_given else None)
    is_complete = is_factor_given or not has_factor
    return SignedIn(account, token, sign_in_limits.make_device_cookie(work, account.id) if is_complete else "")


def open_session(
    work: UnitOfWork, account: Account, kind: SessionKind, client: SignInClient, *, second_factor_at: datetime | None
) -> str:
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
            second_factor_at=second_factor_at,
        )
    )
    work.session.flush()
    return token


def authenticate_token(
    work: UnitOfWork, token: str, kind: SessionKind = SessionKind.API, *, allowed: Collection[SignInStep] = ()
) -> Authentication:
    """Return who a token belongs to. A step of `allowed` may be missing.

    Raises `NotSignedIn` (also for a token of another kind), `SecondFactorRequired`, `MustChangePassword`,
    `SecondFactorEnrollmentRequired`.
    """
    repository = AccountRepository(work.session)
    row = repository.get_session_by_token(_hash_token(work, token), kind, work.now) if token else None
    if row is None:
        raise NotSignedIn
    session, account, has_factor = row
    if work.now - session.last_used_at >= min(LAST_USED_PRECISION, timedelta(minutes=work.settings.token_minutes) / 4):
        extend_session(work, session)
    roles = repository.list_roles(account.id, work.now)
    confirmed_at = session.reauthenticated_at
    actor = Actor(
        account.id,
        account.display_name,
        tuple(RoleAssignment(role.role, role.town_id, role.school_id, role.class_id) for role in roles),
        reauthenticated=confirmed_at is not None and work.now - confirmed_at < REAUTHENTICATION_LIFETIME,
        trusted_from=compute_trusted_from(account, roles, work.now),
    )
    missing = _find_missing_step(work, actor, account, session, has_factor=has_factor)
    if missing is not None and missing not in allowed:
        raise _ERRORS[missing]
    return Authentication(missions.add_mission_roles(work, actor), account, session, missing)


def extend_session(work: UnitOfWork, session: AccountSession) -> None:
    """Note a use of a session. That of a person in the console goes on from now, up to the longest time; a program's does not."""
    session.last_used_at = work.now
    if session.kind is SessionKind.CONSOLE:
        longest = session.created_at + timedelta(hours=work.settings.session_hours)
        session.expires_at = min(work.now + timedelta(minutes=work.settings.token_minutes), longest)


def find_former_owner(work: UnitOfWork, token: str, kind: SessionKind) -> UUID | None:
    """Return the account to which a session belonged that has ended; None when it is unknown, or forgotten."""
    return AccountRepository(work.session).get_session_owner(_hash_token(work, token), kind)


def _find_missing_step(
    work: UnitOfWork, actor: Actor, account: Account, session: AccountSession, *, has_factor: bool
) -> SignInStep | None:
    if has_factor and session.second_factor_at is None:
        return SignInStep.SECOND_FACTOR
    if account.must_change_password:
        return SignInStep.PASSWORD_CHANGE
    if not has_factor and second_factors.must_have_factor(work, actor.role_assignments):
        return SignInStep.SECOND_FACTOR_ENROLLMENT
    return None


def give_second_factor(
    work: UnitOfWork, account: Account, session: AccountSession, proof: FactorProof, client: SignInClient
) -> DomainError | None:
    """Complete the sign-in of a session by the second factor. Returns the error, because the count of failures must be committed.

    After `MAX_WRONG_PASSWORDS` wrong ones the session ends.
    """
    refusal = _check_own_factor(work, account, session, proof, client)
    if refusal is None:
        audit.record_event(
            work, SYSTEM, "account.give_second_factor", "account", account.id, town_id=None, session_id=str(session.id)
        )
        session.second_factor_at = work.now
    return refusal


def _check_own_factor(
    work: UnitOfWork, account: Account, session: AccountSession, proof: FactorProof, client: SignInClient
) -> DomainError | None:
    """Check a second factor. Wrong ones count for the session like wrong passwords."""
    AccountRepository(work.session).lock_session(session)
    if session.ended_at is not None:
        return TooManyAttempts()
    refusal = second_factors.check_proof(work, account, session, proof, client)
    if refusal is None:
        session.wrong_passwords = 0
    elif not isinstance(refusal, SecondFactorRequired):
        _count_failure(work, session)
    return refusal


def may_change_factors(work: UnitOfWork, authentication: Authentication) -> bool:
    """Return whether this session may change second factors: it was reauthenticated, or has just begun and cannot do anything else."""
    is_first = authentication.missing is SignInStep.SECOND_FACTOR_ENROLLMENT
    return authentication.actor.reauthenticated or (
        is_first and work.now - authentication.session.created_at < REAUTHENTICATION_LIFETIME
    )


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
    audit.record_event(work, SYSTEM, "account.wrong_password", "account", account.id, town_id=None, session_id=str(session.id))
    return TooManyAttempts() if _count_failure(work, session) else WrongCredentials()


def _count_failure(work: UnitOfWork, session: AccountSession) -> bool:
    """Count a wrong password or second factor. Returns whether the session has ended by it."""
    session.wrong_passwords += 1
    if session.wrong_passwords >= MAX_WRONG_PASSWORDS:
        session.ended_at = work.now
    return session.ended_at is not None


def reauthenticate(
    work: UnitOfWork,
    account: Account,
    session: AccountSession,
    password: str,
    proof: FactorProof = NO_PROOF,
    client: SignInClient = UNKNOWN_CLIENT,
) -> DomainError | None:
    """Check the password once more, and the second factor of an account that has one. Returns the error.

    Then the session may do for some minutes what a stolen one must not. Signing in does not count: a session that is stolen right
    afterwards must not be enough. An account without a password, whose owner signs in elsewhere, gives its second factor alone.
    """
    has_factor = bool(second_factors.get_overview(work, account).count)
    if account.password_hash != NO_PASSWORD:
        refusal: DomainError | None = check_own_password(work, account, session, password)
    else:
        refusal = None if has_factor else NoSecondFactor()
    if refusal is None and has_factor:
        refusal = _check_own_factor(work, account, session, proof, client)
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
