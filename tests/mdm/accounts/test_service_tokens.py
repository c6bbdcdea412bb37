"""Tokens of programs: some permissions, an end, never more than their maker may, and never what asks for a person."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable import audit
from cartable.clock import ManualClock
from cartable.errors import Invalid, NotFound, NotTrustedYet, ReauthenticationRequired
from cartable.scope import Actor, Permission, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.accounts import administration, roles, service_tokens, sessions
from mdm.accounts.errors import NotSignedIn, TokenTooLong, TokenTooStrong
from mdm.accounts.models import Account, ServiceToken
from mdm.accounts.service_tokens import NewServiceToken
from tests.support.accounts import create_account
from tests.support.world import TownFactory, create_actor


class Town:
    """A town with an administrator who makes tokens."""

    def __init__(self, work: UnitOfWork) -> None:
        self.town = TownFactory(work).create_town()
        self.account: Account = create_account(work, self.town.id)
        self.admin = Actor(self.account.id, "admin", (RoleAssignment(Role.TOWN_ADMIN, self.town.id),))

    def create(self, work: UnitOfWork, *permissions: Permission, days: int = 30, role: Role = Role.TECHNICIAN) -> NewServiceToken:
        return service_tokens.create_service_token(
            work, self.admin, self.town.id, name="Export", role=role, permissions=permissions or (Permission.SEE,),
            expires_at=work.now + timedelta(days=days),
        )  # fmt: skip


@pytest.fixture
def town(runtime: Runtime) -> Town:
    with runtime.open_unit_of_work() as work:
        return Town(work)


def _is_valid(work: UnitOfWork, token: str) -> bool:
    try:
        service_tokens.authenticate_program(work, token)
    except NotSignedIn:
        return False
    return True


def test_a_token_may_what_was_chosen_and_nothing_else(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        created = town.create(work, Permission.SEE, Permission.ROSTER)
        actor = service_tokens.authenticate_program(work, created.token)
        assert {each for each in Permission if actor.has_permission(each, town.town.id)} == {Permission.SEE, Permission.ROSTER}
        assert not actor.has_permission(Permission.SEE, UUID(int=1))
        assert actor.list_permitted_towns(Permission.SEE) == {town.town.id}
        assert actor.list_permitted_towns(Permission.CARE) == set()
        assert actor.name == "Export (admin)"
        with pytest.raises(ReauthenticationRequired):
            actor.require_reauthentication()
        with pytest.raises(NotTrustedYet):
            actor.require_trust(work.now)
        stored = work.session.scalars(select(ServiceToken)).one()
        assert created.token not in str(vars(stored))
        assert "service_token.create" in {event.action for event in audit.list_events(work, town.town.id).items}


def test_no_token_erases_governs_or_lasts_for_ever(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        for permission in (Permission.DESTROY, Permission.GOVERN):
            with pytest.raises(TokenTooStrong):
                town.create(work, Permission.SEE, permission, role=Role.TOWN_ADMIN)
        with pytest.raises(TokenTooStrong):
            town.create(work, Permission.PRIVACY)
        with pytest.raises(TokenTooLong):
            town.create(work, days=service_tokens.MAX_DAYS + 1)
        with pytest.raises(Invalid):
            town.create(work, days=0)
        stolen = Actor(town.account.id, "admin", town.admin.role_assignments, reauthenticated=False)
        with pytest.raises(ReauthenticationRequired):
            service_tokens.create_service_token(
                work, stolen, town.town.id, name="x", role=Role.TECHNICIAN, permissions=[Permission.SEE],
                expires_at=work.now + timedelta(days=1),
            )  # fmt: skip


def test_a_token_ends_at_its_time_when_it_is_revoked_and_when_its_maker_may_no_more(
    runtime: Runtime, town: Town, clock: ManualClock
) -> None:
    with runtime.open_unit_of_work() as work:
        short, revoked, kept = (town.create(work, days=days) for days in (1, 30, 30))
        assert all(_is_valid(work, each.token) for each in (short, revoked, kept))
        service_tokens.revoke_service_token(work, town.admin, revoked.row.id)
        assert not _is_valid(work, revoked.token)
        stranger = create_actor(Role.TOWN_ADMIN, TownFactory(work).create_town())
        with pytest.raises(NotFound):
            service_tokens.revoke_service_token(work, stranger, kept.row.id)
    clock.advance(timedelta(days=1))
    with runtime.open_unit_of_work() as work:
        assert [_is_valid(work, each.token) for each in (short, kept)] == [False, True]
        listed = service_tokens.list_service_tokens(work, town.admin, town.town.id).items
        assert {row.last_used_at for row, _ in listed} == {work.now, work.now - timedelta(days=1)}
        other = create_actor(Role.TOWN_ADMIN, town.town)
        roles.assign_role(work, other, town.account.id, role=Role.HELPDESK, town_id=town.town.id)
        admin_role = next(
            row
            for row in administration.get_account(work, other, town.account.id, town.town.id).roles
            if row.role is Role.TOWN_ADMIN
        )
        roles.revoke_role(work, other, town.account.id, admin_role.id, town.town.id)
        assert not _is_valid(work, kept.token), "whoever made it could not make it any more"
        roles.assign_role(work, other, town.account.id, role=Role.TOWN_ADMIN, town_id=town.town.id)
        assert _is_valid(work, kept.token)
        administration.disable_account(work, other, town.account.id, town.town.id)
        assert not _is_valid(work, kept.token)


def test_a_token_is_no_session_and_a_session_of_the_console_no_token(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        token = town.create(work).token
        with pytest.raises(NotSignedIn):
            sessions.authenticate_token(work, token)
        assert not _is_valid(work, "ctk_nothing")
        assert not _is_valid(work, "cts_nothing")
