"""Bundles by place and use, and licences: counted, reserved, short before publishing; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import load_facts
from enrollment.places.models import Grade
from enrollment.tablets.models import Tablet
from mdm.reconcile.bundle_status import get_bundle_status
from mdm.reconcile.models import AppReason, AppState, TabletApp
from mdm.reconcile.repository import ReconcileRepository
from mdm.reconcile.service import reconcile_tablets
from profiles.apps import licences
from profiles.apps.errors import LicencesShort
from profiles.apps.models import App
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.effective.desired_states import compute_desired_states
from profiles.effective.errors import RisksNotConfirmed
from profiles.effective.explain import explain
from profiles.policy.documents import open_document
from profiles.policy.errors import UnknownPlace
from profiles.policy.kinds import AppUse, PlaceKind, StageKind, VersionState
from profiles.policy.places import select_tablets
from profiles.policy.reachability import ReachabilityRule
from profiles.policy.repository import PolicyRepository
from tests.support.installation import install
from tests.support.world import TownFactory


class BundleTown:
    """A class of two grades: two CE1, three CE2; a store app and its bundle. `token_id`: the town's content token, if it has one."""

    token_id: UUID

    def __init__(self, work: UnitOfWork) -> None:
        world = TownFactory(work)
        self.town = world.create_town()
        self.school = world.create_school(self.town)
        self.school_class = world.create_class(self.school, "CE1-CE2")
        self.tablets: list[Tablet] = []
        for level in (Grade.CE1, Grade.CE1, Grade.CE2, Grade.CE2, Grade.CE2):
            tablet = world.create_tablet(self.town)
            world.lend_tablet(tablet, world.create_pupil(self.school_class, level))
            world.enroll_tablet(tablet)
            self.tablets.append(tablet)
        self.app = self.new_app(work, "ScratchJr", 895485086)
        self.bundle = bundles.create_bundle(work, SYSTEM, self.town.id, "Code", [self.app.id])

    def new_app(self, work: UnitOfWork, name: str, number: int) -> App:
        identifier = f"fr.test.{name.lower()}"
        return create_app(
            work, SYSTEM, self.town.id, name=name, bundle_identifier=identifier, app_store_id=number, manifest_url=None
        )

    @property
    def ids(self) -> list[UUID]:
        return [tablet.id for tablet in self.tablets]


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    install(runtime)
    with runtime.open_unit_of_work() as opened:
        yield opened


@pytest.fixture
def place(work: UnitOfWork) -> BundleTown:
    return BundleTown(work)


def wanted(work: UnitOfWork, place: BundleTown) -> list[int]:
    """How many apps each tablet should have."""
    found = compute_desired_states(work, load_facts(work, place.ids).values())
    return [len(found[tablet_id].apps) for tablet_id in place.ids]


def needs(work: UnitOfWork, place: BundleTown, kind: PlaceKind, target: str) -> list[licences.LicenceNeed]:
    """What requiring the bundle in a place would need."""
    tablets = select_tablets(work, place.town.id, kind, target)
    return licences.list_needs(work, place.town.id, [place.app.bundle_identifier], tablets)


def allowed(work: UnitOfWork, tablet_id: UUID) -> list[str]:
    value = explain(work, load_facts(work, [tablet_id])[tablet_id]).settings["allowListedAppBundleIDs"].value
    return list(value)


def test_in_a_class_of_two_grades_the_pupils_level_decides(work: UnitOfWork, place: BundleTown) -> None:
    bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.GRADE, "CE2")
    assert wanted(work, place) == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("kind", [PlaceKind.TOWN, PlaceKind.SCHOOL, PlaceKind.CLASS])
def test_a_bundle_goes_to_a_town_a_school_or_a_class(work: UnitOfWork, place: BundleTown, kind: PlaceKind) -> None:
    target = {PlaceKind.TOWN: "", PlaceKind.SCHOOL: str(place.school.id), PlaceKind.CLASS: str(place.school_class.id)}[kind]
    bundles.assign_bundle(work, SYSTEM, place.bundle, kind, target)
    assert wanted(work, place) == [1] * 5
    bundles.unassign_bundle(work, SYSTEM, place.bundle, kind, target)
    assert wanted(work, place) == [0] * 5


