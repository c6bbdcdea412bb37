"""Several content tokens in a town, each with its schools: where a licence comes from, moves, and two people at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from cartable.clock import ManualClock
from cartable.errors import DomainError, Forbidden, NotFound
from cartable.outbox import Topic
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from enrollment.places.models import Town
from enrollment.tablets.models import Tablet
from mdm.reconcile.service import reconcile_tablets
from mdm.worker.drains import drain
from profiles.apps import licences
from profiles.apps.apps_and_books import service as tokens
from profiles.apps.apps_and_books.testserver import SimulatedLocation, serve
from profiles.apps.errors import ContentTokenExists, ContentTokenNotFound, SchoolHasContentToken
from profiles.apps.licence_rules import ServingTokens, count_missing
from profiles.apps.models import LicenceState, LicenceToken, TokenProblem
from profiles.effective import bundles
from profiles.policy.kinds import PlaceKind
from profiles.policy.places import select_tablets
from tests.profiles.apps.licence_town import ADAM, LicenceTown
from tests.support.licences import build_content_token
from tests.support.world import TownFactory, create_actor


@pytest.fixture
def school_account(clock: ManualClock) -> SimulatedLocation:
    return SimulatedLocation(build_content_token(clock.now(), "Jules-Verne"), {str(ADAM): 2}, uid="u-jules", name="Jules-Verne")


@pytest.fixture
def town_account(clock: ManualClock) -> SimulatedLocation:
    return SimulatedLocation(build_content_token(clock.now()), {str(ADAM): 2})


@pytest.fixture
def other_account(clock: ManualClock) -> SimulatedLocation:
    return SimulatedLocation(build_content_token(clock.now(), "Curie"), {str(ADAM): 4}, uid="u-curie", name="Curie")


@pytest.fixture
def town(
    runtime: Runtime, school_account: SimulatedLocation, town_account: SimulatedLocation, other_account: SimulatedLocation
) -> Iterator[LicenceTown]:
    with serve(school_account, town_account, other_account) as url:
        yield LicenceTown(runtime, url)


def add_school(runtime: Runtime, town: LicenceTown) -> UUID:
    with runtime.open_unit_of_work() as work:
        return TownFactory(work).create_school(work.session.get_one(Town, town.town_id), "École Curie").id


def move_tablet(runtime: Runtime, tablet_id: UUID, school_id: UUID | None) -> None:
    with runtime.open_unit_of_work() as work:
        work.session.get_one(Tablet, tablet_id).school_id = school_id
        work.session.flush()
        reconcile_tablets(work, [tablet_id])


def test_a_licence_comes_from_the_account_of_the_school_then_from_the_towns(
    town: LicenceTown, school_account: SimulatedLocation, town_account: SimulatedLocation
) -> None:
    own, shared = town.install(school_account, [town.school_id]), town.install(town_account)
    assert town.reserve(town.tablet_ids) == set()
    town.sync(own, shared)
    assert school_account.held[str(ADAM)] == set(town.serials[:2])
    assert town_account.held[str(ADAM)] == set(town.serials[2:4])
    assert town.reserve(town.tablet_ids) == set(town.tablet_ids[:4]), "the fifth waits"
    pools = town.list_pools()
    assert [(pools[name].assigned, pools[name].available) for name in ("Jules-Verne", "Ville")] == [(2, 0), (2, 0)]


def test_a_tablet_without_account_of_its_school_takes_from_the_towns_alone(
    runtime: Runtime, town: LicenceTown, school_account: SimulatedLocation, town_account: SimulatedLocation
) -> None:
    own, shared = town.install(school_account, [town.school_id]), town.install(town_account)
    move_tablet(runtime, town.tablet_ids[0], add_school(runtime, town))
    town.reserve(town.tablet_ids[:1])
    town.sync(own, shared)
    assert (school_account.held.get(str(ADAM), set()), town_account.held[str(ADAM)]) == (set(), {town.serials[0]})


def test_a_tablet_that_moves_gives_its_licence_back_and_gets_one_of_its_new_school(
    runtime: Runtime, town: LicenceTown, school_account: SimulatedLocation, other_account: SimulatedLocation
) -> None:
    elsewhere = add_school(runtime, town)
    own, other = town.install(school_account, [town.school_id]), town.install(other_account, [elsewhere])
    with runtime.open_unit_of_work() as work:
        bundles.assign_bundle(
            work,
            SYSTEM,
            bundles.get_bundle(work, SYSTEM, town.bundle_id),
            PlaceKind.TOWN,
            "",
            consent=bundles.Consent(accept_shortage=True),
        )
        reconcile_tablets(work, town.tablet_ids)
    town.sync(own, other)
    moving = next(tablet_id for tablet_id, state in town.load_licences(own).items() if state is LicenceState.ASSIGNED)
    move_tablet(runtime, moving, elsewhere)
    assert town.load_licences(own)[moving] is LicenceState.IN_GRACE
    town.sync(own, other)
    drain(runtime, Topic.RECONCILE)
    town.sync(own, other)
    assert town.load_licences(other) == {moving: LicenceState.ASSIGNED}
    assert len(other_account.held[str(ADAM)]) == 1
    assert len(school_account.held[str(ADAM)]) == 2, "one who waited at the school has got the free licence"
    assert other_account.held[str(ADAM)].isdisjoint(school_account.held[str(ADAM)])


def test_changed_schools_of_a_token_move_licences(
    runtime: Runtime, town: LicenceTown, school_account: SimulatedLocation, other_account: SimulatedLocation
) -> None:
    elsewhere = add_school(runtime, town)
    own, other = town.install(school_account, [town.school_id]), town.install(other_account, [elsewhere])
    town.reserve(town.tablet_ids[:2])
    town.sync(own)
    with runtime.open_unit_of_work() as work:
        with pytest.raises(SchoolHasContentToken):
            tokens.set_token_schools(work, SYSTEM, other, [town.school_id, elsewhere])
        tokens.set_token_schools(work, SYSTEM, own, [])
        tokens.set_token_schools(work, SYSTEM, other, [town.school_id, elsewhere])
        reconcile_tablets(work, town.tablet_ids)
    town.sync(own, other)
    assert school_account.held[str(ADAM)] == set(town.serials[:2]), "the town's own account serves them still"
    with runtime.open_unit_of_work() as work:
        tokens.remove_token(work, SYSTEM, own)
    assert town.reserve(town.tablet_ids) == set()
    town.sync(other)
    assert len(other_account.held[str(ADAM)]) == 4
    assert school_account.held[str(ADAM)] == set(town.serials[:2]), "at Apple they stay until somebody takes them back"


def test_what_is_missing_is_counted_by_school(
    runtime: Runtime, town: LicenceTown, school_account: SimulatedLocation, other_account: SimulatedLocation
) -> None:
    town.install(school_account, [town.school_id])
    town.install(other_account, [add_school(runtime, town)])
    with runtime.open_unit_of_work() as work:
        everywhere = select_tablets(work, town.town_id, PlaceKind.TOWN, "")
        [need] = licences.list_needs(work, town.town_id, [town.identifier], everywhere)
        assert (need.needed, need.owned, need.missing) == (5, 2, 3), "the four of another school help nobody here"


def test_missing_licences_use_the_schools_account_first_and_share_the_towns() -> None:
    first, second, own, shared = (uuid4() for _ in range(4))
    tokens_of_town = ServingTokens(shared, {first: own})
    needed: dict[UUID | None, int] = {first: 5, second: 3, None: 1}
    assert count_missing(needed, tokens_of_town, {own: 4, shared: 3}) == 2
    assert count_missing(needed, tokens_of_town, {own: 9, shared: -2}) == 4
    assert count_missing(needed, ServingTokens(), {None: 2}) == 7


def test_tokens_are_checked_when_they_are_installed(
    runtime: Runtime, clock: ManualClock, town: LicenceTown, school_account: SimulatedLocation, town_account: SimulatedLocation
) -> None:
    own = town.install(school_account, [town.school_id])
    town.install(town_account)
    refused: list[tuple[type[DomainError], str, list[UUID]]] = [
        (ContentTokenExists, school_account.token, []),
        (ContentTokenExists, build_content_token(clock.now(), "another for all"), []),
        (SchoolHasContentToken, build_content_token(clock.now(), "second of a school"), [town.school_id]),
        (NotFound, build_content_token(clock.now(), "of no school"), [uuid4()]),
    ]
    for error, content, school_ids in refused:
        with runtime.open_unit_of_work() as work, pytest.raises(error):
            tokens.install_token(work, SYSTEM, town.town_id, content, school_ids)
    with runtime.open_unit_of_work() as work:
        foreign = create_actor(Role.TOWN_ADMIN, TownFactory(work).create_town("Elsewhere"))
        with pytest.raises(ContentTokenNotFound):
            tokens.remove_token(work, foreign, own)
        head = create_actor(Role.HEAD, work.session.get_one(Town, town.town_id))
        with pytest.raises(Forbidden):
            tokens.take_over_account(work, head, own, "x")


def test_a_token_of_an_account_that_the_town_has_already_serves_nobody(
    clock: ManualClock, runtime: Runtime, town: LicenceTown, town_account: SimulatedLocation, other_account: SimulatedLocation
) -> None:
    first = town.install(town_account)
    other_account.uid = town_account.uid
    second = town.install(other_account, [add_school(runtime, town)])
    assert town.load_token(second).problem is TokenProblem.DUPLICATE_ACCOUNT
    assert (town.load_token(second).read_at, town.load_token(first).problem) == (None, None)


def test_a_renewed_token_must_be_of_the_same_account(
    runtime: Runtime, clock: ManualClock, town: LicenceTown, town_account: SimulatedLocation, other_account: SimulatedLocation
) -> None:
    token_id = town.install(town_account)
    with runtime.open_unit_of_work() as work:
        tokens.renew_token(work, SYSTEM, token_id, other_account.token)
    drain(runtime, Topic.LICENCE_SYNC)
    row = town.load_token(token_id)
    assert (row.problem, row.problem_detail, town.list_pools()["Ville"].total) == (TokenProblem.OTHER_ACCOUNT, "Curie", 2)
    assert other_account.claimed_by is None
    town_account.token = build_content_token(clock.now(), days=500)
    with runtime.open_unit_of_work() as work:
        tokens.renew_token(work, SYSTEM, token_id, town_account.token)
    drain(runtime, Topic.LICENCE_SYNC)
    assert town.load_token(token_id).problem is None


def test_of_two_people_who_install_a_token_for_all_schools_at_once_one_is_refused(
    runtime: Runtime, clock: ManualClock, town: LicenceTown
) -> None:
    def install(name: str) -> str:
        with runtime.open_unit_of_work() as work:
            try:
                tokens.install_token(work, SYSTEM, town.town_id, build_content_token(clock.now(), name))
            except ContentTokenExists as refusal:
                return refusal.code
            return "installed"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(install, ("one", "two"))) == ["content_token_exists", "installed"]
    with runtime.open_unit_of_work() as work:
        assert work.session.query(LicenceToken).count() == 1


def test_two_workers_never_give_out_the_same_last_licence(
    town: LicenceTown, school_account: SimulatedLocation, town_account: SimulatedLocation
) -> None:
    own, shared = town.install(school_account, [town.school_id]), town.install(town_account)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(town.reserve, (town.tablet_ids, town.tablet_ids[::-1])))
    reserved = [*town.load_licences(own), *town.load_licences(shared)]
    assert (len(reserved), len(set(reserved))) == (4, 4)
