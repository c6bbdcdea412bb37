"""Accounts of Apps and Books as they are found in the field: claimed by another server, licences held elsewhere, odd rows, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from cartable.alarms import Alarm, AlarmKind
from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.tablets import service as tablets
from enrollment.tablets.models import TabletState
from mdm.worker.drains import drain
from profiles.apps import licences
from profiles.apps.apps_and_books import service as tokens
from profiles.apps.apps_and_books.parsing import parse_assets, parse_claiming_server, parse_expiry, parse_failures, read_number
from profiles.apps.apps_and_books.ports import ClaimingServer
from profiles.apps.apps_and_books.testserver import SimulatedLocation, serve
from profiles.apps.errors import LicencesFromService, LicencesShort, NothingToTakeOver
from profiles.apps.models import LicenceState, TokenProblem
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.policy.kinds import PlaceKind
from profiles.policy.places import select_tablets
from tests.profiles.apps.licence_town import ADAM, LicenceTown
from tests.support.licences import build_content_token

STRANGERS = {f"STRANGER{number}" for number in range(5)}


@pytest.fixture
def location(clock: ManualClock) -> SimulatedLocation:
    return SimulatedLocation(build_content_token(clock.now()), {str(ADAM): 5})


@pytest.fixture
def town(runtime: Runtime, location: SimulatedLocation) -> Iterator[LicenceTown]:
    with serve(location) as url:
        yield LicenceTown(runtime, url)


def was_written_to(location: SimulatedLocation) -> bool:
    return any("associate" in each or each == "POST /mdm/v2/client/config" for each in location.requests)


def test_an_account_of_a_former_server_is_read_and_not_written_to(town: LicenceTown, location: SimulatedLocation) -> None:
    location.claimed_by, location.claimed_by_name = "jamf-0815", "Jamf Pro"
    token_id = town.install(location)
    assert town.reserve(town.tablet_ids) == set()
    town.sync(token_id)
    assert not was_written_to(location)
    row = town.load_token(token_id)
    assert (row.problem, row.claimed_by_id, row.claimed_by_name) == (TokenProblem.CLAIMED_ELSEWHERE, "jamf-0815", "Jamf Pro")
    assert town.list_pools()["Ville"].total == 5, "what it owns can be seen before somebody decides"
    with town.runtime.open_unit_of_work() as work:
        [alarm] = work.session.query(Alarm).all()
        assert (alarm.kind, alarm.details["server"]) == (AlarmKind.LICENCE_ACCOUNT_CLAIMED, "Jamf Pro"), (
            "told once, not at each run"
        )


def test_an_account_is_taken_over_by_a_person_and_the_audit_trail_says_from_whom(
    runtime: Runtime, town: LicenceTown, location: SimulatedLocation
) -> None:
    location.claimed_by, location.claimed_by_name = "jamf-0815", "Jamf Pro"
    token_id = town.install(location)
    town.reserve(town.tablet_ids[:2])
    with runtime.open_unit_of_work() as work:
        tokens.take_over_account(work, SYSTEM, token_id, "jamf-0815")
        tokens.take_over_account(work, SYSTEM, token_id, "jamf-0815")  # two people at once decide the same
    drain(runtime, Topic.LICENCE_SYNC)
    row = town.load_token(token_id)
    assert (row.problem, row.claimed_by_id, row.takeover_of) == (None, None, None)
    assert (location.claimed_by, location.claimed_by_name) == (str(token_id), "Cartable (Belleville-sur-Craie)")
    assert len(location.held[str(ADAM)]) == 2
    with runtime.open_unit_of_work() as work:
        events = work.session.query(AuditEvent).filter(AuditEvent.action.like("licences.take%")).order_by(AuditEvent.id).all()
        assert [(event.action, event.details["former"]) for event in events] == [
            ("licences.takeover", "jamf-0815"),
            ("licences.taken_over", "jamf-0815"),
        ]


def test_nobody_takes_over_from_another_server_than_the_one_that_was_read(
    runtime: Runtime, town: LicenceTown, location: SimulatedLocation
) -> None:
    location.claimed_by = "jamf-0815"
    token_id = town.install(location)
    with runtime.open_unit_of_work() as work, pytest.raises(NothingToTakeOver):
        tokens.take_over_account(work, SYSTEM, token_id, "zentral")
    with runtime.open_unit_of_work() as work:
        tokens.take_over_account(work, SYSTEM, token_id, "jamf-0815")
    location.claimed_by = "mosyle"  # before the worker comes
    drain(runtime, Topic.LICENCE_SYNC)
    row = town.load_token(token_id)
    assert (location.claimed_by, row.claimed_by_id, row.takeover_of) == ("mosyle", "mosyle", None)
    location.claimed_by = "jamf-0815"
    town.sync(token_id)
    assert location.claimed_by == "jamf-0815", "a decision counts once"


def test_an_account_is_taken_over_when_the_service_is_back(
    runtime: Runtime, town: LicenceTown, location: SimulatedLocation, clock: ManualClock
) -> None:
    location.claimed_by = "Cartable of a database that was lost"
    token_id = town.install(location)
    with runtime.open_unit_of_work() as work:
        tokens.take_over_account(work, SYSTEM, token_id, location.claimed_by)
    location.script = [(503, {"errorNumber": 9729, "errorMessage": "Away"}, {})]
    drain(runtime, Topic.LICENCE_SYNC)
    assert town.load_token(token_id).takeover_of is not None
    clock.advance(timedelta(minutes=10))
    drain(runtime, Topic.LICENCE_SYNC)
    assert location.claimed_by == str(token_id)


def test_a_server_that_claims_an_account_of_ours_stops_us(
    runtime: Runtime, town: LicenceTown, location: SimulatedLocation
) -> None:
    token_id = town.install(location)
    assert location.claimed_by == str(token_id)
    location.claimed_by, location.claimed_by_name = "mosyle", "Mosyle"
    with runtime.open_unit_of_work() as work, pytest.raises(NothingToTakeOver):
        tokens.take_over_account(work, SYSTEM, token_id, "mosyle")
    location.requests.clear()
    town.reserve(town.tablet_ids[:1])
    town.sync(token_id)
    assert not was_written_to(location)
    assert town.load_token(token_id).claimed_by_name == "Mosyle"


def test_licences_of_unknown_serial_numbers_are_counted_and_missing(
    runtime: Runtime, town: LicenceTown, location: SimulatedLocation
) -> None:
    location.held[str(ADAM)] = set(STRANGERS)
    town.install(location)
    pool = town.list_pools()["Ville"]
    assert (pool.total, pool.held_elsewhere, pool.available) == (5, 5, 0)
    with runtime.open_unit_of_work() as work:
        tablets_of_class = select_tablets(work, town.town_id, PlaceKind.GRADE, "CE2")
        [need] = licences.list_needs(work, town.town_id, [town.identifier], tablets_of_class)
        assert (need.needed, need.owned, need.free, need.missing, need.held_elsewhere) == (3, 5, 0, 3, 5)
        bundle = bundles.get_bundle(work, SYSTEM, town.bundle_id)
        with pytest.raises(LicencesShort) as refusal:
            bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.GRADE, "CE2")
        assert refusal.value.details["held_elsewhere"] == 5
    assert town.reserve(town.tablet_ids) == set()
    assert town.load_licences() == {}, "nothing is promised that Apple will refuse"


def test_licences_that_come_back_from_elsewhere_serve_who_waits(town: LicenceTown, location: SimulatedLocation) -> None:
    location.held[str(ADAM)] = set(STRANGERS)
    token_id = town.install(location)
    location.held[str(ADAM)] = set()
    town.sync(token_id)
    assert town.list_pools()["Ville"].available == 5
    town.reserve(town.tablet_ids)
    town.sync(token_id)
    assert location.held[str(ADAM)] == set(town.serials)


def test_a_tablet_that_has_a_licence_already_keeps_it(
    runtime: Runtime, town: LicenceTown, location: SimulatedLocation, clock: ManualClock
) -> None:
    """A former server has given it; one given to a tablet that is retired since goes back."""
    location.held[str(ADAM)] = {town.serials[0], town.serials[1].lower(), "STRANGER"}
    with runtime.open_unit_of_work() as work:
        tablets.change_state(work, SYSTEM, tablets.get_tablet(work, SYSTEM, town.tablet_ids[1]), TabletState.RETIRED, "sold")
    token_id = town.install(location)
    assert town.load_licences(token_id) == {
        town.tablet_ids[0]: LicenceState.ASSIGNED, town.tablet_ids[1]: LicenceState.IN_GRACE,
    }  # fmt: skip
    assert town.reserve(town.tablet_ids[:1]) == {town.tablet_ids[0]}
    town.sync(token_id)
    assert town.serials[1] not in location.held[str(ADAM)]
    pool = town.list_pools()["Ville"]
    assert (pool.assigned, pool.held_elsewhere, pool.available) == (1, 1, 3)


def test_a_licence_that_somebody_has_taken_away_is_given_again(
    town: LicenceTown, location: SimulatedLocation, clock: ManualClock
) -> None:
    token_id = town.install(location)
    town.reserve(town.tablet_ids[:2])
    town.sync(token_id)
    location.held[str(ADAM)] = {town.serials[0]}
    town.sync(token_id)
    assert location.held[str(ADAM)] == {town.serials[0]}, "Apple's lists may be behind its own answers"
    clock.advance(timedelta(hours=2))
    town.sync(token_id)
    town.sync(token_id)
    assert location.held[str(ADAM)] == set(town.serials[:2])


def test_one_refused_app_does_not_stop_the_others(runtime: Runtime, town: LicenceTown, location: SimulatedLocation) -> None:
    location.totals = {str(ADAM): 5, "42": 5}
    with runtime.open_unit_of_work() as work:
        other = create_app(
            work, SYSTEM, town.town_id, name="Atlas", bundle_identifier="fr.test.atlas", app_store_id=42, manifest_url=None
        ).id
    location.refused_assets = {"42": 9702}
    token_id = town.install(location)
    town.reserve(town.tablet_ids, other)
    town.reserve(town.tablet_ids)
    town.sync(token_id)
    assert location.held[str(ADAM)] == set(town.serials)
    with runtime.open_unit_of_work() as work:
        problems = {pool.app: pool.problem for pool in licences.list_pools(work, SYSTEM, town.town_id)}
    assert problems == {"Atlas": "9702 The asset is not available (5)", "ScratchJr": None}
    assert town.load_token(token_id).problem is None, "the account itself is in order"
    location.refused_assets = {}
    town.sync(token_id)
    assert location.held["42"] == set(town.serials)


def test_one_refused_serial_number_does_not_stop_the_others(town: LicenceTown, location: SimulatedLocation) -> None:
    location.refused_serials = {town.serials[1]}
    token_id = town.install(location)
    town.reserve(town.tablet_ids)
    town.sync(token_id)
    assert location.held[str(ADAM)] == set(town.serials) - {town.serials[1]}
    assert town.list_pools()["Ville"].problem == "9602 A serial number is not valid (1)"


def test_an_event_without_end_stops_its_own_app_only(
    runtime: Runtime, town: LicenceTown, location: SimulatedLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiles.apps.apps_and_books.client.EVENT_TIMEOUT", -1)
    token_id = town.install(location)
    town.reserve(town.tablet_ids[:1])
    town.sync(token_id)
    assert town.load_token(token_id).problem is TokenProblem.UNAVAILABLE
    location.pending = 0
    town.sync(token_id)
    assert town.load_licences(token_id) == {town.tablet_ids[0]: LicenceState.ASSIGNED}


def test_what_the_account_does_not_have_any_more_is_none(town: LicenceTown, location: SimulatedLocation) -> None:
    token_id = town.install(location)
    town.reserve(town.tablet_ids[:1])
    location.totals = {}
    town.sync(token_id)
    pool = town.list_pools()["Ville"]
    assert (pool.total, pool.reserved) == (0, 0)
    assert town.reserve(town.tablet_ids) == set()


def test_an_unreadable_row_takes_nothing_away_and_loses_no_other(town: LicenceTown, location: SimulatedLocation) -> None:
    token_id = town.install(location)
    location.totals = {"77": 3}
    location.odd_rows = [None, {"adamId": None}, {"adamId": str(ADAM), "totalCount": "many"}]
    town.sync(token_id)
    assert (town.list_pools()["Ville"].total, town.load_token(token_id).skipped_rows) == (5, 3)
    location.odd_rows, location.totals = ["odd"], {str(ADAM): 9}
    town.sync(token_id)
    assert town.list_pools()["Ville"].total == 9


def test_numbers_by_hand_end_where_apple_counts(runtime: Runtime, town: LicenceTown, location: SimulatedLocation) -> None:
    with runtime.open_unit_of_work() as work:
        licences.set_pool_total(work, SYSTEM, town.app_id, 1)
    assert len(town.reserve(town.tablet_ids)) == 1
    token_id = town.install(location)
    with runtime.open_unit_of_work() as work, pytest.raises(LicencesFromService):
        licences.set_pool_total(work, SYSTEM, town.app_id, 7)
    drain(runtime, Topic.RECONCILE)
    town.reserve(town.tablet_ids)
    town.sync(token_id)
    assert town.reserve(town.tablet_ids) == set(town.tablet_ids)
    assert set(town.load_licences().values()) == {LicenceState.IN_GRACE}, "the one by hand is not counted twice"


@pytest.mark.parametrize(
    ("row", "total"),
    [
        ({"adamId": 5, "totalCount": "7"}, 7),
        ({"adamId": "5", "totalCount": 7.0}, None),
        ({"adamId": "5", "totalCount": True}, None),
        ({"adamId": "5", "totalCount": -1}, None),
        ({"adamId": "5", "totalCount": 2**40}, None),
        ({"adamId": ["5"], "totalCount": 7}, None),
        ({"adamId": "0", "totalCount": 7}, None),
        ({"adamId": "5"}, None),
        ("5", None),
    ],
)
def test_each_row_is_read_by_itself(row: Any, total: int | None) -> None:
    listed = parse_assets([row, {"adamId": "6", "totalCount": 1, "pricingParam": "PLUS"}, {"adamId": "6", "totalCount": 2}])
    assert {asset.adam_id: asset.total for asset in listed.assets} == {6: 2, **({5: total} if total is not None else {})}
    assert listed.skipped == int(total is None)


def test_odd_answers_of_the_service_are_read_as_far_as_they_go() -> None:
    assert parse_claiming_server({"id": None, "name": "Jamf"}) == ClaimingServer("Jamf", "Jamf")
    unclaimed: list[Any] = [None, [], {}, {"id": ""}, "x"]
    assert [parse_claiming_server(value) for value in unclaimed] == [None] * 5
    assert parse_expiry("2027-09-01T00:00:00") is not None
    assert [parse_expiry(value) for value in (None, "soon", 2027.5, "0001-01-01T00:00:00+14:00")] == [None] * 4
    assert [read_number(value) for value in ("12", " 3 ", "-1", "1e3", None, "9" * 40)] == [12, 3, None, None, None, None]
    failures = parse_failures(
        {"eventStatus": "COMPLETE", "failures": [None, {"errorNumber": "9610", "serialNumber": 7}]}, 1, ["A"]
    )
    assert [(failure.number, failure.serial) for failure in failures] == [(9610, "7")]
    assert parse_failures({"eventStatus": "COMPLETE", "failures": {"a": 1}}, 1, ["A"]) == []
