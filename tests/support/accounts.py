"""Accounts and sessions for tests, without a server."""

from __future__ import annotations

from uuid import UUID

from argon2 import PasswordHasher

from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import passwords, service, sessions
from mdm.accounts.models import Account, SessionKind
from mdm.accounts.sessions import SignInStep
from mdm.accounts.sign_in_limits import SignInClient

PASSWORD = "a password for tests only"
#: How the server hashes, outside tests.
SERVER_HASHER = passwords._HASHER


def use_cheap_hashes() -> None:
    """Hash passwords in this process at the least cost: what the server uses takes as long as the rest of a test."""
    passwords._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def create_account(
    work: UnitOfWork, town_id: UUID, role: Role = Role.TOWN_ADMIN, login: str = "admin", *, is_new: bool = False
) -> Account:
    """Create an account that has chosen its own password. It is old enough to be one of two people, unless `is_new`."""
    account = service.create_account(work, SYSTEM, login=login, display_name=login, password=PASSWORD, role=role, town_id=town_id)
    account.must_change_password = False
    if not is_new:
        make_trusted(work, account)
    return account


def make_trusted(work: UnitOfWork, account: Account) -> None:
    """Let an account count as one of two people, as if another administrator had confirmed it."""
    account.confirmed_at = work.now


def sign_in(
    work: UnitOfWork,
    login: str = "admin",
    password: str = PASSWORD,
    *,
    kind: SessionKind = SessionKind.API,
    address: str = "192.0.2.1",
    device_cookie: str = "",
) -> sessions.SignedIn:
    """Sign in with success."""
    outcome = service.sign_in(work, login, password, SignInClient(address, "tests", device_cookie), kind)
    assert isinstance(outcome, sessions.SignedIn), outcome
    return outcome


def choose_password(work: UnitOfWork, token: str, current: str, new: str) -> str:
    """Change the password of the account that is signed in, and return the new token."""
    who = sessions.authenticate_token(work, token, allowed={SignInStep.PASSWORD_CHANGE})
    outcome = service.change_password(work, who.account, who.session, current, new)
    assert isinstance(outcome, str), outcome
    return outcome
