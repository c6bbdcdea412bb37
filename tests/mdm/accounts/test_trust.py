"""Two people are two people: whoever holds one session cannot make the second person."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from cartable.clock import ManualClock
from cartable.errors import NotFound, NotTrustedYet, ReauthenticationRequired, SamePerson
from cartable.scope import Actor, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity import service as identity
from enrollment.places.models import Town
from enrollment.tablets import approvals
from enrollment.tablets.models import ApprovalAction
from mdm.accounts import links, service, sessions, trust
from mdm.accounts.models import Account, SessionKind
from mdm.accounts.sign_in_limits import SignInClient
from mdm.care.erasing import bulk
from tests.support.accounts import PASSWORD, choose_password, create_account, sign_in
from tests.support.world import TownFactory


@pytest.fixture
def town_id(runtime: Runtime) -> UUID:
    with runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
        for login in ("old", "other"):
            create_account(work, town_id, login=login)
        return town_id


def _enter(work: UnitOfWork, login: str) -> Actor:
    """The actor of a person who has just given the password once more."""
    token = sign_in(work, login).token
    who = sessions.authenticate_token(work, token)
    assert sessions.reauthenticate(work, who.account, who.session, PASSWORD) is None
    return sessions.authenticate_token(work, token).actor


def _add_account(work: UnitOfWork, actor: Actor, town_id: UUID, login: str) -> Account:
    account = service.create_account(
        work, actor, login=login, display_name=login, password=PASSWORD, role=Role.TOWN_ADMIN, town_id=town_id
    )
    account.must_change_password = False
    return account


def test_a_new_account_is_neither_first_nor_second_person_for_a_day(runtime: Runtime, clock: ManualClock, town_id: UUID) -> None:
    """One side of an act of two people is the session that was stolen, the other an account that it has made."""
    with runtime.open_unit_of_work() as work:
        tablet = TownFactory(work).create_tablet(work.session.get_one(Town, town_id))
        stolen = _enter(work, "old")
        _add_account(work, stolen, town_id, "puppet")
        puppet = _enter(work, "puppet")
        request = approvals.request_approval(work, stolen, tablet, ApprovalAction.WRITE_OFF, "not found")
        with pytest.raises(NotTrustedYet):
            approvals.approve_request(work, puppet, request.id, revoke_certificates=identity.revoke_tablet_certificates)
        with pytest.raises(NotTrustedYet):
            approvals.request_approval(work, puppet, tablet, ApprovalAction.PLACE_EVIDENCE_HOLD, "court")
        with pytest.raises(NotTrustedYet):
            bulk.request_bulk_erase(work, puppet, town_id, [tablet.id], "leavers", "RET-1")
        assert puppet.trusted_from == work.now + timedelta(days=1)
    clock.advance(timedelta(days=1))
    with runtime.open_unit_of_work() as work:
        puppet = _enter(work, "puppet")
        assert puppet.trusted_from is None
        approvals.request_approval(work, puppet, tablet, ApprovalAction.PLACE_EVIDENCE_HOLD, "court")


def test_another_administrator_confirms_a_new_account(runtime: Runtime, town_id: UUID) -> None:
    with runtime.open_unit_of_work() as work:
        maker, other = _enter(work, "old"), _enter(work, "other")
        account = _add_account(work, maker, town_id, "new")
        second = _add_account(work, maker, town_id, "second")
        for refused in (maker, _enter(work, "new"), _enter(work, "second")):
            with pytest.raises((SamePerson, NotTrustedYet)):
                trust.confirm_account(work, refused, account.id, town_id)
        assert trust.confirm_account(work, other, account.id, town_id).confirmed_by == other.account_id
        assert _enter(work, "new").trusted_from is None
        assert _enter(work, "second").trusted_from is not None
        trust.confirm_account(work, _enter(work, "new"), other.account_id or uuid4(), town_id)
        assert second.confirmed_at is None


def test_an_account_is_confirmed_only_in_its_town_and_with_the_password(runtime: Runtime, town_id: UUID) -> None:
    with runtime.open_unit_of_work() as work:
        elsewhere = TownFactory(work).create_town().id
        create_account(work, elsewhere, login="stranger")
        account = _add_account(work, _enter(work, "old"), town_id, "new")
        with pytest.raises(NotFound):
            trust.confirm_account(work, _enter(work, "stranger"), account.id, elsewhere)
        with pytest.raises(ReauthenticationRequired):
            trust.confirm_account(
                work, sessions.authenticate_token(work, sign_in(work, "other").token).actor, account.id, town_id
            )


def test_a_new_password_counts_like_a_new_account(runtime: Runtime, clock: ManualClock, town_id: UUID) -> None:
    """Whoever has guessed or reset a password is no second person today."""
    clock.advance(timedelta(days=30))
    with runtime.open_unit_of_work() as work:
        assert sessions.authenticate_token(work, sign_in(work, "old").token).actor.trusted_from is None
        token = choose_password(work, sign_in(work, "old").token, PASSWORD, "another long sentence")
        assert sessions.authenticate_token(work, token).actor.trusted_from == work.now + timedelta(days=1)
        link = links.create_link_for_login(work, "other").url.rpartition("/")[2]
        token = links.set_password(work, link, "a sentence of an intruder", SignInClient(), SessionKind.API).token
        assert sessions.authenticate_token(work, token).actor.trusted_from == work.now + timedelta(days=1)


def test_the_password_counts_for_ten_minutes_and_only_in_its_session(runtime: Runtime, clock: ManualClock, town_id: UUID) -> None:
    with runtime.open_unit_of_work() as work:
        own, other = sign_in(work, "old").token, sign_in(work, "old").token
        assert not sessions.authenticate_token(work, own).actor.reauthenticated, "signing in does not count"
        who = sessions.authenticate_token(work, own)
        assert sessions.reauthenticate(work, who.account, who.session, "not the password") is not None
        assert not sessions.authenticate_token(work, own).actor.reauthenticated
        assert sessions.reauthenticate(work, who.account, who.session, PASSWORD) is None
        assert [sessions.authenticate_token(work, token).actor.reauthenticated for token in (own, other)] == [True, False]
    clock.advance(sessions.REAUTHENTICATION_LIFETIME)
    with runtime.open_unit_of_work() as work:
        assert not sessions.authenticate_token(work, own).actor.reauthenticated
