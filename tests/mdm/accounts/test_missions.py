"""Technicians shared by towns see the towns of today's missions, and both sides' audit tells the visit."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.errors import Forbidden, Invalid, NotFound
from cartable.scope import Actor, Permission, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.people.service import find_pupils
from enrollment.places.models import Town
from enrollment.tablets import service as tablets
from mdm.accounts import missions, service
from mdm.accounts.errors import LoginTaken, TooLong
from tests.support.world import World

TODAY = date(2026, 11, 23)


def _admin(town: Town) -> Actor:
    return Actor(uuid4(), "admin", (RoleAssignment(Role.TOWN_ADMIN, town.id),))


def _token(work: UnitOfWork) -> str:
    first = service.create_shared_technician(work, "Tech@operator.example", "Technicienne")
    return _signed_in(work, first, new="a long sentence of her own")


def _signed_in(work: UnitOfWork, password: str, *, new: str | None = None) -> str:
    signed_in = service.sign_in(work, "tech@operator.example", password)
    assert isinstance(signed_in, tuple)
    return service.change_password(work, signed_in[0], password, new) if new else signed_in[1]


def test_only_the_towns_of_today_are_there(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        world = World(work)
        here, there = world.town("Ici"), world.town("Là")
        found = {}
        for town in (here, there):
            world.pupil(world.school_class(world.school(town)), last="CANARI")
            found[town.id] = world.tablet(town)
        token = _token(work)
        assert service.actor_of(work, token)[0].role_assignments == ()
        missions.give(work, _admin(here), here.id, "TECH@operator.example", TODAY, TODAY, "remise")
        missions.give(
            work, _admin(there), there.id, "tech@operator.example", TODAY + timedelta(days=1), TODAY + timedelta(days=2), "remise"
        )
    with runtime.open_unit_of_work() as work:
        actor, _ = service.actor_of(work, token)
        assert [grant.town_id for grant in actor.role_assignments] == [here.id]
        assert [tablet.id for tablet in tablets.find(work, actor, "SERIAL")] == [found[here.id].id]
        assert find_pupils(work, actor, there.id, "CANARI") == []
        assert [pupil.town_id for pupil in find_pupils(work, actor, here.id, "CANARI")] == [here.id]
        with pytest.raises(Forbidden):
            actor.require_permission(Permission.GOVERN, here.id)
        service.actor_of(work, token)
        visits = work.session.scalars(select(AuditEvent.town_id).where(AuditEvent.action == "mission.visit")).all()
        assert sorted(visits, key=str) == sorted([here.id, None], key=str)


def test_midnight_of_the_town_ends_the_mission_and_begins_the_next(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        town = World(work).town()
        token = _token(work)
        missions.give(work, _admin(town), town.id, "tech@operator.example", TODAY, TODAY, "remise")
    clock.advance(timedelta(hours=14, minutes=30))  # 22:30 UTC: 23:30 in the town
    with runtime.open_unit_of_work() as work:
        token = _signed_in(work, "a long sentence of her own")
        assert service.actor_of(work, token)[0].role_assignments
    clock.advance(timedelta(minutes=40))  # ten past midnight there, 23:10 UTC
    with runtime.open_unit_of_work() as work:
        assert service.actor_of(work, token)[0].role_assignments == ()


def test_a_mission_ends_at_once_and_within_its_limits(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = World(work)
        town, other = world.town(), world.town()
        admin, token = _admin(town), _token(work)
        mission = missions.give(work, admin, town.id, "tech@operator.example", TODAY, TODAY, "remise")
        assert [row.id for row, _ in missions.listed(work, admin, town.id)] == [mission.id]
        with pytest.raises(NotFound):
            missions.end(work, _admin(other), mission.id)
        missions.end(work, admin, mission.id)
        assert service.actor_of(work, token)[0].role_assignments == ()
        with pytest.raises(TooLong):
            missions.give(work, admin, town.id, "tech@operator.example", TODAY, TODAY + timedelta(days=31), "long")
        with pytest.raises(Invalid):
            missions.give(work, admin, town.id, "tech@operator.example", TODAY, TODAY - timedelta(days=1), "back")
        with pytest.raises(NotFound):
            missions.give(work, admin, town.id, "nobody", TODAY, TODAY, "who")
        with pytest.raises(Forbidden):
            missions.give(work, _admin(other), town.id, "tech@operator.example", TODAY, TODAY, "no")
        with pytest.raises(LoginTaken):
            service.create_shared_technician(work, "tech@operator.example", "again")
