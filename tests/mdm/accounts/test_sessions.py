"""Sessions: a token is valid where it was given, until its session ends; the owner sees and ends them."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from cartable.clock import ManualClock
from cartable.errors import NotFound
from cartable.scope import Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.accounts import administration, service, sessions
from mdm.accounts.errors import NotSignedIn, TooManyAttempts, WrongCredentials
from mdm.accounts.models import Account, AccountSession, SessionKind
from tests.support.accounts import PASSWORD, choose_password, create_account, sign_in
from tests.support.world import TownFactory


@pytest.fixture
def account(runtime: Runtime) -> Account:
    with runtime.open_unit_of_work() as work:
        return create_account(work, TownFactory(work).create_town().id)


def _is_valid(work: UnitOfWork, token: str, kind: SessionKind = SessionKind.API) -> bool:
    try:
        sessions.authenticate_token(work, token, kind)
    except NotSignedIn:
        return False
    return True


def test_a_token_is_valid_only_where_it_was_given(runtime: Runtime, account: Account) -> None:
    with runtime.open_unit_of_work() as work:
        for kind in SessionKind:
            token = sign_in(work, kind=kind).token
            assert [other for other in SessionKind if _is_valid(work, token, other)] == [kind]


def test_sign_out_ends_the_token_at_once(runtime: Runtime, account: Account) -> None:
    with runtime.open_unit_of_work() as work:
        first, second = sign_in(work).token, sign_in(work).token
        who = sessions.authenticate_token(work, first)
        sessions.end_session(work, who.account, who.session.id)
    with runtime.open_unit_of_work() as work:
        assert (_is_valid(work, first), _is_valid(work, second)) == (False, True)


def test_a_session_ends_by_itself(runtime: Runtime, clock: ManualClock, account: Account) -> None:
    with runtime.open_unit_of_work() as work:
        token = sign_in(work).token
    clock.advance(timedelta(minutes=runtime.settings.token_minutes, seconds=-1))
    with runtime.open_unit_of_work() as work:
        assert _is_valid(work, token)
    clock.advance(timedelta(seconds=1))
    with runtime.open_unit_of_work() as work:
        assert not _is_valid(work, token)


def test_the_owner_lists_the_open_sessions_and_ends_others(runtime: Runtime, clock: ManualClock, account: Account) -> None:
    with runtime.open_unit_of_work() as work:
        tokens = []
        for address in ("192.0.2.1", "198.51.100.7"):
            tokens.append(sign_in(work, address=address).token)
            clock.advance(timedelta(minutes=10))
            work.now = clock.now()
        who = sessions.authenticate_token(work, tokens[0])
        rows = sessions.list_own_sessions(work, who.account).items
        assert [row.network for row in rows] == ["198.51.100.0/24", "192.0.2.0/24"]
        assert rows[1].last_used_at == work.now
        sessions.end_session(work, who.account, rows[0].id)
        assert [_is_valid(work, token) for token in tokens] == [True, False]
        assert [row.id for row in sessions.list_own_sessions(work, who.account).items] == [rows[1].id]


def test_nobody_ends_a_session_of_another_account(runtime: Runtime, account: Account) -> None:
    with runtime.open_unit_of_work() as work:
        other = create_account(work, TownFactory(work).create_town().id, login="other")
        session = sessions.authenticate_token(work, sign_in(work, "other").token).session
        for session_id in (session.id, uuid4()):
            with pytest.raises(NotFound):
                sessions.end_session(work, account, session_id)
        assert sessions.list_own_sessions(work, other).items


def test_signing_out_everywhere_ends_every_session(runtime: Runtime, account: Account) -> None:
    with runtime.open_unit_of_work() as work:
        tokens = [sign_in(work).token for _ in range(3)]
        assert sessions.end_all_sessions(work, work.session.get_one(Account, account.id)) == 3
        assert not any(_is_valid(work, token) for token in tokens)


def test_a_new_password_ends_every_other_session(runtime: Runtime, account: Account) -> None:
    with runtime.open_unit_of_work() as work:
        stolen, own = sign_in(work).token, sign_in(work).token
        new = choose_password(work, own, PASSWORD, "another long sentence")
        assert [_is_valid(work, token) for token in (stolen, own, new)] == [False, False, True]


def test_a_governor_ends_the_sessions_of_an_account_of_the_town(runtime: Runtime, account: Account) -> None:
    with runtime.open_unit_of_work() as work:
        token = sign_in(work).token
        town_id = sessions.authenticate_token(work, token).actor.role_assignments[0].town_id
        other_town = TownFactory(work).create_town().id
        stranger = Actor(uuid4(), "stranger", (RoleAssignment(Role.TOWN_ADMIN, other_town),))
        with pytest.raises(NotFound):
            administration.end_account_sessions(work, stranger, account.id, other_town)
        assert town_id is not None
        governor = Actor(uuid4(), "governor", (RoleAssignment(Role.TOWN_ADMIN, town_id),))
        assert administration.end_account_sessions(work, governor, account.id, town_id) == 1
        assert not _is_valid(work, token)


def test_guessing_the_password_in_a_stolen_session_ends_that_session_alone(runtime: Runtime, account: Account) -> None:
    with runtime.open_unit_of_work() as work:
        stolen, own = sign_in(work).token, sign_in(work).token
    outcomes = []
    for _ in range(sessions.MAX_WRONG_PASSWORDS):
        with runtime.open_unit_of_work() as work:
            who = sessions.authenticate_token(work, stolen)
            outcomes.append(
                service.change_password(work, who.account, who.session, "a guess of a password", "new password by a thief")
            )
    assert [type(outcome) for outcome in outcomes] == [WrongCredentials] * 4 + [TooManyAttempts]
    with runtime.open_unit_of_work() as work:
        assert [_is_valid(work, token) for token in (stolen, own)] == [False, True]


def test_the_database_holds_no_token(runtime: Runtime, account: Account) -> None:
    with runtime.open_unit_of_work() as work:
        token = sign_in(work).token
        row = work.session.scalars(select(AccountSession)).one()
        assert token not in str([getattr(row, column.name) for column in AccountSession.__table__.columns])


def test_sessions_are_purged_long_after_their_end(runtime: Runtime, clock: ManualClock, account: Account) -> None:
    with runtime.open_unit_of_work() as work:
        sign_in(work)
    for days, left in ((30, 1), (1, 0)):
        clock.advance(timedelta(days=days))
        with runtime.open_unit_of_work() as work:
            sessions.purge_sessions(work)
            assert len(work.session.scalars(select(AccountSession)).all()) == left
