"""A head invites a substitute of her school by herself: for one class, some months at most, and gives nothing else."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from cartable.clock import ManualClock
from cartable.errors import Forbidden, NotFound, ReauthenticationRequired
from cartable.scope import Actor, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import SchoolClass
from mdm.accounts import links, roles, substitutes
from mdm.accounts.errors import AccountBeyondOwnRights, LinkUsed, LoginTaken, SubstitutionTooLong
from mdm.accounts.links import NewLink
from mdm.accounts.models import SessionKind
from mdm.accounts.passwords import NO_PASSWORD
from mdm.accounts.repository import AccountRepository
from mdm.accounts.sessions import authenticate_token
from mdm.accounts.sign_in_limits import SignInClient
from tests.support.accounts import create_account
from tests.support.world import TownFactory, create_actor

CLIENT = SignInClient("192.0.2.1", "tests", "")


class Place:
    """Two schools of a town, each with a head and a class."""

    def __init__(self, work: UnitOfWork) -> None:
        world = TownFactory(work)
        self.town = world.create_town()
        school, other = world.create_school(self.town), world.create_school(self.town, "École Simone-Veil")
        self.school_id = school.id
        self.class_id, self.other_class_id = world.create_class(school).id, world.create_class(other).id
        self.head, self.other_head = (create_actor(Role.HEAD, self.town, each) for each in (school, other))
        self.teacher = create_actor(Role.TECHNICIAN, self.town, school)
        self.town_id, self.foreign_town_id = self.town.id, world.create_town("Autreville").id


@pytest.fixture
def place(runtime: Runtime) -> Place:
    with runtime.open_unit_of_work() as work:
        return Place(work)


def invite(runtime: Runtime, actor: Actor, class_id: UUID, login: str = "lea@valmont.example", days: int = 20) -> NewLink | None:
    with runtime.open_unit_of_work() as work:
        return substitutes.invite_substitute(
            work, actor, class_id, login=login, display_name="Léa Petit", ends_at=work.now + timedelta(days=days)
        )


def sign_in(runtime: Runtime, link: NewLink) -> str:
    with runtime.open_unit_of_work() as work:
        token = link.url.rpartition("/")[2]
        return links.set_password(work, token, "a sentence of my own", CLIENT, SessionKind.API).token


def test_a_substitute_signs_in_for_one_class_until_the_last_day(runtime: Runtime, place: Place, clock: ManualClock) -> None:
    link = invite(runtime, place.head, place.class_id)
    assert link is not None
    token = sign_in(runtime, link)
    with runtime.open_unit_of_work() as work:
        [grant] = authenticate_token(work, token).actor.role_assignments
        assert (grant.role, grant.class_id, grant.school_id) == (Role.SUBSTITUTE, place.class_id, place.school_id)
        [(role, account)] = substitutes.list_substitutes(work, place.head, place.school_id)
        assert account.display_name == "Léa Petit"
        assert substitutes.list_substitutes(work, place.other_head, place.school_id) == []
    assert invite(runtime, place.other_head, place.other_class_id) is None, "the account is known, and gets a second class"
    with runtime.open_unit_of_work() as work:
        with pytest.raises(NotFound):
            substitutes.end_substitution(work, place.other_head, role.id)
        substitutes.end_substitution(work, place.head, role.id)
        assert [
            role.class_id for role, _ in substitutes.list_substitutes(work, place.other_head, _other_school(work, place))
        ] == [place.other_class_id]
        assert substitutes.list_substitutes(work, place.head, place.school_id) == []


def _other_school(work: UnitOfWork, place: Place) -> UUID:
    return work.session.get_one(SchoolClass, place.other_class_id).school_id


def test_only_a_head_and_only_for_the_own_school(runtime: Runtime, place: Place) -> None:
    with pytest.raises(NotFound):
        invite(runtime, place.head, place.other_class_id)
    with pytest.raises(Forbidden):
        invite(runtime, place.teacher, place.class_id)
    with pytest.raises(SubstitutionTooLong):
        invite(runtime, place.head, place.class_id, days=101)
    with pytest.raises(Forbidden), runtime.open_unit_of_work() as work:
        roles.check_new_role(work, place.head, Role.HEAD, place.town_id, place.school_id, None)


def test_an_account_of_another_town_stays_unknown(runtime: Runtime, place: Place) -> None:
    with runtime.open_unit_of_work() as work:
        create_account(work, place.foreign_town_id, Role.HELPDESK, "lea@valmont.example")
    with pytest.raises(LoginTaken):
        invite(runtime, place.head, place.class_id)


def test_a_head_renews_only_the_link_of_who_has_no_password_and_no_more_rights(runtime: Runtime, place: Place) -> None:
    link = invite(runtime, place.head, place.class_id)
    assert link is not None
    with runtime.open_unit_of_work() as work:
        [(role, _)] = substitutes.list_substitutes(work, place.head, place.school_id)
        again = substitutes.renew_link(work, place.head, role.id)
        assert again.url != link.url
    sign_in(runtime, again)
    with runtime.open_unit_of_work() as work, pytest.raises(LinkUsed):
        substitutes.renew_link(work, place.head, role.id)
    with runtime.open_unit_of_work() as work:
        admin = create_account(work, place.town_id, Role.TOWN_ADMIN, "admin@valmont.example")
        admin.password_hash, admin.password_changed_at = NO_PASSWORD, None
    assert invite(runtime, place.head, place.class_id, "admin@valmont.example") is None
    with runtime.open_unit_of_work() as work:
        rows = substitutes.list_substitutes(work, place.head, place.school_id)
        [role_id] = [role.id for role, account in rows if account.login.startswith("admin")]
        with pytest.raises(AccountBeyondOwnRights):
            substitutes.renew_link(work, place.head, role_id)


def test_the_password_is_asked_for_once_more(runtime: Runtime, place: Place) -> None:
    head = Actor(place.head.account_id, "head", place.head.role_assignments, reauthenticated=False)
    with pytest.raises(ReauthenticationRequired):
        invite(runtime, head, place.class_id)
    with runtime.open_unit_of_work() as work:
        assert AccountRepository(work.session).get_by_login("lea@valmont.example") is None
