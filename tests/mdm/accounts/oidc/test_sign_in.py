"""Signing in at a real provider: who gets in, with which roles, and what every refusal leaves behind, which is nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from cartable.clock import ManualClock
from cartable.errors import DomainError, Forbidden, NotFound, ReauthenticationRequired
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from mdm.accounts import administration, roles, sessions
from mdm.accounts.errors import AccountDisabled, RoleBeyondOwnRights
from mdm.accounts.models import Account, AccountSession, SessionKind
from mdm.accounts.oidc import providers, service
from mdm.accounts.oidc.errors import (
    ClocksDiffer,
    IdentityTaken,
    IssuerInUse,
    NoRoleAtProvider,
    ProviderMismatch,
    ProviderRefusal,
    ProviderUnreachable,
    SignInNotBegun,
    UnsafeIssuer,
)
from mdm.accounts.oidc.models import ExternalIdentity, IdentityProvider
from mdm.accounts.oidc.service import FinishedSignIn
from mdm.accounts.sign_in_limits import UNKNOWN_CLIENT
from tests.support.accounts import create_account, sign_in
from tests.support.identity_provider import sign_in_at_provider, start_identity_provider
from tests.support.server import find_free_port
from tests.support.world import TownFactory, create_actor

pytestmark = pytest.mark.one_database


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with start_identity_provider() as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    """The provider has the machine's clock."""
    return ManualClock(datetime.now(UTC))


class Town:
    """A town with a provider whose group *desk* gives the role of the helpdesk."""

    def __init__(self, runtime: Runtime, issuer: str) -> None:
        self.runtime = runtime
        runtime.settings = runtime.settings.model_copy(update={"allow_private_addresses": True})
        with runtime.open_unit_of_work() as work:
            self.town = TownFactory(work).create_town()
            self.admin = create_actor(Role.TOWN_ADMIN, self.town)
            self.provider = providers.create_provider(
                work, self.admin, self.town.id, name="Valmont", issuer=issuer, client_id="cartable", client_secret="a secret"
            )
            self.mapping = providers.map_group(work, self.admin, self.provider.id, claim_value="desk", role=Role.HELPDESK)
            create_account(work, self.town.id, Role.TOWN_ADMIN, "admin@valmont.example")

    def sign_in(self, subject: str = "ada", *, link_session_id: UUID | None = None) -> FinishedSignIn:
        url, cookie = service.begin_sign_in(self.runtime, self.provider.id, "/desk", link_session_id)
        return service.finish_sign_in(self.runtime, cookie, sign_in_at_provider(url, subject), UNKNOWN_CLIENT)

    def authenticate(self, finished: FinishedSignIn) -> sessions.Authentication:
        assert finished.signed_in is not None
        with self.runtime.open_unit_of_work() as work:
            return sessions.authenticate_token(work, finished.signed_in.token, SessionKind.CONSOLE)

    def count(self) -> tuple[int, int, int]:
        """How many accounts, sessions and links with people elsewhere there are."""
        with self.runtime.open_unit_of_work() as work:
            accounts, opened, linked = (
                work.session.scalar(select(func.count()).select_from(table))
                for table in (Account, AccountSession, ExternalIdentity)
            )
            return accounts or 0, opened or 0, linked or 0


@pytest.fixture
def town(runtime: Runtime, issuer: str) -> Town:
    return Town(runtime, issuer)


def test_who_comes_for_the_first_time_gets_an_account_with_the_roles_of_the_groups(town: Town) -> None:
    finished = town.sign_in()
    assert finished.then == "/desk"
    who = town.authenticate(finished)
    assert who.actor.name == "Ada Byron"
    assert who.actor.role_assignments == (RoleAssignment(Role.HELPDESK, town.town.id),)
    assert who.account.email == "ada@valmont.example"
    assert who.actor.trusted_from is not None, "no second person today"
    again = town.authenticate(town.sign_in())
    assert again.account.id == who.account.id
    assert town.count()[0] == 2


def test_roles_follow_the_groups_at_each_sign_in_and_what_people_gave_stays(town: Town) -> None:
    account_id = town.authenticate(town.sign_in()).account.id
    with town.runtime.open_unit_of_work() as work:
        providers.unmap_group(work, town.admin, town.provider.id, town.mapping.id)
        providers.map_group(work, town.admin, town.provider.id, claim_value="others", role=Role.TECHNICIAN)
    assert [role.role for role in town.authenticate(town.sign_in()).actor.role_assignments] == [Role.TECHNICIAN]
    with town.runtime.open_unit_of_work() as work:
        roles.assign_role(work, town.admin, account_id, role=Role.DPO, town_id=town.town.id)
        for _, mappings in providers.list_providers(work, town.admin, town.town.id).items:
            providers.unmap_group(work, town.admin, town.provider.id, mappings[0].id)
    assert [role.role for role in town.authenticate(town.sign_in()).actor.role_assignments] == [Role.DPO]


