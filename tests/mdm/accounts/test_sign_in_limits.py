"""Guessing passwords is limited, whether or not the login exists, and nobody can lock the owner of an account out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.errors import DomainError
from cartable.unit_of_work import Runtime
from mdm.accounts import service, sign_in_limits
from mdm.accounts.errors import TooManyAttempts, WrongCredentials
from mdm.accounts.sessions import SignedIn
from mdm.accounts.sign_in_limits import SignInClient
from tests.support.accounts import PASSWORD, create_account
from tests.support.world import TownFactory

OWNER, ATTACKER = "192.0.2.1", "198.51.100.66"


@pytest.fixture
def world(runtime: Runtime) -> Runtime:
    with runtime.open_unit_of_work() as work:
        create_account(work, TownFactory(work).create_town().id, login="head")
    return runtime


def _attempt(
    runtime: Runtime, password: str = "wrong", *, login: str = "head", address: str = ATTACKER, device_cookie: str = ""
) -> SignedIn | DomainError:
    with runtime.open_unit_of_work() as work:
        return service.sign_in(work, login, password, SignInClient(address, "tests", device_cookie))


def _addresses() -> Iterator[str]:
    return (f"203.0.{number // 250}.{number % 250}" for number in count(1))


@pytest.mark.parametrize("login", ["head", "nobody"])
def test_known_and_unknown_logins_are_refused_alike(world: Runtime, clock: ManualClock, login: str) -> None:
    """Every unit of work reads the database anew: another process, or this one after a restart, would answer the same."""
    outcomes = [type(_attempt(world, login=login)) for _ in range(7)]
    assert outcomes == [WrongCredentials] * 5 + [TooManyAttempts] * 2
    clock.advance(timedelta(minutes=14))
    assert isinstance(_attempt(world, login=login), TooManyAttempts)
    clock.advance(timedelta(minutes=1))
    assert isinstance(_attempt(world, login=login), WrongCredentials)


def test_the_right_password_is_refused_too_while_the_client_is_limited(world: Runtime) -> None:
    for _ in range(5):
        _attempt(world)
    assert isinstance(_attempt(world, PASSWORD), TooManyAttempts)


def test_failures_of_others_do_not_lock_the_owner_out_of_a_known_browser(world: Runtime) -> None:
    """Children at school share the head's address, and attackers have many addresses."""
    known = _attempt(world, PASSWORD, address=OWNER)
    assert isinstance(known, SignedIn)
    for address, _ in zip(_addresses(), range(sign_in_limits.LOGIN_LIMIT.attempts + 5), strict=False):
        _attempt(world, address=address)
    for _ in range(10):
        _attempt(world, address=OWNER)
    assert isinstance(_attempt(world, PASSWORD, address=OWNER), TooManyAttempts), "a child at the same address guesses no more"
    assert isinstance(_attempt(world, PASSWORD, address=OWNER, device_cookie=known.device_cookie), SignedIn)
    assert isinstance(_attempt(world, PASSWORD, address="192.0.2.77", device_cookie=known.device_cookie), SignedIn)


def test_a_program_is_known_by_its_address(world: Runtime) -> None:
    assert isinstance(_attempt(world, PASSWORD, address=OWNER), SignedIn)
    for address, _ in zip(_addresses(), range(sign_in_limits.LOGIN_LIMIT.attempts), strict=False):
        _attempt(world, address=address)
    assert isinstance(_attempt(world, PASSWORD, address="192.0.2.99"), TooManyAttempts), "many addresses are no way around"
    assert isinstance(_attempt(world, PASSWORD, address=OWNER), SignedIn)


def test_a_device_cookie_serves_only_its_account_and_is_limited_itself(world: Runtime) -> None:
    with world.open_unit_of_work() as work:
        create_account(work, TownFactory(work).create_town().id, login="attacker")
    own = _attempt(world, PASSWORD, login="attacker")
    assert isinstance(own, SignedIn)
    outcomes = [type(_attempt(world, device_cookie=own.device_cookie)) for _ in range(6)]
    assert outcomes == [WrongCredentials] * 5 + [TooManyAttempts]
    for forged in ("", ".", "x." + "0" * 64, "é." + "é" * 64, "x" * 5000):
        assert isinstance(_attempt(world, device_cookie=forged), TooManyAttempts)
    stolen = _attempt(world, PASSWORD, address=OWNER)
    assert isinstance(stolen, SignedIn)
    outcomes = [type(_attempt(world, device_cookie=stolen.device_cookie)) for _ in range(6)]
    assert outcomes == [WrongCredentials] * 5 + [TooManyAttempts]


def test_one_address_cannot_try_many_logins(world: Runtime) -> None:
    outcomes = [type(_attempt(world, login=f"login-{number}")) for number in range(sign_in_limits.ADDRESS_LIMIT.attempts + 1)]
    assert outcomes[-2:] == [WrongCredentials, TooManyAttempts]
    assert isinstance(_attempt(world, PASSWORD, address=OWNER), SignedIn)


def test_many_people_sign_in_from_one_address(world: Runtime) -> None:
    """What succeeds does not count: a school of eighty adults has one address."""
    for _ in range(sign_in_limits.ADDRESS_LIMIT.attempts + 5):
        assert isinstance(_attempt(world, PASSWORD, address=OWNER), SignedIn)


def test_attempts_at_the_same_time_are_not_more_than_allowed(world: Runtime) -> None:
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(type(_attempt(world)))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (outcomes.count(WrongCredentials), outcomes.count(TooManyAttempts)) == (5, 7)


def test_failures_are_audited_without_naming_what_was_typed(world: Runtime) -> None:
    _attempt(world)
    _attempt(world, login="my-password-in-the-wrong-field")
    with world.open_unit_of_work() as work:
        events = work.session.scalars(select(AuditEvent).where(AuditEvent.action == "account.sign_in_failed")).all()
        assert len(events) == 2
        assert "my-password" not in str([(event.subject_id, event.details) for event in events])
