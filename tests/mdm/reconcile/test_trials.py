"""What could cut a tablet off is tried first: it stays when the tablet was in contact under it, else it leaves by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cartable.clock import ManualClock
from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.tablets.models import Tablet, TabletState
from mdm.care import overview
from mdm.reconcile.models import ProfileTrial, TrialState
from mdm.reconcile.service import retry_rules
from mdm.reconcile.trials import MAX_TRIALS, RETRY_AFTER
from profiles.policy.kinds import PlaceKind
from profiles.render.apple import PROFILE_IDENTIFIER
from profiles.render.declarations import BASE_IDENTIFIER
from profiles.render.trial import TRIAL_DURATION, TRIAL_IDENTIFIER
from tests.mdm.reconcile.enrolled_tablet import REFUSAL, EnrolledTablet
from tests.support.policy import publish_document

PROXY = {"ProxyType": "Manual", "ProxyServer": "proxy.ville.fr", "ProxyServerPort": 3128}


def publish(tablet: EnrolledTablet, values: dict[str, Any]) -> None:
    """Publish values for the town of a tablet, without any guard."""
    with tablet.runtime.open_unit_of_work() as work:
        town_id = work.session.get_one(Tablet, tablet.tablet_id).town_id
        publish_document(work, town_id, PlaceKind.TOWN, "", values)


def load_trial(tablet: EnrolledTablet) -> ProfileTrial | None:
    with tablet.runtime.open_unit_of_work() as work:
        rows = work.session.query(ProfileTrial).all()
        for row in rows:
            work.session.expunge(row)
        return rows[0] if rows else None


def get_state(tablet: EnrolledTablet) -> TrialState | None:
    trial = load_trial(tablet)
    return trial.state if trial is not None else None


@pytest.fixture
def tablet(runtime: Runtime, clock: ManualClock) -> EnrolledTablet:
    """A tablet that is managed by profiles, and gets a proxy."""
    tablet = EnrolledTablet(runtime, clock, os_version="16.7.10")
    tablet.connect()
    publish(tablet, {"all": {"proxy.http.global": PROXY, "allowCamera": False}})
    tablet.connect()
    return tablet


def test_the_trial_goes_beside_the_rest_and_is_replaced_when_the_tablet_was_in_contact(tablet: EnrolledTablet) -> None:
    assert set(tablet.installed) == {PROFILE_IDENTIFIER, TRIAL_IDENTIFIER}
    assert get_state(tablet) is TrialState.VERIFIED
    with tablet.runtime.open_unit_of_work() as work:
        assert overview.view_tablet(work, SYSTEM, tablet.tablet_id).rules.trial is TrialState.VERIFIED
    safe = tablet.installed[PROFILE_IDENTIFIER]
    assert tablet.wait(seconds=30) == [], "the contact that verified it proves nothing"
    assert "DeviceInformation" in tablet.wait(seconds=31)
    received = tablet.wait(seconds=60)
    assert get_state(tablet) is TrialState.PROVED
    assert received[:2] == ["RemoveProfile", "InstallProfile"], "of some payloads a tablet holds one only"
    assert set(tablet.installed) == {PROFILE_IDENTIFIER}
    assert tablet.installed[PROFILE_IDENTIFIER] != safe
    assert tablet.wait(hours=2) == []


def test_what_was_proved_is_not_tried_again_after_a_change_of_mode(tablet: EnrolledTablet) -> None:
    for _ in range(3):
        tablet.wait(seconds=61)
    for state in (TabletState.LOST, TabletState.IN_USE):
        with tablet.runtime.open_unit_of_work() as work:
            work.session.get_one(Tablet, tablet.tablet_id).state = state
            work.enqueue_job(Topic.RECONCILE, tablet.tablet_id)
        tablet.connect()
        assert set(tablet.installed) == {PROFILE_IDENTIFIER}


def test_a_trial_that_removed_itself_is_known_as_ended_and_tried_a_few_times_only(tablet: EnrolledTablet) -> None:
    for attempt in range(1, MAX_TRIALS + 1):
        tablet.clock.advance(TRIAL_DURATION)
        del tablet.installed[TRIAL_IDENTIFIER]  # the tablet removed it, and comes back
        tablet.wait(minutes=6)
        trial = load_trial(tablet)
        assert trial is not None
        assert (trial.state, trial.attempts) == (TrialState.ENDED, attempt)
        assert TRIAL_IDENTIFIER not in tablet.installed
        tablet.wait(seconds=RETRY_AFTER.total_seconds())
    assert TRIAL_IDENTIFIER not in tablet.installed
    assert PROFILE_IDENTIFIER in tablet.installed, "everything else stays in force"
    with tablet.runtime.open_unit_of_work() as work:
        retry_rules(work, tablet.tablet_id)
    tablet.connect()
    assert TRIAL_IDENTIFIER in tablet.installed


def test_a_refused_trial_leaves_the_other_rules_alone(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock, os_version="16.7.10")
    tablet.connect()

    def refuse_trial(command: dict[str, Any]) -> dict[str, Any]:
        return REFUSAL if TRIAL_IDENTIFIER.encode() in command["Payload"] else tablet._execute(command)

    tablet.answers["InstallProfile"] = refuse_trial
    publish(tablet, {"all": {"proxy.http.global": PROXY, "allowCamera": False}})
    tablet.connect()
    assert get_state(tablet) is TrialState.REFUSED
    assert set(tablet.installed) == {PROFILE_IDENTIFIER}


def test_a_trial_ends_with_the_rules_that_asked_for_it(tablet: EnrolledTablet) -> None:
    publish(tablet, {"all": {"allowCamera": False}})
    tablet.connect()
    assert (set(tablet.installed), get_state(tablet)) == ({PROFILE_IDENTIFIER}, None)


def test_beside_declarations_the_trial_goes_by_command(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    tablet.prove()
    tablet.report()
    tablet.connect()
    publish(tablet, {"all": {"proxy.http.global": PROXY}})
    tablet.connect()
    assert set(tablet.installed) == {TRIAL_IDENTIFIER}
    before = tablet.fetch("configuration", BASE_IDENTIFIER)
    tablet.report()
    for _ in range(3):
        tablet.wait(seconds=61)
    assert (set(tablet.installed), get_state(tablet)) == (set(), TrialState.PROVED)
    tablet.report()
    assert tablet.fetch("configuration", BASE_IDENTIFIER) != before, "now the proxy is declared"


def test_a_result_of_the_tablet_and_a_decision_of_the_worker_meet(tablet: EnrolledTablet) -> None:
    tablet.clock.advance(timedelta(minutes=2))
    tablet.connect()
    publish(tablet, {"all": {"allowCamera": True}})
    tablet.connect()
    assert get_state(tablet) in (None, TrialState.PROVED)
    assert set(tablet.installed) == {PROFILE_IDENTIFIER}
