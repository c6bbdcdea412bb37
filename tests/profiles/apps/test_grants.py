"""Bundles by place and standing, and licences: counted, reserved, short before saving; on both databases."""

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
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.reconcile.models import AppReason, TabletApp
from mdm.reconcile.repository import ReconcileRepository
from mdm.reconcile.service import reconcile_tablets
from profiles import service
from profiles.apps import licences
from profiles.apps.models import App, GrantStanding
from profiles.effective.compile import desired_for
from profiles.effective.explain import why
from profiles.errors import LicencesShort
from profiles.policy.errors import BadTarget
from profiles.policy.kinds import LayerKind
from tests.support.world import TownFactory


class Place:
    """A class of two grades: two CE1, three CE2; a store app and its bundle."""

    def __init__(self, work: UnitOfWork) -> None:
        world = TownFactory(work)
        self.town = world.create_town()
        self.school = world.create_school(self.town)
        self.school_class = world.create_class(self.school, "CE1-CE2")
        self.tablets: list[Tablet] = []
        for level in (Grade.CE1, Grade.CE1, Grade.CE2, Grade.CE2, Grade.CE2):
            tablet = world.create_tablet(self.town)
            world.lend_tablet(tablet, world.create_pupil(self.school_class, level))
            work.session.add(
                DeviceEnrollment(
                    town_id=self.town.id, tablet_id=tablet.id, channel_key=tablet.serial, udid=tablet.serial,
                    state=EnrollmentState.ENROLLED, fingerprint=tablet.serial, authenticated_at=work.now,
                )
            )  # fmt: skip
            self.tablets.append(tablet)
        work.session.flush()
        self.app = self.new_app(work, "ScratchJr", 895485086)
        self.bundle = service.create_bundle(work, SYSTEM, self.town.id, "Code", [self.app.id])

    def new_app(self, work: UnitOfWork, name: str, number: int) -> App:
        identifier = f"fr.test.{name.lower()}"
        return service.create_app(
            work, SYSTEM, self.town.id, name=name, bundle_identifier=identifier, app_store_id=number, manifest_url=None
        )

    @property
    def ids(self) -> list[UUID]:
        return [tablet.id for tablet in self.tablets]


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    from enrollment.identity import service as identity
    from enrollment.identity import tls

    with runtime.open_unit_of_work() as opened:
        identity.ensure_authority(opened)
        tls.ensure_server_certificate(opened, ["localhost"])
        yield opened


@pytest.fixture
def place(work: UnitOfWork) -> Place:
    return Place(work)


def wanted(work: UnitOfWork, place: Place) -> list[int]:
    """How many apps each tablet should have."""
    found = desired_for(work, load_facts(work, place.ids).values())
    return [len(found[tablet_id].apps) for tablet_id in place.ids]


def allowed(work: UnitOfWork, tablet_id: UUID) -> list[str]:
    value = why(work, load_facts(work, [tablet_id])[tablet_id]).settings["allowListedAppBundleIDs"].value
    return list(value)


def test_in_a_class_of_two_grades_the_pupils_level_decides(work: UnitOfWork, place: Place) -> None:
    service.assign(work, SYSTEM, place.bundle.id, LayerKind.GRADE, "CE2")
    assert wanted(work, place) == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("kind", [LayerKind.TOWN, LayerKind.SCHOOL, LayerKind.CLASS])
def test_a_bundle_goes_to_a_town_a_school_or_a_class(work: UnitOfWork, place: Place, kind: LayerKind) -> None:
    target = {LayerKind.TOWN: "", LayerKind.SCHOOL: str(place.school.id), LayerKind.CLASS: str(place.school_class.id)}[kind]
    service.assign(work, SYSTEM, place.bundle.id, kind, target)
    assert wanted(work, place) == [1] * 5
    service.unassign(work, SYSTEM, place.bundle.id, kind, target)
    assert wanted(work, place) == [0] * 5