def test_available_is_allowed_and_not_installed_and_blocked_goes_before_all(work: UnitOfWork, place: BundleTown) -> None:
    identifier = place.app.bundle_identifier
    bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.TOWN, "", AppUse.AVAILABLE)
    assert wanted(work, place) == [0] * 5
    assert identifier in allowed(work, place.ids[0])
    bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.GRADE, "CE2")
    bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.CLASS, str(place.school_class.id), AppUse.BLOCKED)
    assert wanted(work, place) == [0] * 5
    found = explain(work, load_facts(work, [place.ids[4]])[place.ids[4]]).settings
    assert found["blockedAppBundleIDs"].value == [identifier]


def test_targets_must_exist_and_fit(work: UnitOfWork, place: BundleTown) -> None:
    elsewhere = TownFactory(work).create_school(TownFactory(work).create_town())
    for kind, target in ((PlaceKind.SCHOOL, str(elsewhere.id)), (PlaceKind.GRADE, "6e"), (PlaceKind.CLASS, "none")):
        with pytest.raises(UnknownPlace):
            bundles.assign_bundle(work, SYSTEM, place.bundle, kind, target)


def test_a_shortage_is_shown_before_publishing_and_may_be_accepted(work: UnitOfWork, place: BundleTown) -> None:
    licences.set_pool_total(work, SYSTEM, place.app.id, 2)
    [need] = needs(work, place, PlaceKind.GRADE, "CE2")
    assert (need.needed, need.owned, need.free, need.missing) == (3, 2, 2, 1)
    with pytest.raises(LicencesShort) as refusal:
        bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.GRADE, "CE2")
    assert refusal.value.details["missing"] == 1
    assert wanted(work, place) == [0] * 5, "nothing was saved"
    bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.GRADE, "CE2", consent=bundles.Consent(accept_shortage=True))
    reconcile_tablets(work, place.ids)
    rows = work.session.query(TabletApp).all()
    assert sorted(row.reason for row in rows) == [AppReason.NO_LICENCE, AppReason.WAITING_CONTACT, AppReason.WAITING_CONTACT]
    [pool] = licences.list_pools(work, SYSTEM, place.town.id)
    assert (pool.reserved, pool.available) == (2, 0)
    assert ReconcileRepository(work.session).count_waiting_for_licence(SYSTEM, place.town.id) == {
        (place.app.id, place.school.id, Grade.CE2): 1
    }


def test_bought_licences_reach_who_waited(work: UnitOfWork, place: BundleTown) -> None:
    licences.set_pool_total(work, SYSTEM, place.app.id, 2)
    bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.GRADE, "CE2", consent=bundles.Consent(accept_shortage=True))
    reconcile_tablets(work, place.ids)
    licences.set_pool_total(work, SYSTEM, place.app.id, 3)
    reconcile_tablets(work, place.ids)
    assert {row.reason for row in work.session.query(TabletApp)} == {AppReason.WAITING_CONTACT}


def test_a_released_licence_is_free_at_once_and_in_grace_for_thirty_days(
    work: UnitOfWork, place: BundleTown, clock: ManualClock, runtime: Runtime
) -> None:
    licences.set_pool_total(work, SYSTEM, place.app.id, 1)
    first, second = place.ids[2], place.ids[3]
    assert licences.reserve_licences(work, place.town.id, place.app.id, [first, second]) == {first}
    licences.mark_assigned(work, place.app.id, first)
    licences.release_licence(work, place.app.id, first)
    work.session.flush()
    assert licences.reserve_licences(work, place.town.id, place.app.id, [second]) == {second}
    [pool] = licences.list_pools(work, SYSTEM, place.town.id)
    assert (pool.assigned, pool.reserved, pool.in_grace, pool.available) == (0, 1, 1, 0)
    work.now += timedelta(days=31)
    [pool] = licences.list_pools(work, SYSTEM, place.town.id)
    assert pool.in_grace == 0


def test_an_app_without_a_pool_is_not_counted(work: UnitOfWork, place: BundleTown) -> None:
    assert needs(work, place, PlaceKind.TOWN, "") == []
    assert licences.reserve_licences(work, place.town.id, place.app.id, place.ids) == set(place.ids)


