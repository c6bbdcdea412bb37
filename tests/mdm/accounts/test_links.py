"""Links by which people choose their password: once, in time, for an account that is on, and never more than their maker may."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

import pytest

from cartable import audit
from cartable.clock import ManualClock
from cartable.errors import DomainError, NotFound, ReauthenticationRequired
from cartable.paging import FIRST_PAGE
from cartable.scope import PERMISSIONS, SYSTEM, Actor, Permission, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import School, Town
from mdm.accounts import administration, links, roles, service, sessions
from mdm.accounts.errors import (
    AccountBeyondOwnRights,
    AccountDisabled,
    LinkExpired,
    LinkReplaced,
    LinkUnknown,
    LinkUsed,
    LoginTaken,
    NotSignedIn,
    OwnAccount,
    RoleBeyondOwnRights,
    WeakPassword,
    WrongCredentials,
)
from mdm.accounts.links import NewLink
from mdm.accounts.models import Account, AccountLink, SessionKind
from mdm.accounts.sessions import SignedIn
from mdm.accounts.sign_in_limits import SignInClient
from tests.support.accounts import PASSWORD, create_account, sign_in
from tests.support.world import TownFactory, create_actor

NEW_PASSWORD = "a long sentence of my own"


class Place:
    """A town with a school and its administrator."""

    def __init__(self, work: UnitOfWork) -> None:
        world = TownFactory(work)
        self.town: Town = world.create_town()
        self.school: School = world.create_school(self.town)
        self.admin: Actor = create_actor(Role.TOWN_ADMIN, self.town)


@pytest.fixture
def place(runtime: Runtime) -> Place:
    with runtime.open_unit_of_work() as work:
        return Place(work)


def _invite(work: UnitOfWork, place: Place, login: str = "new@valmont.example", role: Role = Role.HELPDESK) -> NewLink:
    return links.invite(work, place.admin, login=login, display_name="New", role=role, town_id=place.town.id)


def _choose(work: UnitOfWork, link: NewLink, password: str = NEW_PASSWORD) -> SignedIn:
    return links.set_password(work, link.url.rpartition("/")[2], password, SignInClient(), SessionKind.API)


def test_an_invited_person_chooses_a_password_and_is_signed_in(runtime: Runtime, place: Place) -> None:
    with runtime.open_unit_of_work() as work:
        link = _invite(work, place)
        assert link.url.startswith("https://mdm.test:8443/welcome/")
        with pytest.raises(AssertionError):
            sign_in(work, "new@valmont.example", "!")
        signed_in = _choose(work, link)
        actor = sessions.authenticate_token(work, signed_in.token).actor
        assert actor.role_assignments == (RoleAssignment(Role.HELPDESK, place.town.id),)
        assert actor.trusted_from == work.now + timedelta(days=1)
        sign_in(work, "new@valmont.example", NEW_PASSWORD)
        stored = work.session.get_one(AccountLink, work.session.query(AccountLink).one().id)
        assert link.url.rpartition("/")[2] not in str(vars(stored))
        events = [event.action for event in audit.list_events(work, place.town.id, page=FIRST_PAGE).items]
        assert events == ["account.invite"]


def test_each_refusal_of_a_link_is_another_and_says_what_to_do(runtime: Runtime, place: Place, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        used, replaced, late, disabled = (_invite(work, place, f"person-{number}") for number in range(4))
        _choose(work, used)
        links.create_link(work, place.admin, replaced.account.id, place.town.id)
        administration.disable_account(work, place.admin, disabled.account.id, place.town.id)
        with pytest.raises(WeakPassword):
            _choose(work, late, "short")
        for link, refusal in ((used, LinkUsed), (replaced, LinkReplaced), (disabled, AccountDisabled)):
            with pytest.raises(refusal):
                _choose(work, link)
        with pytest.raises(LinkUnknown):
            links.open_link(work, "ctl_nothing")
    clock.advance(timedelta(days=7))
    with runtime.open_unit_of_work() as work, pytest.raises(LinkExpired):
        _choose(work, late)


def test_a_link_that_two_people_open_at_once_works_for_one(runtime: Runtime, place: Place) -> None:
    with runtime.open_unit_of_work() as work:
        link = _invite(work, place)
    barrier, outcomes = Barrier(2), []

    def choose(password: str) -> None:
        barrier.wait(10)
        try:
            with runtime.open_unit_of_work() as work:
                _choose(work, link, password)
            outcomes.append("signed in")
        except DomainError as refusal:
            outcomes.append(refusal.code)

    threads = [Thread(target=choose, args=(f"the password of thread {number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["link_used", "signed in"]


def test_a_reset_voids_the_password_and_every_session_and_shows_no_password(runtime: Runtime, place: Place) -> None:
    with runtime.open_unit_of_work() as work:
        account = create_account(work, place.town.id, Role.HELPDESK, "helper")
        token = sign_in(work, "helper").token
        link = links.create_link(work, place.admin, account.id, place.town.id)
        with pytest.raises(NotSignedIn):
            sessions.authenticate_token(work, token)
        assert isinstance(service.sign_in(work, "helper", PASSWORD), WrongCredentials)
        _choose(work, link)
        sign_in(work, "helper", NEW_PASSWORD)


def test_nobody_gives_a_role_with_rights_that_they_do_not_hold(
    runtime: Runtime, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that governs accounts but may not erase gives no role that may."""
    monkeypatch.setitem(PERMISSIONS, Role.HELPDESK, frozenset({Permission.GOVERN, Permission.SEE, Permission.CARE}))
    with runtime.open_unit_of_work() as work:
        governor = create_actor(Role.HELPDESK, place.town)
        given = {"display_name": "x", "town_id": place.town.id}
        with pytest.raises(RoleBeyondOwnRights):
            links.invite(work, governor, login="puppet", role=Role.TOWN_ADMIN, **given)  # type: ignore[arg-type]
        equal = links.invite(work, governor, login="equal", role=Role.HELPDESK, **given)  # type: ignore[arg-type]
        with pytest.raises(RoleBeyondOwnRights):
            roles.assign_role(work, governor, equal.account.id, role=Role.TOWN_ADMIN, town_id=place.town.id)
        admin = create_account(work, place.town.id, Role.TOWN_ADMIN, "boss")
        for act in (links.create_link, administration.disable_account):
            with pytest.raises(AccountBeyondOwnRights):
                act(work, governor, admin.id, place.town.id)