def test_nobody_gets_an_account_by_its_email(town: Town) -> None:
    """Bob says that he has the e-mail of the administrator, and is in no group with a role."""
    before = town.count()
    with pytest.raises(NoRoleAtProvider):
        town.sign_in("bob")
    assert town.count() == before
    with town.runtime.open_unit_of_work() as work:
        providers.map_group(work, town.admin, town.provider.id, claim_value="guests", role=Role.HELPDESK)
    who = town.authenticate(town.sign_in("bob"))
    assert who.account.login != "admin@valmont.example"
    assert [role.role for role in who.actor.role_assignments] == [Role.HELPDESK]
    assert who.account.email is None, "the provider has not verified it"


def test_an_account_is_linked_from_inside_and_only_one_with_each_person(town: Town, clock: ManualClock) -> None:
    clock.advance(timedelta(seconds=1))
    with town.runtime.open_unit_of_work() as work:
        token = sign_in(work, "admin@valmont.example", kind=SessionKind.CONSOLE).token
        who = sessions.authenticate_token(work, token, SessionKind.CONSOLE)
    assert town.sign_in("bob", link_session_id=who.session.id).signed_in is None
    entered = town.authenticate(town.sign_in("bob"))
    assert entered.account.id == who.account.id
    assert entered.actor.trusted_from is not None, "another way in counts as a changed factor"
    town.sign_in("ada")
    with pytest.raises(IdentityTaken):
        town.sign_in("ada", link_session_id=who.session.id)
    with town.runtime.open_unit_of_work() as work:
        sessions.end_session(work, who.account, who.session.id)
    with pytest.raises(SignInNotBegun):
        town.sign_in("carol", link_session_id=who.session.id)


def test_answers_that_do_not_belong_to_a_begun_sign_in_are_refused(town: Town, clock: ManualClock) -> None:
    before = town.count()
    url, cookie = service.begin_sign_in(town.runtime, town.provider.id, "/")
    answer = sign_in_at_provider(url, "ada")
    for wrong_cookie, wrong_answer in (
        ("", answer),
        ("é", answer),
        (cookie[:-6], answer),
        (cookie, {**answer, "state": "another"}),
        (cookie, {**answer, "iss": "https://another.example"}),
        (service.begin_sign_in(town.runtime, town.provider.id, "/")[1], answer),
    ):
        with pytest.raises(SignInNotBegun):
            service.finish_sign_in(town.runtime, wrong_cookie, wrong_answer, UNKNOWN_CLIENT)
    state = {"state": answer["state"]}
    for refused in ({**state, "error": "access_denied"}, {**state, "code": "invented"}, state):
        with pytest.raises(ProviderRefusal):
            service.finish_sign_in(town.runtime, cookie, refused, UNKNOWN_CLIENT)
    assert town.count() == before
    service.finish_sign_in(town.runtime, cookie, answer, UNKNOWN_CLIENT)
    with pytest.raises(ProviderRefusal):
        service.finish_sign_in(town.runtime, cookie, answer, UNKNOWN_CLIENT)
    clock.advance(timedelta(minutes=10))
    with pytest.raises(SignInNotBegun):
        service.finish_sign_in(town.runtime, cookie, answer, UNKNOWN_CLIENT)


def test_the_code_of_one_sign_in_does_not_end_another(town: Town) -> None:
    """Whoever slips in a code from elsewhere has not the nonce of this sign-in."""
    foreign = sign_in_at_provider(service.begin_sign_in(town.runtime, town.provider.id, "/")[0], "ada")
    url, cookie = service.begin_sign_in(town.runtime, town.provider.id, "/")
    own = sign_in_at_provider(url, "ada")
    with pytest.raises(DomainError) as caught:
        service.finish_sign_in(town.runtime, cookie, {**own, "code": foreign["code"]}, UNKNOWN_CLIENT)
    assert caught.value.code in {"unverifiable_token", "provider_refusal"}


def test_a_clock_that_is_off_is_named(town: Town, clock: ManualClock) -> None:
    before = town.count()
    clock.advance(timedelta(days=-1))
    with pytest.raises(ClocksDiffer) as caught:
        town.sign_in()
    assert 86_000 < int(str(caught.value.details["seconds"])) < 86_800
    assert town.count() == before