def test_a_bundle_that_hides_settings_passes_the_checks_of_rules(work: UnitOfWork, place: BundleTown) -> None:
    settings_app = create_app(
        work,
        SYSTEM,
        place.town.id,
        name="Réglages",
        bundle_identifier="com.apple.Preferences",
        app_store_id=None,
        manifest_url=None,
    )
    hidden = bundles.create_bundle(work, SYSTEM, place.town.id, "Hidden", [settings_app.id])
    with pytest.raises(RisksNotConfirmed) as refusal:
        bundles.assign_bundle(work, SYSTEM, hidden, PlaceKind.GRADE, "CE2", AppUse.BLOCKED)
    assert refusal.value.findings[0].risk.rule is ReachabilityRule.SETTINGS_APP_HIDDEN
    consent = bundles.Consent(confirmation=str(refusal.value.details["confirmation"]))
    bundles.assign_bundle(work, SYSTEM, hidden, PlaceKind.GRADE, "CE2", AppUse.BLOCKED, consent=consent)
    document = open_document(work, SYSTEM, place.town.id, PlaceKind.GRADE, "CE2")
    rolling = PolicyRepository(work.session).get_version_in_state(document, VersionState.ROLLING)
    assert rolling is not None, "what could cut tablets off goes by stages"
    assert rolling.stage is StageKind.TABLET


def test_a_bundle_in_use_that_takes_settings_in_passes_the_checks_too(work: UnitOfWork, place: BundleTown) -> None:
    settings_app = create_app(
        work,
        SYSTEM,
        place.town.id,
        name="Réglages",
        bundle_identifier="com.apple.Preferences",
        app_store_id=None,
        manifest_url=None,
    )
    bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.TOWN, "", AppUse.BLOCKED)
    with pytest.raises(RisksNotConfirmed):
        bundles.change_bundle(work, SYSTEM, place.bundle, [place.app.id, settings_app.id], reason="more")


def test_each_tablet_that_a_bundle_counts_is_complete_or_explained(work: UnitOfWork, place: BundleTown) -> None:
    bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.TOWN, "")
    world = TownFactory(work)
    never_enrolled = world.create_tablet(place.town)
    world.lend_tablet(never_enrolled, world.create_pupil(place.school_class, Grade.CE2))
    reconcile_tablets(work, [*place.ids, never_enrolled.id])
    row = work.session.get_one(TabletApp, (place.ids[0], place.app.id))
    row.state = AppState.INSTALLED
    work.session.flush()
    status = get_bundle_status(work, SYSTEM, bundles.describe_bundle(work, place.bundle))
    assert (status.tablets, status.complete, status.undecided) == (6, 1, 1)
    assert {each.tablet_id for each in status.missing} == set(place.ids[1:])
    assert sum(status.reasons.values()) == 4


@pytest.mark.parametrize("narrower", [PlaceKind.CLASS, PlaceKind.GRADE])
def test_a_tablet_whose_narrower_place_blocks_an_app_is_blocked_and_not_undecided(
    work: UnitOfWork, place: BundleTown, narrower: PlaceKind
) -> None:
    bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.TOWN, "")
    target = str(place.school_class.id) if narrower is PlaceKind.CLASS else "CE2"
    bundles.assign_bundle(work, SYSTEM, place.bundle, narrower, target, AppUse.BLOCKED)
    tablets = 5 if narrower is PlaceKind.CLASS else 3
    reconcile_tablets(work, place.ids)
    status = get_bundle_status(work, SYSTEM, bundles.describe_bundle(work, place.bundle))
    assert (status.tablets, status.undecided, list(status.blocked.values())) == (5, 0, [tablets])
    label = next(iter(status.blocked))
    assert label == "grade CE2" if narrower is PlaceKind.GRADE else label.partition(" ")[0] == narrower.value
    assert sum(status.reasons.values()) == 5 - tablets


def test_a_bundle_that_is_only_offered_misses_on_no_tablet(work: UnitOfWork, place: BundleTown) -> None:
    bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.TOWN, "", AppUse.AVAILABLE)
    reconcile_tablets(work, place.ids)
    status = get_bundle_status(work, SYSTEM, bundles.describe_bundle(work, place.bundle))
    assert (status.tablets, status.undecided, status.missing) == (0, 0, [])