def test_an_administrator_opens_no_door_to_another_town(runtime: Runtime, place: Place) -> None:
    with runtime.open_unit_of_work() as work:
        elsewhere = Place(work)
        both = create_account(work, place.town.id, Role.TECHNICIAN, "both")
        roles.add_role(work, SYSTEM, both, Role.TECHNICIAN, elsewhere.town.id, None, None)
        foreign = create_account(work, elsewhere.town.id, Role.TECHNICIAN, "foreign")
        with pytest.raises(AccountBeyondOwnRights):
            links.create_link(work, place.admin, both.id, place.town.id)
        for town in (place.town, elsewhere.town):
            with pytest.raises(DomainError):
                links.create_link(work, place.admin, foreign.id, town.id)
        with pytest.raises(NotFound):
            links.invite(
                work,
                place.admin,
                login="x1",
                display_name="x",
                role=Role.HEAD,
                town_id=place.town.id,
                school_id=elsewhere.school.id,
            )
        with pytest.raises(LoginTaken):
            _invite(work, place, " FOREIGN ")


def test_a_stolen_session_and_the_own_account_are_refused(runtime: Runtime, place: Place) -> None:
    with runtime.open_unit_of_work() as work:
        admin = create_account(work, place.town.id)
        actor = Actor(admin.id, "admin", (RoleAssignment(Role.TOWN_ADMIN, place.town.id),))
        for act in (links.create_link, administration.disable_account, roles.revoke_roles):
            with pytest.raises(OwnAccount):
                act(work, actor, admin.id, place.town.id)
        stolen = Actor(admin.id, "admin", actor.role_assignments, reauthenticated=False)
        with pytest.raises(ReauthenticationRequired):
            links.invite(work, stolen, login="puppet", display_name="x", role=Role.TOWN_ADMIN, town_id=place.town.id)
        other = create_account(work, place.town.id, login="other")
        for act in (links.create_link, administration.disable_account):
            with pytest.raises(ReauthenticationRequired):
                act(work, stolen, other.id, place.town.id)


def test_an_account_is_switched_off_at_once_and_counts_as_new_when_it_is_on_again(
    runtime: Runtime, place: Place, clock: ManualClock
) -> None:
    with runtime.open_unit_of_work() as work:
        account_id = create_account(work, place.town.id, Role.HELPDESK, "helper").id
    clock.advance(timedelta(days=3))
    with runtime.open_unit_of_work() as work:
        token = sign_in(work, "helper").token
        assert sessions.authenticate_token(work, token).actor.trusted_from is None
        administration.disable_account(work, place.admin, account_id, place.town.id)
        with pytest.raises(NotSignedIn):
            sessions.authenticate_token(work, token)
        listed = administration.list_accounts(work, place.admin, place.town.id).items
        assert [(row.account.login, row.account.active, len(row.roles)) for row in listed] == [("helper", False, 1)]
        administration.enable_account(work, place.admin, account_id, place.town.id)
        actor = sessions.authenticate_token(work, sign_in(work, "helper").token).actor
        assert actor.trusted_from == work.now + timedelta(days=1)


def test_roles_are_given_extended_and_ended_one_by_one(runtime: Runtime, place: Place, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        account: Account = create_account(work, place.town.id, Role.HELPDESK, "helper")
        end = work.now + timedelta(days=30)
        for ends_at in (None, end):
            roles.assign_role(
                work, place.admin, account.id, role=Role.HEAD, town_id=place.town.id, school_id=place.school.id, ends_at=ends_at
            )
        summary = administration.get_account(work, place.admin, account.id, place.town.id)
        assert {row.role: row.ends_at for row in summary.roles} == {Role.HELPDESK: None, Role.HEAD: end}
        first = next(row for row in summary.roles if row.role is Role.HELPDESK)
        roles.revoke_role(work, place.admin, account.id, first.id, place.town.id)
        summary = administration.get_account(work, place.admin, account.id, place.town.id)
        assert [row.role for row in summary.roles] == [Role.HEAD]
        with pytest.raises(NotFound):
            roles.revoke_role(work, place.admin, account.id, account.id, place.town.id)


def test_links_are_kept_a_month_so_that_late_comers_read_why(runtime: Runtime, place: Place, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        link = _invite(work, place)
    for days, refusal in ((30, LinkExpired), (8, LinkUnknown)):
        clock.advance(timedelta(days=days))
        with runtime.open_unit_of_work() as work:
            links.purge_links(work)
            with pytest.raises(refusal):
                _choose(work, link)
