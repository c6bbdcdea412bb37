"""Roll-outs by stages: what is proved goes on, what fails or falls silent stops, and what was in force before is in force again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest

from cartable.alarms import Alarm, AlarmKind
from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import load_facts
from enrollment.tablets.models import Tablet
from mdm.devices.models import DeclarationStatus, LastSeen
from mdm.devices.repository import DeviceRepository
from mdm.queue.models import QueuedCommand
from mdm.reconcile.models import ProfileState, TabletProfile
from mdm.reconcile.rollouts import get_rollout, watch_rollouts
from mdm.reconcile.stage_rules import StageOutcome, StageTabletState
from mdm.reconcile.trials import CHECK_IN
from profiles.effective import publishing
from profiles.effective.desired_states import compute_desired_states
from profiles.effective.publishing import Publication
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind, StageKind, VersionState
from profiles.policy.models import PolicyDocument, PolicyVersion
from profiles.render.declarations import BASE_IDENTIFIER
from tests.mdm.reconcile.enrolled_tablet import EnrolledTablet
from tests.mdm.reconcile.test_proved_declarations import INVALID
from tests.profiles.policy.places import PolicyTown, value_on
from tests.support.installation import install
from tests.support.policy import publish_content
from tests.support.world import TownFactory

CLOSED = PolicyContent({"all": {"allowCamera": False}})


class Rollout:
    """A town with two classes of CE2 and one of CM2 in one school, and a version that goes out to all of it."""

    def __init__(self, runtime: Runtime, clock: ManualClock) -> None:
        install(runtime)
        self.runtime, self.clock = runtime, clock
        with runtime.open_unit_of_work() as work:
            self.town = PolicyTown(work)
            self.tablets = [tablet for pair in self.town.tablets for tablet in pair]
            for index, tablet in enumerate(self.tablets):
                tablet.os_version = "16.7.10"
                TownFactory(work).enroll_tablet(tablet, last_seen_at=work.now - timedelta(minutes=5 + index))
            document = self.town.open(work, PlaceKind.TOWN)
            publish_content(work, document, PolicyContent({"all": {"allowCamera": True}}))
            self.document_id = document.id
            version = life.save_draft(work, SYSTEM, document, life.Draft(CLOSED))
            publishing.publish(work, SYSTEM, document, version.number, Publication(reason="a calm year"))
            self.version_id = version.id

    def watch(self, **duration: float) -> PolicyVersion:
        """Let time pass, run the job, and return the version."""
        self.clock.advance(timedelta(**duration))
        with self.runtime.open_unit_of_work() as work:
            watch_rollouts(work)
        with self.runtime.open_unit_of_work() as work:
            version = work.session.get_one(PolicyVersion, self.version_id)
            work.session.expunge(version)
            return version

    def confirm(self, tablets: Sequence[Tablet]) -> None:
        """Let tablets list the profile that they should have now, in a contact of now."""
        with self.runtime.open_unit_of_work() as work:
            facts = load_facts(work, [tablet.id for tablet in tablets])
            for tablet_id, desired in compute_desired_states(work, facts.values()).items():
                row = TabletProfile(tablet_id=tablet_id, desired_sha256=desired.sha256, state=ProfileState.VERIFIED)
                row.changed_at = work.now
                work.session.merge(row)
        self.contact(tablets)

    def contact(self, tablets: Sequence[Tablet]) -> None:
        """Let tablets be in contact now."""
        with self.runtime.open_unit_of_work() as work:
            channels = DeviceRepository(work.session).load_enrolled_channels([tablet.id for tablet in tablets])
            for channel in channels.values():
                work.session.get_one(LastSeen, channel.id).last_seen_at = work.now

    def get_document(self, work: UnitOfWork) -> PolicyDocument:
        return work.session.get_one(PolicyDocument, self.document_id)


@pytest.fixture
def rollout(runtime: Runtime, clock: ManualClock) -> Rollout:
    return Rollout(runtime, clock)


def test_a_version_for_a_town_goes_from_the_tablet_seen_last_to_its_class_and_then_to_all(rollout: Rollout) -> None:
    version = rollout.watch()
    assert (version.state, version.stage, version.stage_target) == (
        VersionState.ROLLING, StageKind.TABLET, rollout.tablets[0].id,
    )  # fmt: skip
    rollout.clock.advance(timedelta(minutes=1))
    rollout.confirm(rollout.tablets[:1])
    assert rollout.watch(minutes=2).stage is StageKind.TABLET, "a confirmation alone is no proof"
    rollout.contact(rollout.tablets[:1])
    version = rollout.watch()
    assert (version.stage, version.stage_target) == (StageKind.CLASS, rollout.town.classes[0].id)
    assert version.stage_proved_at is None, "the new stage has proved nothing yet"
    rollout.clock.advance(timedelta(minutes=1))
    rollout.confirm(rollout.tablets[:2])
    rollout.clock.advance(timedelta(minutes=2))
    rollout.contact(rollout.tablets[:2])
    version = rollout.watch()
    assert (version.state, version.stage) == (VersionState.LIVE, None), "the school is all of the town: one stage less"


def test_tablets_that_have_confirmed_are_asked_to_check_in(rollout: Rollout) -> None:
    rollout.watch()
    rollout.clock.advance(timedelta(minutes=1))
    rollout.confirm(rollout.tablets[:1])

    def count_queries() -> int:
        with rollout.runtime.open_unit_of_work() as work:
            return work.session.query(QueuedCommand).filter(QueuedCommand.dedupe_key == CHECK_IN.dedupe_key()).count()

    rollout.watch(seconds=30)
    assert count_queries() == 0, "the contact that confirmed is not over yet"
    rollout.watch(seconds=31)
    rollout.watch(seconds=60)
    assert count_queries() == 1


def test_a_first_tablet_that_falls_silent_stops_it(rollout: Rollout) -> None:
    rollout.watch()
    rollout.clock.advance(timedelta(minutes=1))
    rollout.confirm(rollout.tablets[:1])
    assert rollout.watch(minutes=44).state is VersionState.ROLLING
    version = rollout.watch(minutes=2)
    assert (version.state, version.stop_reason) == (VersionState.STOPPED, "1 of 1 tablets are out of contact since")
    with rollout.runtime.open_unit_of_work() as work:
        assert value_on(work, rollout.tablets[0], "allowCamera") is True
        assert [alarm.kind for alarm in work.session.query(Alarm)] == [AlarmKind.ROLLOUT_STOPPED]


def test_a_tablet_that_cannot_apply_it_stops_it(rollout: Rollout) -> None:
    rollout.watch()
    rollout.confirm(rollout.tablets[:1])
    with rollout.runtime.open_unit_of_work() as work:
        row = work.session.get_one(TabletProfile, rollout.tablets[0].id)
        row.state, row.changed_at = ProfileState.FAILED, work.now
    assert rollout.watch(minutes=1).stop_reason == "1 of 1 tablets could not apply it"


def test_a_roll_out_waits_for_a_first_tablet_and_shows_how_far_it_is(rollout: Rollout) -> None:
    with rollout.runtime.open_unit_of_work() as work:
        work.session.query(LastSeen).delete()
    assert rollout.watch(minutes=5).stage_target is None
    with rollout.runtime.open_unit_of_work() as work:
        state = get_rollout(work, rollout.get_document(work))
        assert state is not None
        assert state.progress is None
        for index, tablet in enumerate(rollout.tablets):
            channel = DeviceRepository(work.session).load_enrolled_channels([tablet.id])[tablet.id]
            work.session.add(
                LastSeen(enrollment_id=channel.id, town_id=channel.town_id, last_seen_at=work.now - timedelta(hours=2 + index))
            )
    assert rollout.watch().stage_target == rollout.tablets[0].id
    assert rollout.watch(hours=25).state is VersionState.ROLLING
    with rollout.runtime.open_unit_of_work() as work:
        state = get_rollout(work, rollout.get_document(work))
        assert state is not None
        assert state.progress is not None
        assert (state.progress.outcome, dict(state.progress.tablets)) == (StageOutcome.STALLED, {StageTabletState.AWAY: 1})


def test_a_person_who_stops_it_is_not_overruled_by_the_server_that_saw_it_proved(rollout: Rollout) -> None:
    rollout.watch()
    stage = life.Stage(StageKind.TABLET, rollout.tablets[0].id)

    def go_on() -> None:
        with rollout.runtime.open_unit_of_work() as other:
            publishing.record_stage_proved(other, rollout.get_document(other), 2, stage)

    server = threading.Thread(target=go_on)
    with rollout.runtime.open_unit_of_work() as work:
        life.stop(work, SYSTEM, rollout.get_document(work), "the camera is needed")
        server.start()
        server.join(0.3)
        assert server.is_alive(), "it waits for the transaction"
    server.join(20)
    assert rollout.watch().state is VersionState.STOPPED


def publish_for_one(tablet: EnrolledTablet) -> None:
    """Publish a version for the one tablet of a town, as the first stage of it."""
    with tablet.runtime.open_unit_of_work() as work:
        town_id = work.session.get_one(Tablet, tablet.tablet_id).town_id
        document = documents.open_document(work, SYSTEM, town_id, PlaceKind.TOWN, "")
        version = life.save_draft(work, SYSTEM, document, life.Draft(CLOSED))
        stage = life.Stage(StageKind.TABLET, tablet.tablet_id)
        publishing.publish(work, SYSTEM, document, version.number, Publication(stage))


def load_version(tablet: EnrolledTablet) -> PolicyVersion:
    with tablet.runtime.open_unit_of_work() as work:
        version = work.session.query(PolicyVersion).one()
        work.session.expunge(version)
        return version


def test_with_profiles_the_contact_after_the_confirmation_proves_it(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock, os_version="16.7.10")
    tablet.connect()
    publish_for_one(tablet)
    tablet.wait(seconds=10)
    tablet.wait(seconds=10)
    assert load_version(tablet).stage_proved_at is None
    tablet.wait(seconds=70)
    tablet.wait(seconds=10)
    assert load_version(tablet).stage_proved_at is not None


def test_with_declarations_the_contact_after_the_confirmation_proves_it(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    tablet.prove()
    tablet.report()
    tablet.connect()
    publish_for_one(tablet)
    tablet.wait(seconds=10)
    tablet.report()
    assert tablet.load_state().status is DeclarationStatus.CONFIRMED
    tablet.wait(seconds=10)
    assert load_version(tablet).stage_proved_at is None
    tablet.wait(seconds=70)
    tablet.wait(seconds=10)
    assert load_version(tablet).stage_proved_at is not None


def test_an_invalid_declaration_stops_it(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    tablet.prove()
    tablet.report()
    tablet.connect()
    publish_for_one(tablet)
    tablet.wait(seconds=10)
    tablet.report({BASE_IDENTIFIER: INVALID})
    tablet.wait(seconds=10)
    version = load_version(tablet)
    assert (version.state, version.stop_reason) == (VersionState.STOPPED, "1 of 1 tablets could not apply it")
