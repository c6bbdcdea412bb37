"""Two administrators change accounts at the same moment: each sees what the other did, and a town keeps an administrator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from cartable.errors import Forbidden
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.accounts import administration, roles
from mdm.accounts import service as accounts
from mdm.accounts.repository import AccountRepository
from tests.support.accounts import PASSWORD
from tests.support.concurrency import run_overlapping
from tests.support.world import TownFactory

#: What one administrator does to another one.
Removal = Callable[[UnitOfWork, Actor, UUID, UUID], object]


@dataclass(frozen=True)
class Administrators:
    """A town and its two administrators."""

    town_id: UUID
    first: Actor
    second: Actor


@pytest.fixture
def people(runtime: Runtime) -> Administrators:
    with runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
        made = [
            accounts.create_account(
                work, SYSTEM, login=login, display_name=login, password=PASSWORD, role=Role.TOWN_ADMIN, town_id=town_id
            )
            for login in ("alix", "bela")
        ]
        actors = [Actor(each.id, each.login, (RoleAssignment(Role.TOWN_ADMIN, town_id),)) for each in made]
    return Administrators(town_id, *actors)


def _revoke_only_role(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> object:
    [role] = AccountRepository(work.session).list_roles(account_id, work.now)
    return roles.revoke_role(work, actor, account_id, role.id, town_id)


@pytest.mark.parametrize("remove", [_revoke_only_role, roles.revoke_roles, administration.disable_account])
def test_two_administrators_who_remove_each_other_leave_one(runtime: Runtime, people: Administrators, remove: Removal) -> None:
    def act(actor: Actor, other: Actor) -> Callable[[UnitOfWork], object]:
        assert other.account_id is not None
        account_id = other.account_id
        return lambda work: remove(work, actor, account_id, people.town_id)

    earlier, later = run_overlapping(runtime, act(people.first, people.second), act(people.second, people.first))
    assert not isinstance(earlier, Forbidden)
    assert isinstance(later, Forbidden)
    with runtime.open_unit_of_work() as work:
        assert AccountRepository(work.session).has_administrator(people.town_id, work.now)


def test_a_role_given_twice_at_once_is_one_role(runtime: Runtime, people: Administrators) -> None:
    with runtime.open_unit_of_work() as work:
        account_id = accounts.create_account(
            work, SYSTEM, login="cleo", display_name="cleo", password=PASSWORD, role=Role.TECHNICIAN, town_id=people.town_id
        ).id

    def act(actor: Actor) -> Callable[[UnitOfWork], object]:
        return lambda work: roles.assign_role(work, actor, account_id, role=Role.DPO, town_id=people.town_id)

    run_overlapping(runtime, act(people.first), act(people.second))
    with runtime.open_unit_of_work() as work:
        held = AccountRepository(work.session).list_roles(account_id, work.now)
        assert sorted(row.role for row in held) == sorted([Role.DPO, Role.TECHNICIAN])


def test_an_administrator_whose_role_ends_later_keeps_the_right_until_then(runtime: Runtime, people: Administrators) -> None:
    """Only what has ended meanwhile counts: a role with an end is as good as one without."""
    first, second = people.first.account_id, people.second.account_id
    assert first is not None
    assert second is not None
    with runtime.open_unit_of_work() as work:
        [role] = AccountRepository(work.session).list_roles(first, work.now)
        role.ends_at = work.now.replace(year=work.now.year + 1)
    with runtime.open_unit_of_work() as work:
        roles.revoke_roles(work, people.first, second, people.town_id)
