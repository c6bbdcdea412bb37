"""The operator makes towns and appoints the first administrator of each; the first account of a server has a link until it has a password."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cartable.errors import Forbidden
from cartable.ids import new_id
from cartable.scope import SYSTEM, Actor, Permission, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.places.towns import create_town
from mdm.accounts import links
from mdm.accounts.errors import LinkExpired, LinkReplaced, LinkUsed
from mdm.accounts.models import SessionKind
from mdm.accounts.operators import TownHasAdministrator, appoint_administrator, create_own_town, ensure_first_account
from mdm.accounts.repository import AccountRepository
from mdm.accounts.sessions import authenticate_token
from mdm.accounts.sign_in_limits import SignInClient
from tests.support.accounts import PASSWORD
from tests.support.world import TownFactory, create_actor

OPERATOR = Actor(new_id(), "operator", (RoleAssignment(Role.OPERATOR, None),))
CLIENT = SignInClient("192.0.2.1", "tests", "")


def read_token(url: str) -> str:
    return url.rpartition("/")[2]


def test_the_first_account_has_a_link_until_it_has_a_password(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        first = ensure_first_account(work, None)
        second = ensure_first_account(work, None)
        assert first is not None
        assert second is not None
        with pytest.raises(LinkReplaced):
            links.open_link(work, read_token(first.url))
        signed_in = links.set_password(work, read_token(second.url), PASSWORD, CLIENT, SessionKind.CONSOLE)
        with pytest.raises(LinkUsed):
            links.set_password(work, read_token(second.url), PASSWORD, CLIENT, SessionKind.CONSOLE)
        assert ensure_first_account(work, None) is None
        actor = authenticate_token(work, signed_in.token, SessionKind.CONSOLE).actor
        assert actor.operates()
        assert actor.list_own_towns() == set()
        town = create_own_town(work, actor, name="Clamart")
        actor = authenticate_token(work, signed_in.token, SessionKind.CONSOLE).actor
        assert actor.has_permission(Permission.GOVERN, town.id)


def test_the_first_link_expires(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        link = ensure_first_account(work, None)
        assert link is not None
        work.now += timedelta(days=7, seconds=1)
        with pytest.raises(LinkExpired):
            links.open_link(work, read_token(link.url))
        assert ensure_first_account(work, None) is not None, "the next start prints another"


def test_with_the_demonstration_the_first_account_administers_it(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = create_town(work, SYSTEM, name="Valmont")
        link = ensure_first_account(work, town.id)
        assert link is not None
        roles = AccountRepository(work.session).list_roles(link.account.id, work.now)
        assert {(role.role, role.town_id) for role in roles} == {(Role.OPERATOR, None), (Role.TOWN_ADMIN, town.id)}


def test_a_server_with_accounts_gets_no_first_one(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        links.invite_operator(work, "somebody", "Somebody")
        assert ensure_first_account(work, None) is None


def test_the_operator_appoints_the_first_administrator_alone(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        with pytest.raises(Forbidden):
            appoint_administrator(work, create_actor(Role.TOWN_ADMIN, town), town.id, login="a", display_name="A")
        link = appoint_administrator(work, OPERATOR, town.id, login="claire", display_name="Claire")
        assert link.account.created_by == OPERATOR.account_id, "no second person for the operator"
        with pytest.raises(TownHasAdministrator):
            appoint_administrator(work, OPERATOR, town.id, login="mine", display_name="Mine")
        with pytest.raises(Forbidden):
            links.create_link(work, OPERATOR, link.account.id, town.id)