def test_available_is_allowed_and_not_installed_and_banned_goes_before_all(work: UnitOfWork, place: Place) -> None:
    identifier = place.app.bundle_identifier
    service.assign(work, SYSTEM, place.bundle.id, LayerKind.TOWN, "", GrantStanding.AVAILABLE)
    assert wanted(work, place) == [0] * 5
    assert identifier in allowed(work, place.ids[0])
    service.assign(work, SYSTEM, place.bundle.id, LayerKind.GRADE, "CE2")
    service.assign(work, SYSTEM, place.bundle.id, LayerKind.CLASS, str(place.school_class.id), GrantStanding.BANNED)
    assert wanted(work, place) == [0] * 5
    found = why(work, load_facts(work, [place.ids[4]])[place.ids[4]]).settings
    assert found["blockedAppBundleIDs"].value == [identifier]


def test_targets_must_exist_and_fit(work: UnitOfWork, place: Place) -> None:
    elsewhere = TownFactory(work).create_school(TownFactory(work).create_town())
    for kind, target in ((LayerKind.SCHOOL, str(elsewhere.id)), (LayerKind.GRADE, "6e"), (LayerKind.TABLET, str(place.ids[0]))):
        with pytest.raises(BadTarget):
            service.assign(work, SYSTEM, place.bundle.id, kind, target)


def test_a_shortage_is_told_before_saving_and_may_be_accepted(work: UnitOfWork, place: Place) -> None:
    licences.set_total(work, SYSTEM, place.app.id, 2)
    [need] = licences.needs(work, place.bundle, LayerKind.GRADE, "CE2")
    assert (need.needed, need.owned, need.free, need.missing) == (3, 2, 2, 1)
    with pytest.raises(LicencesShort) as refusal:
        service.assign(work, SYSTEM, place.bundle.id, LayerKind.GRADE, "CE2")
    assert refusal.value.details["missing"] == 1
    assert wanted(work, place) == [0] * 5, "nothing was saved"
    service.assign(work, SYSTEM, place.bundle.id, LayerKind.GRADE, "CE2", accept_shortage=True)
    reconcile_tablets(work, place.ids)
    rows = work.session.query(TabletApp).all()
    assert sorted(row.reason for row in rows) == [AppReason.NO_LICENCE, AppReason.WAITING_CONTACT, AppReason.WAITING_CONTACT]
    [pool] = licences.pools(work, SYSTEM, place.town.id)
    assert (pool.reserved, pool.available) == (2, 0)
    assert ReconcileRepository(work.session).count_waiting_for_licence(SYSTEM, place.town.id) == {(place.app.id, Grade.CE2): 1}


def test_bought_licences_reach_who_waited(work: UnitOfWork, place: Place) -> None:
    licences.set_total(work, SYSTEM, place.app.id, 2)
    service.assign(work, SYSTEM, place.bundle.id, LayerKind.GRADE, "CE2", accept_shortage=True)
    reconcile_tablets(work, place.ids)
    licences.set_total(work, SYSTEM, place.app.id, 3)
    reconcile_tablets(work, place.ids)
    assert {row.reason for row in work.session.query(TabletApp)} == {AppReason.WAITING_CONTACT}


def test_a_released_licence_is_free_at_once_and_in_grace_for_thirty_days(
    work: UnitOfWork, place: Place, clock: ManualClock, runtime: Runtime
) -> None:
    licences.set_total(work, SYSTEM, place.app.id, 1)
    first, second = place.ids[2], place.ids[3]
    assert licences.reserve(work, place.town.id, place.app.id, [first, second]) == {first}
    licences.installed(work, place.app.id, first)
    licences.release(work, place.app.id, first)
    work.session.flush()
    assert licences.reserve(work, place.town.id, place.app.id, [second]) == {second}
    [pool] = licences.pools(work, SYSTEM, place.town.id)
    assert (pool.assigned, pool.reserved, pool.in_grace, pool.available) == (0, 1, 1, 0)
    work.now += timedelta(days=31)
    [pool] = licences.pools(work, SYSTEM, place.town.id)
    assert pool.in_grace == 0


def test_an_app_without_a_pool_is_not_counted(work: UnitOfWork, place: Place) -> None:
    assert licences.needs(work, place.bundle, LayerKind.TOWN, "") == []
    assert licences.reserve(work, place.town.id, place.app.id, place.ids) == set(place.ids)
