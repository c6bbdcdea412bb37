"""Creates accounts, signs people in, and changes their own password. Roles, links and sessions have modules of their own. Never commits."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from cartable import audit
from cartable.errors import DomainError
from cartable.scope import SYSTEM, Actor, Role
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import roles, second_factors, sessions, sign_in_limits
from mdm.accounts.errors import LoginTaken, SamePassword, TooManyAttempts, WrongCredentials
from mdm.accounts.models import Account, AccountSession, SessionKind
from mdm.accounts.passwords import hash_password, verify_password
from mdm.accounts.repository import AccountRepository
from mdm.accounts.second_factors import NO_PROOF, FactorProof
from mdm.accounts.sessions import SignedIn
from mdm.accounts.sign_in_limits import UNKNOWN_CLIENT, SignInClient


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
    class_id: UUID | None = None,
    ends_at: datetime | None = None,
) -> Account:
    """Create an account with a role, whose password must be changed at the first sign-in. `ends_at` ends the role.

    Raises `LoginTaken`, `WeakPassword`, and what `roles.check_new_role` raises.
    """
    roles.check_new_role(work, actor, role, town_id, school_id, ends_at, class_id)
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
    roles.add_role(work, actor, account, role, town_id, school_id, ends_at, class_id)
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


def sign_in(
    work: UnitOfWork,
    login: str,
    password: str,
    client: SignInClient = UNKNOWN_CLIENT,
    kind: SessionKind = SessionKind.API,
    proof: FactorProof = NO_PROOF,
) -> SignedIn | DomainError:
    """Open a session and return its token, or the error. The error is returned, not raised: the count of failures must be committed.

    A login without an account is treated in every respect as one with an account and a wrong password. A program gives the second
    factor at once; a person in the console gives it on the next page, until when the session can do nothing else.
    """
    login = login.strip().lower()
    account = AccountRepository(work.session).get_by_login(login)
    attempt = sign_in_limits.count_sign_in(work, login, account.id if account else None, client)
    if not attempt.allowed:
        return TooManyAttempts()
    is_correct = verify_password(account.password_hash if account else None, password)
    if account is None or not is_correct or not account.active:
        subject = account.id if account else work.keyring.keyed_hash(login, "sign-in")
        audit.record_event(work, SYSTEM, "account.sign_in_failed", "account", subject, town_id=None)
        return WrongCredentials()
    sign_in_limits.record_success(work, attempt)
    has_factor = bool(second_factors.get_overview(work, account).count)
    if has_factor and kind is SessionKind.API:
        refusal = second_factors.check_proof(work, account, None, proof, client)
        if refusal is not None:
            return refusal
    audit.record_event(work, SYSTEM, "account.sign_in", "account", account.id, town_id=None)
    is_factor_given = has_factor and kind is SessionKind.API
    return sessions.sign_in_account(work, account, kind, client, has_factor=has_factor, is_factor_given=is_factor_given)


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
    return sessions.open_session(work, account, session.kind, client, second_factor_at=session.second_factor_at)
