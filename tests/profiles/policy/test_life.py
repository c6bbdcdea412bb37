"""The life of versions: draft, stages, stop, roll-back, two authors at once, and versions that end by themselves."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from cartable.paging import PageRequest
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from profiles.effective.contents import build_mode_content
from profiles.effective.situation import build_situation, load_policy
from profiles.policy import life
from profiles.policy.content import PolicyContent
from profiles.policy.errors import BadSetting, BadStage, CannotPublish, NewerVersion, ReasonRequired
from profiles.policy.kinds import PlaceKind, StageKind, VersionState
from profiles.policy.models import PolicyDocument, PolicyVersion
from profiles.policy.repository import PolicyRepository
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes
from tests.profiles.policy.places import PolicyTown, value_on
from tests.support.policy import publish_content
from tests.support.world import TownFactory


def draft(work: UnitOfWork, document: PolicyDocument, camera: bool, **more: object) -> PolicyVersion:
    """Save a draft that opens or closes the camera."""
    content = PolicyContent({"all": {"allowCamera": camera}})
    return life.save_draft(work, SYSTEM, document, life.Draft(content, **{"reason": "a reason", **more}))  # type: ignore[arg-type]


def states(work: UnitOfWork, document: PolicyDocument) -> list[VersionState]:
    """The states of all versions, newest first."""
    return [version.state for version in PolicyRepository(work.session).list_versions(document, PageRequest()).items]


def test_a_roll_out_goes_from_one_tablet_to_all_and_is_stopped_and_rolled_back(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.TOWN)
    publish_content(work, document, PolicyContent({"all": {"allowCamera": True}}))
    first, second = town.tablets[0]
    version = draft(work, document, camera=False)
    life.publish(work, SYSTEM, document, version.number, life.Stage(StageKind.TABLET, first.id))
    assert (value_on(work, first, "allowCamera"), value_on(work, second, "allowCamera")) == (False, True)
    life.publish(work, SYSTEM, document, version.number, life.Stage(StageKind.CLASS, town.classes[0].id))
    assert (value_on(work, second, "allowCamera"), value_on(work, town.tablets[1][0], "allowCamera")) == (False, True)
    other = draft(work, document, camera=True)
    with pytest.raises(CannotPublish):
        life.publish(work, SYSTEM, document, other.number)
    life.stop(work, SYSTEM, document, "the camera is needed")
    assert value_on(work, first, "allowCamera") is True
    publish_content(work, document, PolicyContent({"all": {"allowCamera": False}}))
    assert value_on(work, town.tablets[2][0], "allowCamera") is False
    life.roll_back(work, SYSTEM, document, 1)
    assert value_on(work, town.tablets[2][0], "allowCamera") is True
    assert states(work, document) == [
        VersionState.LIVE, VersionState.SUPERSEDED, VersionState.DRAFT, VersionState.STOPPED, VersionState.SUPERSEDED,
    ]  # fmt: skip


def test_rolling_back_gives_the_former_configuration_byte_for_byte(work: UnitOfWork, town: PolicyTown) -> None:
    document, tablet = town.open(work, PlaceKind.TOWN), town.tablets[0][0]

    def digests() -> list[str]:
        facts = load_facts(work, [tablet.id])[tablet.id]
        policy = load_policy(work, [facts])
        situation = build_situation(facts, policy, evaluate_modes(work, [facts])[tablet.id])
        return [build_mode_content(situation, policy, mode).digest for mode in Mode]

    former = publish_content(work, document, PolicyContent({"all": {"camera": False}, "home": {"web.denied": ["a.example"]}}))
    before = digests()
    publish_content(work, document, PolicyContent({"all": {"camera": True}}))
    assert digests() != before
    life.roll_back(work, SYSTEM, document, former.number)
    assert digests() == before


def test_two_authors_at_once_the_later_is_refused_with_the_difference(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.TOWN)
    publish_content(work, document, PolicyContent({"all": {"allowCamera": True}}))
    mine = draft(work, document, camera=False)
    publish_content(
        work, document, PolicyContent({"all": {"allowCamera": True, "allowChat": False}, "home": {"allowSafari": False}})
    )
    with pytest.raises(NewerVersion) as refusal:
        life.publish(work, SYSTEM, document, mine.number)
    assert refusal.value.details == {"live": 3, "changes": ["values.all.allowChat", "values.home.allowSafari"]}
    again = draft(work, document, camera=False, base=3)
    assert life.publish(work, SYSTEM, document, again.number).state is VersionState.LIVE


def test_a_stage_must_exist_be_concerned_and_hold_tablets(work: UnitOfWork, town: PolicyTown) -> None:
    world = TownFactory(work)
    empty, elsewhere = world.create_class(town.school, "CE2 C"), world.create_tablet(world.create_town())
    document = town.open(work, PlaceKind.GRADE, "CE2")
    version = draft(work, document, camera=False)
    for kind, target, why in (
        (StageKind.CLASS, uuid4(), "unknown_target"),
        (StageKind.TABLET, elsewhere.id, "unknown_target"),
        (StageKind.CLASS, town.classes[2].id, "not_concerned"),
        (StageKind.CLASS, empty.id, "no_tablets"),
        (StageKind.CLASS, None, "no_target"),
        (StageKind.ALL, town.classes[0].id, "all_has_no_target"),
    ):
        with pytest.raises(BadStage) as refusal:
            life.publish(work, SYSTEM, document, version.number, life.Stage(kind, target))
        assert refusal.value.details["why"] == why


def test_who_publishes_to_all_at_once_says_why_and_a_roll_out_needs_no_reason(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.TOWN)
    version = draft(work, document, camera=False, reason=None)
    with pytest.raises(ReasonRequired):
        life.publish(work, SYSTEM, document, version.number)
    life.publish(work, SYSTEM, document, version.number, life.Stage(StageKind.SCHOOL, town.school.id))
    assert life.publish(work, SYSTEM, document, version.number).state is VersionState.LIVE
    with pytest.raises(CannotPublish):
        life.publish(work, SYSTEM, document, version.number, reason="again")


def test_a_temporary_version_ends_by_itself(work: UnitOfWork, town: PolicyTown) -> None:
    document, tablet = town.open(work, PlaceKind.TOWN), town.tablets[0][0]
    publish_content(work, document, PolicyContent({"all": {"allowCamera": True}}))
    with pytest.raises(BadSetting):
        draft(work, document, camera=False, until=work.now)
    until = work.now + timedelta(hours=2)
    life.publish(work, SYSTEM, document, draft(work, document, camera=False, until=until).number)
    assert life.end_temporary_versions(work) == 0
    assert value_on(work, tablet, "allowCamera") is False
    work.now = until
    assert life.end_temporary_versions(work) == 1
    assert value_on(work, tablet, "allowCamera") is True
    assert states(work, document) == [VersionState.LIVE, VersionState.SUPERSEDED, VersionState.SUPERSEDED]
    assert life.end_temporary_versions(work) == 0


def test_the_first_version_of_a_place_may_be_temporary(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.CLASS, str(town.classes[0].id))
    until = work.now + timedelta(hours=2)
    version = draft(work, document, camera=False, until=until)
    life.publish(work, SYSTEM, document, version.number, life.Stage(StageKind.TABLET, town.tablets[0][0].id))
    work.now = until
    life.end_temporary_versions(work)
    assert states(work, document) == [VersionState.STOPPED]
    assert UUID(str(version.id))
