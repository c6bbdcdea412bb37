"""What must not go wrong with licences: a talk that is overtaken, an event that fails, a tablet that is given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import load_facts
from enrollment.tablets import service as tablets
from enrollment.tablets.models import TabletState
from mdm.devices.models import DeclarativeState
from mdm.reconcile.declared_apps import record_declared_apps
from mdm.reconcile.repository import ReconcileRepository
from mdm.worker.drains import drain
from profiles.apps import licences
from profiles.apps.apps_and_books import service as vpp
from profiles.apps.apps_and_books import sync
from profiles.apps.apps_and_books.client import AppsAndBooks
from profiles.apps.apps_and_books.ports import AssignmentFailure, LicensedAsset
from profiles.apps.apps_and_books.testserver import SimulatedLocation, serve
from profiles.apps.models import Licence, LicenceState
from profiles.effective import bundles
from profiles.effective.desired_states import compute_desired_states
from profiles.policy.kinds import PlaceKind
from tests.profiles.apps.licence_town import ADAM
from tests.profiles.apps.test_bundles import BundleTown
from tests.support.installation import install
from tests.support.licences import build_content_token


@pytest.fixture
def location(clock: ManualClock) -> SimulatedLocation:
    return SimulatedLocation(build_content_token(clock.now()), {str(ADAM): 2})


@pytest.fixture
def place(runtime: Runtime, location: SimulatedLocation) -> Iterator[BundleTown]:
    install(runtime)
    with serve(location) as url:
        runtime.settings = runtime.settings.model_copy(update={"apps_and_books_url": url})
        with runtime.open_unit_of_work() as work:
            made = BundleTown(work)
            made.token_id = vpp.install_token(work, SYSTEM, made.town.id, location.token).id
        compare(runtime, made)
        yield made


def compare(runtime: Runtime, place: BundleTown) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.LICENCE_SYNC, place.token_id)
    drain(runtime, Topic.LICENCE_SYNC)


def reserve(runtime: Runtime, place: BundleTown) -> None:
    with runtime.open_unit_of_work() as work:
        licences.reserve_licences(work, place.town.id, place.app.id, place.ids[:1])


def release(runtime: Runtime, place: BundleTown) -> None:
    with runtime.open_unit_of_work() as work:
        licences.release_licence(work, place.app.id, place.ids[0])


def state(runtime: Runtime) -> LicenceState:
    with runtime.open_unit_of_work() as work:
        return work.session.query(Licence).one().state


class Overtaken(AppsAndBooks):
    """The real client, on whose talk something else happens before its end is written down."""

    meanwhile: Callable[[], None]
    is_closed = False

    def close(self) -> None:
        super().close()
        self.is_closed = True

    def associate(self, asset: LicensedAsset, serials: Sequence[str]) -> list[AssignmentFailure]:
        failures = super().associate(asset, serials)
        self.meanwhile()
        return failures

    def disassociate(self, asset: LicensedAsset, serials: Sequence[str]) -> list[AssignmentFailure]:
        failures = super().disassociate(asset, serials)
        self.meanwhile()
        return failures


def talk(runtime: Runtime, place: BundleTown, meanwhile: Callable[[], None]) -> None:
    opened: list[Overtaken] = []

    def connect(content: str, url: str, now: Callable[[], datetime]) -> Overtaken:
        client = Overtaken(content, url, now, pause=lambda _seconds: None)
        client.meanwhile = meanwhile
        opened.append(client)
        return client

    sync.sync_licences(runtime, place.token_id, connect)
    assert all(client.is_closed for client in opened), "a connection that stays open is one less for the next town"


@pytest.mark.parametrize("failures", [[], [{"errorNumber": 9603, "errorMessage": "Internal"}]])
def test_an_event_that_failed_without_naming_tablets_gave_nothing(
    runtime: Runtime, place: BundleTown, location: SimulatedLocation, failures: list[dict[str, object]]
) -> None:
    reserve(runtime, place)
    location.script = [
        (200, {"locationName": "Ville", "mdmInfo": {"id": location.claimed_by}}, {}),
        (200, {"assets": [{"adamId": str(ADAM), "totalCount": 2, "assignedCount": 0}]}, {}),
        (200, {"limits": {"maxSerialNumbers": 3}}, {}),
        (200, {"eventId": "event"}, {}),
        (200, {"eventStatus": "FAILED", "failures": failures}, {}),
    ]
    drain(runtime, Topic.LICENCE_SYNC)
    assert location.script == [], "the whole talk took place"
    assert state(runtime) is LicenceState.RESERVED


def test_a_licence_given_back_while_it_was_being_given_goes_back(
    runtime: Runtime, place: BundleTown, location: SimulatedLocation
) -> None:
    reserve(runtime, place)
    talk(runtime, place, lambda: release(runtime, place))
    assert state(runtime) is LicenceState.IN_GRACE
    compare(runtime, place)
    assert location.held[str(ADAM)] == set()


def test_a_licence_wanted_again_while_it_was_taken_back_is_given_again(
    runtime: Runtime, place: BundleTown, location: SimulatedLocation
) -> None:
    reserve(runtime, place)
    drain(runtime, Topic.LICENCE_SYNC)
    release(runtime, place)
    talk(runtime, place, lambda: reserve(runtime, place))
    compare(runtime, place)
    assert location.held[str(ADAM)] == {place.tablets[0].serial}


def test_a_retired_tablet_gives_all_its_licences_back(runtime: Runtime, place: BundleTown, location: SimulatedLocation) -> None:
    reserve(runtime, place)
    drain(runtime, Topic.LICENCE_SYNC)
    with runtime.open_unit_of_work() as work:
        tablets.change_state(work, SYSTEM, tablets.get_tablet(work, SYSTEM, place.ids[0]), TabletState.RETIRED, "disposed of")
    drain(runtime, Topic.RECONCILE)
    drain(runtime, Topic.LICENCE_SYNC)
    assert location.held[str(ADAM)] == set()


def test_an_app_that_is_there_already_still_needs_the_services_licence(
    runtime: Runtime, place: BundleTown, location: SimulatedLocation
) -> None:
    reserve(runtime, place)
    with runtime.open_unit_of_work() as work:
        licences.mark_assigned(work, place.app.id, place.ids[0])
    assert state(runtime) is LicenceState.RESERVED
    drain(runtime, Topic.LICENCE_SYNC)
    assert location.held[str(ADAM)] == {place.tablets[0].serial}


@pytest.mark.parametrize(("retry_after", "waits"), [("600", timedelta(minutes=10)), ("999999999", timedelta(days=1))])
def test_the_pause_that_the_service_asks_for_is_kept(
    runtime: Runtime, place: BundleTown, location: SimulatedLocation, clock: ManualClock, retry_after: str, waits: timedelta
) -> None:
    location.script = [(429, {"errorNumber": 9646, "errorMessage": "Slow down"}, {"Retry-After": retry_after})]
    compare(runtime, place)
    with runtime.open_unit_of_work() as work:
        row = work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.LICENCE_SYNC).one()
        assert row.not_before == clock.now() + waits


def declared(work: UnitOfWork, place: BundleTown, status: str, *, wanted: bool = True) -> None:
    tablet_id = place.ids[0]
    facts = load_facts(work, [tablet_id])
    desired = compute_desired_states(work, facts.values())[tablet_id]
    document = {"app": {"managed": {"list": [{"identifier": place.app.bundle_identifier, "state": status}]}}}
    known = ReconcileRepository(work.session).load_tablet_apps([tablet_id]).get(tablet_id, {})
    record_declared_apps(
        work,
        facts[tablet_id],
        desired if wanted else replace(desired, apps=()),
        known,
        {place.app.id: {tablet_id}},
        DeclarativeState(status_items=document),
        {},
    )
    work.session.flush()


def test_a_declared_app_assigns_its_licence_and_gives_it_back(runtime: Runtime) -> None:
    install(runtime)
    with runtime.open_unit_of_work() as work:
        place = BundleTown(work)
        bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.TOWN, "")
        licences.set_pool_total(work, SYSTEM, place.app.id, 1)
        licences.reserve_licences(work, place.town.id, place.app.id, place.ids[:1])
        declared(work, place, "managed")
        assert work.session.query(Licence).one().state is LicenceState.ASSIGNED
        declared(work, place, "managed", wanted=False)
        assert work.session.query(Licence).one().state is LicenceState.IN_GRACE