def test_a_provider_that_is_down_or_another_one_is_said_so(town: Town, issuer: str) -> None:
    for address, refusal in (
        (f"http://localhost:{find_free_port()}", ProviderUnreachable),
        (f"{issuer}/nothing", ProviderUnreachable),
        (issuer.replace("localhost", "127.0.0.1"), None),
        (f"{issuer}/", ProviderMismatch),
    ):
        with town.runtime.open_unit_of_work() as work:
            work.session.get_one(IdentityProvider, town.provider.id).issuer = address
        if refusal is None:
            continue
        with pytest.raises(refusal):
            service.begin_sign_in(town.runtime, town.provider.id, "/")


def test_a_disabled_account_and_a_disabled_provider_let_nobody_in(town: Town) -> None:
    account = town.authenticate(town.sign_in()).account
    with town.runtime.open_unit_of_work() as work:
        administration.disable_account(work, SYSTEM, account.id, town.town.id)
    with pytest.raises(AccountDisabled):
        town.sign_in()
    with town.runtime.open_unit_of_work() as work:
        providers.set_provider_active(work, town.admin, town.provider.id, active=False)
    with pytest.raises(NotFound):
        town.sign_in()


def test_a_town_enters_no_provider_in_a_private_network_unless_the_operator_allows_it(town: Town) -> None:
    town.runtime.settings = town.runtime.settings.model_copy(update={"allow_private_addresses": False})
    with town.runtime.open_unit_of_work() as work:
        for issuer in ("http://login.example", "https://10.0.0.1", "https://user@login.example", "https://[::1]/", "nonsense"):
            with pytest.raises(UnsafeIssuer):
                providers.create_provider(work, town.admin, town.town.id, name="x", issuer=issuer, client_id="x")
    with town.runtime.open_unit_of_work() as work:
        work.session.get_one(IdentityProvider, town.provider.id).issuer = "https://localhost:1"
    with pytest.raises(ProviderUnreachable):
        service.begin_sign_in(town.runtime, town.provider.id, "/")


def test_only_who_governs_enters_providers_and_maps_what_they_hold(town: Town) -> None:
    with town.runtime.open_unit_of_work() as work:
        given = {"name": "x", "issuer": "https://login.example", "client_id": "x"}
        with pytest.raises(Forbidden):
            providers.create_provider(work, create_actor(Role.TECHNICIAN, town.town), town.town.id, **given)
        stolen = Actor(town.admin.account_id, "x", town.admin.role_assignments, reauthenticated=False)
        with pytest.raises(ReauthenticationRequired):
            providers.create_provider(work, stolen, town.town.id, **given)
        stranger = create_actor(Role.TOWN_ADMIN, TownFactory(work).create_town())
        for act in (
            lambda: providers.map_group(work, stranger, town.provider.id, claim_value="x", role=Role.HELPDESK),
            lambda: providers.unmap_group(work, stranger, town.provider.id, town.mapping.id),
            lambda: providers.set_provider_active(work, stranger, town.provider.id, active=False),
        ):
            with pytest.raises(NotFound):
                act()
        with pytest.raises((RoleBeyondOwnRights, Forbidden, DomainError)):
            providers.map_group(work, town.admin, town.provider.id, claim_value="x", role=Role.OPERATOR)


def test_a_provider_is_changed_and_its_issuer_only_before_anybody_has_signed_in(town: Town, issuer: str) -> None:
    facts = {"name": "Ville", "client_id": "other", "scopes": "profile", "claim": "groups"}
    with town.runtime.open_unit_of_work() as work:
        changed = providers.update_provider(work, town.admin, town.provider.id, issuer="http://localhost:9", **facts)
        assert (changed.client_id, changed.scopes, changed.client_secret) == ("other", "openid profile", "a secret")
        providers.update_provider(work, town.admin, town.provider.id, issuer=issuer, client_secret="new", **facts)
    town.sign_in()
    with town.runtime.open_unit_of_work() as work:
        assert work.session.get_one(IdentityProvider, town.provider.id).client_secret == "new"
        with pytest.raises(IssuerInUse):
            providers.update_provider(work, town.admin, town.provider.id, issuer="http://localhost:9", **facts)
        stranger = create_actor(Role.TOWN_ADMIN, TownFactory(work).create_town("Autreville"))
        with pytest.raises(NotFound):
            providers.update_provider(work, stranger, town.provider.id, issuer=issuer, **facts)
