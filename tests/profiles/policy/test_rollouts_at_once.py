"""Two people, or a person and the worker, act on one roll-out at the same time: one wins, and one version is in force."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from cartable.clock import ManualClock
from cartable.paging import PageRequest
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from profiles.effective import publishing
from profiles.policy import life
from profiles.policy.content import PolicyContent
from profiles.policy.errors import CannotPublish, NewerVersion, VersionNotFound
from profiles.policy.kinds import PlaceKind, StageKind, VersionState
from profiles.policy.models import PolicyDocument
from profiles.policy.repository import PolicyRepository
from tests.profiles.policy.places import PolicyTown
from tests.support.concurrency import run_overlapping
from tests.support.policy import publish_content

CAMERA_ON, CAMERA_OFF = (PolicyContent({"all": {"allowCamera": value}}) for value in (True, False))


class RollOut:
    """The document of a town: version 1 is live, version 2 is rolled out to one tablet, and version 3 is a draft."""

    def __init__(self, runtime: Runtime, clock: ManualClock) -> None:
        self.runtime = runtime
        with runtime.open_unit_of_work() as work:
            town = PolicyTown(work)
            document = town.open(work, PlaceKind.TOWN)
            publish_content(work, document, CAMERA_ON)
            until = clock.now() + timedelta(hours=1)
            for _ in range(2):
                life.save_draft(work, SYSTEM, document, life.Draft(CAMERA_OFF, reason="a reason", until=until))
            self.document_id = document.id
            self.first = life.Stage(StageKind.TABLET, town.tablets[0][0].id)
            self.wider = life.Stage(StageKind.CLASS, town.classes[0].id)
            life.publish(work, SYSTEM, document, 2, life.Stage(StageKind.TABLET), advances=True)
            publishing.choose_first_tablet(work, document, 2, town.tablets[0][0].id)

    def open(self, work: UnitOfWork) -> PolicyDocument:
        return work.session.get_one(PolicyDocument, self.document_id)

    def stop(self, work: UnitOfWork) -> int:
        return life.stop(work, SYSTEM, self.open(work), "the camera is needed").number

    def go_on(self, work: UnitOfWork) -> int:
        return life.publish(work, SYSTEM, self.open(work), 2).number

    def publish_draft(self, work: UnitOfWork) -> int:
        return life.publish(work, SYSTEM, self.open(work), 3).number

    def save_draft(self, work: UnitOfWork) -> int:
        return life.save_draft(work, SYSTEM, self.open(work), life.Draft(CAMERA_ON, reason="a reason")).number

    def undo(self, work: UnitOfWork) -> int:
        return life.roll_back(work, SYSTEM, self.open(work), 1).number

    def prove(self, work: UnitOfWork) -> None:
        publishing.record_stage_proved(work, self.open(work), 2, self.first)

    def list_states(self) -> list[VersionState]:
        """The states of all versions, the oldest first."""
        with self.runtime.open_unit_of_work() as work:
            rows = PolicyRepository(work.session).list_versions(self.open(work), PageRequest()).items
            return [row.state for row in reversed(rows)]


@pytest.fixture
def roll_out(runtime: Runtime, clock: ManualClock) -> RollOut:
    return RollOut(runtime, clock)


def test_two_people_stop(roll_out: RollOut) -> None:
    first, refusal = run_overlapping(roll_out.runtime, roll_out.stop, roll_out.stop)
    assert first == 2
    assert isinstance(refusal, VersionNotFound)


@pytest.mark.parametrize("is_stop_first", [True, False])
def test_one_stops_while_the_other_goes_on(roll_out: RollOut, is_stop_first: bool) -> None:
    acts = (roll_out.stop, roll_out.go_on)
    first, refusal = run_overlapping(roll_out.runtime, *(acts if is_stop_first else acts[::-1]))
    assert first == 2
    assert isinstance(refusal, CannotPublish if is_stop_first else VersionNotFound)
    assert roll_out.list_states()[:2] == (
        [VersionState.LIVE, VersionState.STOPPED] if is_stop_first else [VersionState.SUPERSEDED, VersionState.LIVE]
    )


def test_two_people_go_on(roll_out: RollOut) -> None:
    first, refusal = run_overlapping(roll_out.runtime, roll_out.go_on, roll_out.go_on)
    assert first == 2
    assert isinstance(refusal, CannotPublish)


def test_another_version_is_published_while_one_goes_on(roll_out: RollOut) -> None:
    _, refusal = run_overlapping(roll_out.runtime, roll_out.go_on, roll_out.publish_draft)
    assert isinstance(refusal, NewerVersion)


def test_the_server_advances_while_a_person_stops(roll_out: RollOut) -> None:
    run_overlapping(roll_out.runtime, roll_out.stop, roll_out.prove)
    assert roll_out.list_states()[:2] == [VersionState.LIVE, VersionState.STOPPED]


def test_two_workers_advance_by_one_stage(roll_out: RollOut) -> None:
    run_overlapping(roll_out.runtime, roll_out.prove, roll_out.prove)
    with roll_out.runtime.open_unit_of_work() as work:
        version = PolicyRepository(work.session).get_version(roll_out.open(work), 2)
        assert version is not None
        assert life.Stage(version.stage, version.stage_target) == roll_out.wider  # type: ignore[arg-type]


def test_an_undo_and_the_next_stage_leave_one_version_in_force(roll_out: RollOut) -> None:
    _, refusal = run_overlapping(roll_out.runtime, roll_out.undo, roll_out.go_on)
    assert isinstance(refusal, CannotPublish)
    assert Counter(roll_out.list_states())[VersionState.LIVE] == 1


def test_two_people_undo(roll_out: RollOut) -> None:
    run_overlapping(roll_out.runtime, roll_out.undo, roll_out.undo)
    states = Counter(roll_out.list_states())
    assert (states[VersionState.LIVE], states[VersionState.ROLLING]) == (1, 0)


def test_two_authors_save_a_draft(roll_out: RollOut) -> None:
    assert run_overlapping(roll_out.runtime, roll_out.save_draft, roll_out.save_draft) == (4, 5)


def test_a_temporary_version_that_a_person_stops_is_not_ended_again(roll_out: RollOut, clock: ManualClock) -> None:
    clock.advance(timedelta(hours=2))
    assert run_overlapping(roll_out.runtime, roll_out.stop, life.end_temporary_versions) == (2, 0)
    assert len(roll_out.list_states()) == 3


def test_two_workers_end_a_temporary_version_once(roll_out: RollOut, clock: ManualClock) -> None:
    with roll_out.runtime.open_unit_of_work() as work:
        roll_out.go_on(work)
    clock.advance(timedelta(hours=2))
    assert run_overlapping(roll_out.runtime, life.end_temporary_versions, life.end_temporary_versions) == (1, 0)
    assert len(roll_out.list_states()) == 4
