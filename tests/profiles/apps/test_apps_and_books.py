"""Apps and Books against a test server over HTTP: paging, polling, limits, error numbers, tokens; and the whole comparison."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.reconcile.models import AppReason, TabletApp
from mdm.reconcile.service import reconcile_tablets
from mdm.worker.drains import drain
from profiles.apps import licences
from profiles.apps.apps_and_books import service as vpp
from profiles.apps.apps_and_books.client import AppsAndBooks
from profiles.apps.apps_and_books.ports import AssignedLicences, LicenceErrorKind, LicenceServiceError, LicensedAsset
from profiles.apps.apps_and_books.testserver import SimulatedLocation, serve
from profiles.apps.errors import BadContentToken
from profiles.apps.models import Licence, LicencePool, LicenceState, LicenceToken, TokenProblem
from profiles.effective import bundles
from profiles.policy.kinds import PlaceKind
from tests.profiles.apps.test_bundles import BundleTown
from tests.support.installation import install
from tests.support.licences import build_content_token

ADAM = 895485086
ASSET = LicensedAsset(ADAM, 2, 0, assignable=True)


@pytest.fixture
def location(clock: ManualClock) -> SimulatedLocation:
    return SimulatedLocation(build_content_token(clock.now()), {str(ADAM): 2, "1": 5, "2": 5, "3": 5, "4": 5})


@pytest.fixture
def url(location: SimulatedLocation) -> Iterator[str]:
    with serve(location) as address:
        yield address


@pytest.fixture
def client(location: SimulatedLocation, url: str, clock: ManualClock) -> Iterator[AppsAndBooks]:
    made = AppsAndBooks(location.token, url, clock.now, pause=lambda _seconds: None)
    yield made
    made.close()


def test_lists_are_read_page_by_page_and_again_when_they_change(client: AppsAndBooks, location: SimulatedLocation) -> None:
    assert [asset.adam_id for asset in client.list_assets().assets] == [1, 2, 3, 4, ADAM]
    location.script = [
        (200, {"assets": [], "versionId": "1", "nextPageIndex": 1}, {}),
        (200, {"assets": [], "versionId": "2"}, {}),
    ]
    assert len(client.list_assets().assets) == 5


def test_licences_move_in_parts_and_failures_are_named(client: AppsAndBooks, location: SimulatedLocation) -> None:
    failures = client.associate(ASSET, [f"SERIAL{number}" for number in range(4)])
    assert location.held[str(ADAM)] == {"SERIAL0", "SERIAL1"}
    assert {each.serial for each in failures} == {"SERIAL2", "SERIAL3"}
    assert sum("associate" in each for each in location.requests) == 2, "three serials at most in one request"
    assert client.disassociate(ASSET, ["SERIAL0"]) == []
    assert client.list_assigned_licences(ADAM) == AssignedLicences(frozenset({"SERIAL1"}), 0)


@pytest.mark.parametrize(
    ("status", "document", "headers", "trouble", "after"),
    [
        (200, {"errorNumber": 9622, "errorMessage": "Invalid token"}, {}, LicenceErrorKind.TOKEN, None),
        (401, {"errorNumber": 9625, "errorMessage": "Revoked"}, {}, LicenceErrorKind.TOKEN, None),
        (429, {"errorNumber": 9646, "errorMessage": "Slow down"}, {"Retry-After": "7"}, LicenceErrorKind.RETRY, 7.0),
        (503, {"errorNumber": 9729, "errorMessage": "Away"}, {}, LicenceErrorKind.RETRY, None),
        (400, {"errorNumber": 9602, "errorMessage": "Bad"}, {}, LicenceErrorKind.PERMANENT, None),
        (500, {}, {}, LicenceErrorKind.RETRY, None),
        (429, {}, {"Retry-After": "Mon, 23 Nov 2026 08:00:07 GMT"}, LicenceErrorKind.RETRY, 7.0),
    ],
)
def test_each_error_is_understood(
    client: AppsAndBooks, location: SimulatedLocation, status: int, document: dict[str, object], headers: dict[str, str], trouble: LicenceErrorKind,
    after: float | None,
) -> None:  # fmt: skip
    location.script = [(status, document, headers)]
    with pytest.raises(LicenceServiceError) as refusal:
        client.get_location()
    assert (refusal.value.kind, refusal.value.retry_after) == (trouble, after)


@pytest.fixture
def place(runtime: Runtime, clock: ManualClock, url: str, location: SimulatedLocation) -> BundleTown:
    install(runtime)
    runtime.settings = runtime.settings.model_copy(update={"apps_and_books_url": url})
    with runtime.open_unit_of_work() as work:
        made = BundleTown(work)
        made.token_id = vpp.install_token(work, SYSTEM, made.town.id, location.token).id
    return made


def _reasons(runtime: Runtime) -> list[str]:
    with runtime.open_unit_of_work() as work:
        return sorted(row.reason for row in work.session.query(TabletApp))


def test_a_licence_is_given_before_the_app_is_installed_and_who_gets_none_waits(
    runtime: Runtime, place: BundleTown, location: SimulatedLocation
) -> None:
    drain_licences(runtime, place)
    with runtime.open_unit_of_work() as work:
        assert work.session.query(LicencePool).one().total == 2, "the service says how many the town owns"
        bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.GRADE, "CE2", consent=bundles.Consent(accept_shortage=True))
        reconcile_tablets(work, place.ids)
    assert _reasons(runtime) == [AppReason.NO_LICENCE] * 3
    drain(runtime, Topic.LICENCE_SYNC)
    assert len(location.held[str(ADAM)]) == 2
    drain(runtime, Topic.RECONCILE)
    assert _reasons(runtime) == [AppReason.NO_LICENCE, AppReason.WAITING_CONTACT, AppReason.WAITING_CONTACT]


def drain_licences(runtime: Runtime, place: BundleTown) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.LICENCE_SYNC, place.token_id)
    drain(runtime, Topic.LICENCE_SYNC)


def test_a_released_licence_goes_back_to_the_service(runtime: Runtime, place: BundleTown, location: SimulatedLocation) -> None:
    drain_licences(runtime, place)
    with runtime.open_unit_of_work() as work:
        licences.reserve_licences(work, place.town.id, place.app.id, place.ids[:1])
    drain(runtime, Topic.LICENCE_SYNC)
    assert location.held[str(ADAM)] == {place.tablets[0].serial}
    with runtime.open_unit_of_work() as work:
        licences.release_licence(work, place.app.id, place.ids[0])
    drain(runtime, Topic.LICENCE_SYNC)
    assert location.held[str(ADAM)] == set()
    with runtime.open_unit_of_work() as work:
        row = work.session.query(Licence).one()
        assert (row.state, row.returned) == (LicenceState.IN_GRACE, True)


def test_a_service_that_is_away_changes_nothing_and_is_tried_again(
    runtime: Runtime, place: BundleTown, location: SimulatedLocation, clock: ManualClock
) -> None:
    location.script = [(503, {"errorNumber": 9729, "errorMessage": "Away"}, {})]
    drain_licences(runtime, place)
    with runtime.open_unit_of_work() as work:
        row = work.session.query(LicenceToken).one()
        assert (row.problem, "9729" in (row.problem_detail or "")) == (TokenProblem.UNAVAILABLE, True)
        assert work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.LICENCE_SYNC).count() == 1
    clock.advance(timedelta(minutes=10))
    drain(runtime, Topic.LICENCE_SYNC)
    with runtime.open_unit_of_work() as work:
        assert work.session.query(LicenceToken).one().problem is None


def test_a_token_that_is_none_or_expired_is_refused(runtime: Runtime, place: BundleTown, clock: ManualClock) -> None:
    def refused(work: UnitOfWork, content: str) -> None:
        with pytest.raises(BadContentToken):
            vpp.install_token(work, SYSTEM, place.town.id, content)

    with runtime.open_unit_of_work() as work:
        for content in ("garbage", base64.b64encode(b"{}").decode(), build_content_token(clock.now(), days=-1)):
            refused(work, content)


@pytest.mark.parametrize(
    "page",
    [
        {"assets": None, "versionId": "1", "nextPageIndex": 1},
        {"assets": {"adamId": "1"}, "versionId": "1"},
        {"assets": "", "versionId": "1"},
        {"versionId": "1", "nextPageIndex": 1},
        {"assets": [], "versionId": "1", "nextPageIndex": "next"},
        {"assets": [], "versionId": "1", "nextPageIndex": [1]},
        {"assets": [], "versionId": "1", "nextPageIndex": -1},
    ],
)
def test_a_damaged_page_is_no_shorter_list(client: AppsAndBooks, location: SimulatedLocation, page: dict[str, Any]) -> None:
    """Read as the end of the list, it would tell that the town owns fewer apps."""
    location.script = [(200, page, {})]
    with pytest.raises(LicenceServiceError) as caught:
        client.list_assets()
    assert caught.value.kind is LicenceErrorKind.RETRY
    assert client.list_assets().assets, "a moment later the list is whole"


def test_an_account_that_owns_nothing_may_answer_without_a_list(client: AppsAndBooks, location: SimulatedLocation) -> None:
    location.script = [(200, {"versionId": "1"}, {})]
    assert client.list_assets().assets == ()
