"""Limits of failed sign-ins: by client, by login and by address. Logins without an account are counted like the others.

The owner of an account cannot be locked out by somebody who fails on purpose: a browser that has signed in before carries a device
cookie, and only its own failures count for it. A program is known by the address from which it signed in before.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from cartable import throttle
from cartable.throttle import AttemptLimit
from cartable.unit_of_work import UnitOfWork
from mdm.accounts.repository import AccountRepository

#: Failures of one client with one login. A client is a known browser, or an address.
CLIENT_LIMIT = AttemptLimit("sign_in.client", 5, timedelta(minutes=15))
#: Failures with one login from everywhere; clients that are known for the account are not concerned.
LOGIN_LIMIT = AttemptLimit("sign_in.login", 30, timedelta(minutes=15))
#: Failures from one address with any login. A whole school may share one.
ADDRESS_LIMIT = AttemptLimit("sign_in.address", 60, timedelta(minutes=15))


@dataclass(frozen=True, slots=True)
class SignInClient:
    """Where a request to sign in comes from. `address` is the text by which attempts are counted, `program` the name of a browser."""

    address: str = "unknown"
    program: str = ""
    device_cookie: str = ""


UNKNOWN_CLIENT = SignInClient()


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """One attempt, counted. `allowed` is whether its password may be checked."""

    login: str
    address: str
    client_key: tuple[str, ...]
    counted_by_address: bool
    allowed: bool


def count_sign_in(work: UnitOfWork, login: str, account_id: UUID | None, client: SignInClient) -> SignInAttempt:
    """Count an attempt as a failure, before the password is checked, so that attempts at the same time are not more than allowed."""
    device = read_device_cookie(work, account_id, client.device_cookie)
    is_allowed = True
    if device is None:
        is_allowed = throttle.count_attempt(work, ADDRESS_LIMIT, client.address) <= ADDRESS_LIMIT.attempts
        logins = throttle.count_attempt(work, LOGIN_LIMIT, login)
        if logins > LOGIN_LIMIT.attempts and not _is_known_address(work, account_id, client.address):
            is_allowed = False
    client_key = (login, "device", device) if device else (login, "address", client.address)
    attempts = throttle.count_attempt(work, CLIENT_LIMIT, *client_key)
    return SignInAttempt(login, client.address, client_key, device is None, is_allowed and attempts <= CLIENT_LIMIT.attempts)


def record_success(work: UnitOfWork, attempt: SignInAttempt) -> None:
    """Take the attempt back, and forget the failures of this client."""
    if attempt.counted_by_address:
        throttle.take_back_attempt(work, ADDRESS_LIMIT, attempt.address)
        throttle.take_back_attempt(work, LOGIN_LIMIT, attempt.login)
    throttle.reset_attempts(work, CLIENT_LIMIT, *attempt.client_key)


def make_device_cookie(work: UnitOfWork, account_id: UUID) -> str:
    """Return a value by which a browser is recognised at its next sign-in. It proves nothing else and opens nothing."""
    nonce = secrets.token_urlsafe(16)
    return f"{nonce}.{_sign_device(work, account_id, nonce)}"


def hash_address(work: UnitOfWork, address: str) -> str:
    """Return the keyed hash by which an address is recognised."""
    return work.keyring.keyed_hash(address, "account_session.address")


def read_device_cookie(work: UnitOfWork, account_id: UUID | None, cookie: str) -> str | None:
    """Return the nonce of a device cookie that was made for this account, or None."""
    nonce, _, signature = cookie[:200].partition(".")
    expected = _sign_device(work, account_id, nonce)
    is_valid = hmac.compare_digest(signature.encode(), expected.encode())
    return nonce if is_valid and account_id is not None else None


def _sign_device(work: UnitOfWork, account_id: UUID | None, nonce: str) -> str:
    return work.keyring.keyed_hash(f"{account_id}/{nonce}", "account.device")


def _is_known_address(work: UnitOfWork, account_id: UUID | None, address: str) -> bool:
    """Return whether the account has signed in from this address in the time that sessions are kept."""
    return account_id is not None and AccountRepository(work.session).has_session_from(account_id, hash_address(work, address))
