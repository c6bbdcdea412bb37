"""The stop switch: the helpdesk sets it, two people release it, and a new stop voids a release that was requested."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from cartable.alarms import Alarm, AlarmKind
from cartable.errors import Forbidden, NotTrustedYet, ReauthenticationRequired, SamePerson
from cartable.scope import Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.places.models import Town
from enrollment.safeguards import stop_switch
from enrollment.safeguards.errors import NoReleaseRequested
from tests.support.concurrency import run_at_once
from tests.support.world import TownFactory, create_actor


@pytest.fixture
def town(runtime: Runtime) -> Town:
    with runtime.open_unit_of_work() as work:
        return TownFactory(work).create_town()


def test_one_person_stops_and_two_people_release(runtime: Runtime, town: Town) -> None:
    helpdesk, one, two = create_actor(Role.HELPDESK, town), *(create_actor(Role.TOWN_ADMIN, town) for _ in range(2))
    with runtime.open_unit_of_work() as work:
        with pytest.raises(NoReleaseRequested):
            stop_switch.request_release(work, one, town.id, "it is off")
        stop_switch.stop(work, helpdesk, town.id, "odd erases")
        assert stop_switch.is_stopped(work, town.id)
        with pytest.raises(NoReleaseRequested):
            stop_switch.approve_release(work, two, town.id)
        with pytest.raises(Forbidden):
            stop_switch.request_release(work, helpdesk, town.id, "enough")
        stop_switch.request_release(work, one, town.id, "a false alarm")
        with pytest.raises(SamePerson):
            stop_switch.approve_release(work, one, town.id)
        assert stop_switch.is_stopped(work, town.id)
        stop_switch.approve_release(work, two, town.id)
        assert not stop_switch.is_stopped(work, town.id)
        kinds = [alarm.kind for alarm in work.session.scalars(select(Alarm).order_by(Alarm.kind))]
        assert kinds == [AlarmKind.RELEASE_REQUESTED, AlarmKind.RELEASED, AlarmKind.STOPPED]


def test_of_two_sessions_at_once_one_switch_is_set_and_one_release_counts(runtime: Runtime, town: Town) -> None:
    one, two = (create_actor(Role.TOWN_ADMIN, town) for _ in range(2))
    errors = run_at_once(runtime, *[lambda work: stop_switch.stop(work, one, town.id, "odd")] * 3)
    assert errors == []
    run_at_once(runtime, *[lambda work, who=who: stop_switch.request_release(work, who, town.id, "fine") for who in (one, two)])
    errors = run_at_once(
        runtime,
        lambda work: stop_switch.approve_release(work, one, town.id),
        lambda work: stop_switch.approve_release(work, two, town.id),
    )
    assert [type(error) for error in errors] in ([SamePerson], [NoReleaseRequested]), "one of them had requested it"
    with runtime.open_unit_of_work() as work:
        assert not stop_switch.is_stopped(work, town.id)
        assert len(work.session.scalars(select(Alarm).where(Alarm.kind == AlarmKind.STOPPED)).all()) == 1


def test_a_release_and_a_new_stop_at_once_leave_one_of_the_two_states(runtime: Runtime, town: Town) -> None:
    one, two, helpdesk = (
        create_actor(Role.TOWN_ADMIN, town),
        create_actor(Role.TOWN_ADMIN, town),
        create_actor(Role.HELPDESK, town),
    )
    with runtime.open_unit_of_work() as work:
        stop_switch.stop(work, helpdesk, town.id, "odd")
        stop_switch.request_release(work, one, town.id, "fine")
    run_at_once(
        runtime,
        lambda work: stop_switch.approve_release(work, two, town.id),
        lambda work: stop_switch.stop(work, helpdesk, town.id, "not fine"),
    )
    with runtime.open_unit_of_work() as work:
        assert stop_switch.is_stopped(work, town.id), "whichever came first, the stop counts"


def test_a_new_stop_voids_the_release(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        one, two = (create_actor(Role.TOWN_ADMIN, town) for _ in range(2))
        stop_switch.stop(work, one, town.id, "odd")
        stop_switch.request_release(work, one, town.id, "a false alarm")
        stop_switch.stop(work, create_actor(Role.TECHNICIAN, town), town.id, "no, it goes on")
        with pytest.raises(NoReleaseRequested):
            stop_switch.approve_release(work, two, town.id)


def test_a_stolen_session_and_its_puppets_release_nothing(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        roles = (RoleAssignment(Role.TOWN_ADMIN, town.id),)
        thief = Actor(uuid4(), "thief", roles, reauthenticated=False)
        puppet = Actor(uuid4(), "puppet", roles, trusted_from=work.now + timedelta(days=1))
        stop_switch.stop(work, create_actor(Role.HELPDESK, town), town.id, "odd")
        for actor, error in ((thief, ReauthenticationRequired), (puppet, NotTrustedYet)):
            with pytest.raises(error):
                stop_switch.request_release(work, actor, town.id, "go on")
        stop_switch.request_release(work, create_actor(Role.TOWN_ADMIN, town), town.id, "a false alarm")
        for actor, error in ((thief, ReauthenticationRequired), (puppet, NotTrustedYet)):
            with pytest.raises(error):
                stop_switch.approve_release(work, actor, town.id)


def test_only_the_whole_towns_people_stop_the_town(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        for stranger in (
            create_actor(Role.HELPDESK, world.create_town()),
            create_actor(Role.HEAD, town, world.create_school(town)),
            create_actor(Role.DPO, town),
        ):
            with pytest.raises(Forbidden):
                stop_switch.stop(work, stranger, town.id, "why not")
