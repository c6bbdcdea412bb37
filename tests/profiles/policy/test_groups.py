"""Groups of pupils across classes: names are one, pupils come and leave, and a group with rules in force is not deleted."""

from __future__ import annotations

from uuid import UUID

import pytest

from cartable.errors import Forbidden, NotFound
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Town
from profiles.policy import documents, groups
from profiles.policy.content import PolicyContent
from profiles.policy.errors import GroupExists, GroupInUse, GroupNotFound
from profiles.policy.kinds import PlaceKind
from tests.profiles.policy.places import PolicyTown, value_on
from tests.support.concurrency import run_at_once
from tests.support.policy import publish_content, publish_document
from tests.support.world import TownFactory, create_actor


@pytest.fixture
def place(runtime: Runtime) -> PolicyTown:
    with runtime.open_unit_of_work() as work:
        return PolicyTown(work)


def test_rules_of_a_group_follow_its_pupils(runtime: Runtime, place: PolicyTown) -> None:
    with runtime.open_unit_of_work() as work:
        tablet = place.tablets[0][0]
        pupil_id = UUID(place.pupil_of(work, tablet))
        group = groups.create_group(work, SYSTEM, place.town.id, "Chorale", [])
        publish_document(work, place.town.id, PlaceKind.GROUP, str(group.id), {"all": {"allowCamera": False}})
        assert value_on(work, tablet, "allowCamera") is not False
        groups.change_group(work, SYSTEM, group, pupil_ids=[pupil_id])
        assert value_on(work, tablet, "allowCamera") is False
        with pytest.raises(GroupInUse):
            groups.delete_group(work, SYSTEM, group)
        groups.change_group(work, SYSTEM, group, name="Chœur", pupil_ids=[])
        assert value_on(work, tablet, "allowCamera") is not False
        document = documents.open_document(work, SYSTEM, place.town.id, PlaceKind.GROUP, str(group.id))
        publish_content(work, document, PolicyContent())
        groups.delete_group(work, SYSTEM, group)
        with pytest.raises(GroupNotFound):
            groups.get_group(work, SYSTEM, group.id)


def test_a_name_is_used_once_in_a_town_and_pupils_are_of_the_town(runtime: Runtime, place: PolicyTown) -> None:
    with runtime.open_unit_of_work() as work:
        group = groups.create_group(work, SYSTEM, place.town.id, "Chorale", [])
        other = groups.create_group(work, SYSTEM, place.town.id, "Échecs", [])
        with pytest.raises(GroupExists):
            groups.create_group(work, SYSTEM, place.town.id, "Chorale", [])
        with pytest.raises(GroupExists):
            groups.change_group(work, SYSTEM, other, name="Chorale")
        world = TownFactory(work)
        stranger = world.create_pupil(world.create_class(world.create_school(world.create_town())))
        with pytest.raises(NotFound):
            groups.change_group(work, SYSTEM, group, pupil_ids=[stranger.id])
        with pytest.raises(Forbidden):
            groups.create_group(work, create_actor(Role.HELPDESK, place.town), place.town.id, "x", [])


def test_two_people_who_name_a_group_alike_at_once_get_one(runtime: Runtime, place: PolicyTown) -> None:
    town_id = place.town.id

    def create(work: UnitOfWork) -> object:
        return groups.create_group(work, SYSTEM, work.session.get_one(Town, town_id).id, "Chorale", [])

    refusals = run_at_once(runtime, create, create)
    assert [type(each) for each in refusals] == [GroupExists]
