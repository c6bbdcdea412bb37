"""Declarations are confirmed when they are active and valid; until then the installed profile stays, and what fails is told."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest

from cartable.clock import ManualClock
from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.tablets.models import Tablet, TabletState
from mdm.care import overview, retries
from mdm.channel.declarative_statements import DeclarativeStatements, RequestKey
from mdm.channel.repository import ChannelRepository
from mdm.devices.declaration_status import PROGRESS_TIMEOUT
from mdm.devices.models import DeclarationStatus, DeclarativeState
from mdm.devices.repository import DeviceRepository
from mdm.reconcile.declarations import REPAIR_DELAYS, REPORT_TIMEOUT, publish_set
from mdm.reconcile.models import ProfileReason, ProfileState
from profiles.effective.compile import DesiredState
from profiles.effective.models import DeclarationSet
from profiles.render.declarations import (
    ALWAYS_IDENTIFIER,
    BASE_IDENTIFIER,
    PROPERTIES_IDENTIFIER,
    select_effective_identifiers,
)
from profiles.schedule.models import TabletMode
from profiles.schedule.modes import Mode
from tests.mdm.reconcile.enrolled_tablet import PLURALS, EnrolledTablet

INVALID = {
    "valid": "invalid",
    "active": False,
    "Reasons": [{"Code": "Error.ConfigurationIsInvalid", "Description": "is invalid"}],
}


@pytest.fixture
def tablet(runtime: Runtime, clock: ManualClock) -> EnrolledTablet:
    """A tablet that has proved that it supports declarations, and has received the announcement of its own."""
    tablet = EnrolledTablet(runtime, clock)
    tablet.prove()
    return tablet


def view_rules(tablet: EnrolledTablet) -> overview.RulesStatus:
    with tablet.runtime.open_unit_of_work() as work:
        return overview.view_tablet(work, SYSTEM, tablet.tablet_id).rules


def change_mode(tablet: EnrolledTablet, state: TabletState) -> None:
    """Change the mode of the tablet: a lost one is in mode lost."""
    with tablet.runtime.open_unit_of_work() as work:
        work.session.get_one(Tablet, tablet.tablet_id).state = state
        work.enqueue_job(Topic.RECONCILE, tablet.tablet_id)


def test_declarations_in_progress_are_not_confirmed_and_the_profile_stays(tablet: EnrolledTablet) -> None:
    tablet.report({BASE_IDENTIFIER: {"valid": "unknown"}})
    assert "RemoveProfile" not in tablet.connect()
    state = tablet.load_state()
    assert (state.status, state.confirmed_at, state.confirmed_mode) == (DeclarationStatus.IN_PROGRESS, None, None)
    assert tablet.holds_policy_profile()
    assert (view_rules(tablet).state, view_rules(tablet).reason) == (ProfileState.WAITING, ProfileReason.IN_PROGRESS)
    tablet.report()
    assert "RemoveProfile" in tablet.connect()
    state = tablet.load_state()
    assert (state.status, state.confirmed_at) == (DeclarationStatus.CONFIRMED, tablet.clock.now())
    assert state.confirmed_mode == state.mode
    assert view_rules(tablet).state is ProfileState.VERIFIED


def test_the_full_profile_follows_the_mode_until_declarations_are_confirmed(tablet: EnrolledTablet) -> None:
    tablet.report({BASE_IDENTIFIER: {"valid": "unknown"}})
    before = dict(tablet.installed)
    change_mode(tablet, TabletState.LOST)
    tablet.connect()
    row = tablet.load_profile()
    assert row is not None
    assert row.state is ProfileState.VERIFIED
    assert set(tablet.installed) == set(before)


def test_an_invalid_declaration_is_shown_as_failed_with_its_reason_at_the_first_report(tablet: EnrolledTablet) -> None:
    tablet.report({BASE_IDENTIFIER: INVALID})
    rules = view_rules(tablet)
    assert (rules.state, rules.reason) == (ProfileState.FAILED, ProfileReason.INVALID)
    assert rules.problem == f"{BASE_IDENTIFIER}: Error.ConfigurationIsInvalid, is invalid"
    assert "RemoveProfile" not in tablet.connect()
    assert tablet.holds_policy_profile()


def test_a_repair_announces_new_tokens_of_what_is_broken(tablet: EnrolledTablet) -> None:
    before = tablet.fetch_manifest()
    tablet.report({BASE_IDENTIFIER: INVALID})
    assert "DeclarativeManagement" in tablet.connect()
    after = tablet.fetch_manifest()
    changed = {
        new["Identifier"]
        for kind in PLURALS
        for new in after[kind]
        if new["ServerToken"] not in {old["ServerToken"] for old in before[kind]}
    }
    assert changed == {BASE_IDENTIFIER}
    assert len({tokens["DeclarationsToken"] for tokens in tablet.tokens}) == len(tablet.tokens)
    renewed = next(row for row in after["Configurations"] if row["Identifier"] == BASE_IDENTIFIER)
    assert tablet.fetch("configuration", BASE_IDENTIFIER)["ServerToken"] == renewed["ServerToken"]
    tablet.report()
    assert tablet.load_state().status is DeclarationStatus.CONFIRMED
    assert tablet.load_state().repair_attempts == 0


def test_after_some_repairs_the_profile_takes_over_and_then_the_set_is_withdrawn(tablet: EnrolledTablet) -> None:
    tablet.report()
    tablet.connect()
    assert not tablet.holds_policy_profile()
    modes = [TabletState.LOST, TabletState.IN_USE]
    for attempt, delay in enumerate((*REPAIR_DELAYS, timedelta(minutes=1))):
        change_mode(tablet, modes[attempt % 2])  # a change of mode begins no new count
        tablet.connect()
        tablet.report({BASE_IDENTIFIER: INVALID})
        tablet.connect()
        tablet.wait(seconds=delay.total_seconds())
    state = tablet.load_state()
    assert "Error.ConfigurationIsInvalid" in (state.fallback_reason or "")
    assert tablet.holds_policy_profile()
    tablet.connect()
    assert tablet.load_state().set_sha256 is None, "withdrawn once the profile was verified"
    assert tablet.fetch_manifest() == {kind: [] for kind in PLURALS}
    assert view_rules(tablet).path is overview.RulesDelivery.PROFILE
    assert view_rules(tablet).can_retry


def test_unknown_waits_with_patience_and_then_is_a_failure(tablet: EnrolledTablet) -> None:
    tablet.report({ALWAYS_IDENTIFIER: {"valid": "unknown"}})
    tablet.wait(minutes=90)
    assert tablet.load_state().repair_attempts == 0
    tablet.wait(seconds=PROGRESS_TIMEOUT.total_seconds() - 90 * 60)
    state = tablet.load_state()
    assert (state.status, state.repair_attempts) == (DeclarationStatus.FAILED, 1)
    assert state.problem == f"still in progress: {ALWAYS_IDENTIFIER}"
    assert state.repairs == {ALWAYS_IDENTIFIER: 1}


def test_a_tablet_that_synchronises_and_never_reports_is_made_to_report(tablet: EnrolledTablet) -> None:
    tablet.fetch_manifest()
    tablet.wait(seconds=REPORT_TIMEOUT.total_seconds())
    state = tablet.load_state()
    assert state.repairs == {PROPERTIES_IDENTIFIER: 1}
    assert state.status is DeclarationStatus.WAITING, "silence is no failure yet"


def test_a_report_before_the_synchronisation_is_not_compared_with_the_announced_set(tablet: EnrolledTablet) -> None:
    tablet.report()
    tablet.connect()
    former = tablet.fetch_manifest()
    change_mode(tablet, TabletState.LOST)
    tablet.connect()
    announced = tablet.load_state()
    tablet.send_report(former)
    assert tablet.ask("status", {"StatusItems": {"device": {"operating-system": {"version": "26.2"}}}}).status == 200
    tablet.connect()
    state = tablet.load_state()
    assert (state.publication, state.status) == (announced.publication, DeclarationStatus.WAITING)
    assert (state.mode, state.confirmed_mode) == (Mode.LOST.value, announced.confirmed_mode), "it is still in the former mode"
    tablet.report()
    assert tablet.load_state().confirmed_mode == Mode.LOST.value


def test_partial_reports_add_up_to_a_confirmation(tablet: EnrolledTablet) -> None:
    manifest = tablet.fetch_manifest()
    for kind in PLURALS:
        assert tablet.load_state().status is not DeclarationStatus.CONFIRMED
        tablet.send_report(manifest, kinds=(kind,))
        assert tablet.load_state().status is not DeclarationStatus.FAILED
    assert tablet.load_state().status is DeclarationStatus.CONFIRMED


def test_a_mode_that_came_and_went_is_confirmed_by_what_the_tablet_has(tablet: EnrolledTablet) -> None:
    tablet.report()
    tablet.connect()
    for state in (TabletState.LOST, TabletState.IN_USE):
        change_mode(tablet, state)
        tablet.run_worker()
    assert tablet.load_state().status is DeclarationStatus.CONFIRMED


def test_a_mode_that_applies_the_same_is_not_announced_and_counts_as_seen(tablet: EnrolledTablet) -> None:
    tablet.report()
    tablet.connect()
    named = Mode(str(tablet.load_state().mode))
    with tablet.runtime.open_unit_of_work() as work:
        state = work.session.get_one(DeclarativeState, tablet.enrollment.id)
        items = DeviceRepository(work.session).load_declaration_items([str(state.set_sha256)])[str(state.set_sha256)]
        by_mode = {mode: select_effective_identifiers(items, mode) for mode in Mode}
    equal = next(mode for mode in Mode if mode is not named and by_mode[mode] == by_mode[named])
    other = next(mode for mode in Mode if by_mode[mode] != by_mode[named])
    for mode, is_announced in ((equal, False), (other, True)):
        before = tablet.load_state()
        with tablet.runtime.open_unit_of_work() as work:
            channels = {tablet.tablet_id: tablet.enrollment}
            states = DeviceRepository(work.session).load_declarative_states([tablet.enrollment.id])
            desired = DesiredState(mode, "", "", "", (), (), before.set_sha256)
            publish_set(work, channels, {tablet.tablet_id: desired}, states)
        assert (tablet.load_state().publication != before.publication) is is_announced
        with tablet.runtime.open_unit_of_work() as work:
            work.session.get_one(TabletMode, tablet.tablet_id).mode = mode
        assert (view_rules(tablet).seen_mode is mode) is not is_announced, "the tablet applies it already, or does not yet"


def test_lost_is_not_shown_as_seen_over_an_invalid_base(tablet: EnrolledTablet) -> None:
    tablet.report()
    tablet.connect()
    change_mode(tablet, TabletState.LOST)
    tablet.connect()
    tablet.report({BASE_IDENTIFIER: INVALID})
    assert (view_rules(tablet).wanted_mode, view_rules(tablet).seen_mode) == (Mode.LOST, None)


def test_what_one_manifest_named_is_served_until_the_next_one(tablet: EnrolledTablet) -> None:
    manifest = tablet.fetch_manifest()
    with tablet.runtime.open_unit_of_work() as work:  # another policy is announced between the manifest and the fetches
        state = work.session.get_one(DeclarativeState, tablet.enrollment.id)
        former = work.session.get_one(DeclarationSet, state.set_sha256)
        items = [{**item, "ServerToken": "f" * 64} if item["Identifier"] == BASE_IDENTIFIER else item for item in former.items]
        work.session.add(
            DeclarationSet(
                sha256="e" * 64, town_id=former.town_id, items=items, profiles=[], created_at=work.now, last_used_at=work.now
            )
        )
        state.set_sha256, state.publication = "e" * 64, state.publication + 1
        work.session.flush()
        assert former.profiles
        for sha256 in former.profiles:
            repository = ChannelRepository(work.session)
            assert repository.get_signed_profile(tablet.enrollment.fingerprint, sha256), "what was served is still fetched"
    for kind, path in PLURALS.items():
        for row in manifest[kind]:
            assert tablet.fetch(path, row["Identifier"])["ServerToken"] == row["ServerToken"]
    tablet.send_report(manifest)
    assert tablet.load_state().confirmed_at is None, "the former set confirms nothing of the announced one"
    tablet.fetch_manifest()
    assert tablet.fetch("configuration", BASE_IDENTIFIER)["ServerToken"] == "f" * 64


def test_one_announced_set_has_one_timestamp(tablet: EnrolledTablet) -> None:
    tablet.clock.advance(timedelta(seconds=7))
    assert json.loads(tablet.ask("tokens").body)["SyncTokens"] == tablet.tokens[-1]


def test_a_person_can_have_declarations_tried_again(tablet: EnrolledTablet) -> None:
    with tablet.runtime.open_unit_of_work() as work:
        work.session.get_one(DeclarativeState, tablet.enrollment.id).fallback_reason = "did not work"
        work.enqueue_job(Topic.RECONCILE, tablet.tablet_id)
    tablet.connect()
    assert tablet.load_state().set_sha256 is None
    with tablet.runtime.open_unit_of_work() as work:
        retries.retry_rules(work, SYSTEM, tablet.tablet_id)
    assert "DeclarativeManagement" in tablet.connect()
    tablet.report()
    assert tablet.load_state().status is DeclarationStatus.CONFIRMED


def test_a_report_never_confirms_what_was_announced_after_it_was_compared(tablet: EnrolledTablet) -> None:
    key = RequestKey(tablet.enrollment.channel_key, tablet.enrollment.fingerprint, is_report=True)
    with tablet.runtime.open_unit_of_work() as work:
        [compared] = DeclarativeStatements(work.session).load_senders([key], work.now).values()
    change_mode(tablet, TabletState.LOST)
    tablet.run_worker()
    with tablet.runtime.open_unit_of_work() as work:
        values = {"status": DeclarationStatus.CONFIRMED, "confirmed_at": work.now}
        assert not DeclarativeStatements(work.session).save_reported([(compared, values)])
    state = tablet.load_state()
    assert (state.mode, state.confirmed_at, state.status) == (Mode.LOST.value, None, DeclarationStatus.WAITING)


def test_a_report_that_arrives_while_the_worker_announces_waits_for_it(tablet: EnrolledTablet) -> None:
    manifest = tablet.fetch_manifest()
    reporter = threading.Thread(target=tablet.send_report, args=(manifest,))
    with tablet.runtime.open_unit_of_work() as work:
        [state] = DeviceRepository(work.session).lock_declarative_states([tablet.enrollment.id])
        state.mode, state.publication = Mode.LOST.value, state.publication + 1
        work.session.flush()
        reporter.start()
        reporter.join(1)
        assert reporter.is_alive(), "it waits for the transaction"
    reporter.join(20)
    state = tablet.load_state()
    assert (state.mode, state.confirmed_at) == (Mode.LOST.value, None)
