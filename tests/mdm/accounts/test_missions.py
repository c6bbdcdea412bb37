"""Missions: shared technicians see the towns of today's missions, and both audit trails record the visit."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.errors import Forbidden, Invalid, NotFound
from cartable.scope import Actor, Permission, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.people.service import search_pupils
from enrollment.places.models import Town
from enrollment.tablets import service as tablets
from mdm.accounts import missions, service, sessions
from mdm.accounts.errors import LoginTaken, MissionTooLong
from tests.support import accounts
from tests.support.world import TownFactory, create_actor

TODAY = date(2026, 11, 23)


def _admin(town: Town) -> Actor:
    return create_actor(Role.TOWN_ADMIN, town, name="admin")


def _create_technician_token(work: UnitOfWork) -> str:
    first = service.create_shared_technician(work, "Tech@operator.example", "Technicienne")
    return _sign_in(work, first, new="a long sentence of her own")


def _sign_in(work: UnitOfWork, password: str, *, new: str | None = None) -> str:
    token = accounts.sign_in(work, "tech@operator.example", password).token
    return accounts.choose_password(work, token, password, new) if new else token


def test_only_towns_with_a_mission_today_are_visible(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        here, there = world.create_town("Ici"), world.create_town("Là")
        tablets_by_town = {}
        for town in (here, there):
            world.create_pupil(world.create_class(world.create_school(town)), last="CANARI")
            tablets_by_town[town.id] = world.create_tablet(town)
        token = _create_technician_token(work)
        assert sessions.authenticate_token(work, token).actor.role_assignments == ()
        missions.create_mission(work, _admin(here), here.id, "TECH@operator.example", TODAY, TODAY, "remise")
        missions.create_mission(
            work, _admin(there), there.id, "tech@operator.example", TODAY + timedelta(days=1), TODAY + timedelta(days=2), "remise"
        )
    with runtime.open_unit_of_work() as work:
        actor = sessions.authenticate_token(work, token).actor
        assert [role.town_id for role in actor.role_assignments] == [here.id]
        assert [tablet.id for tablet in tablets.search_tablets(work, actor, "SERIAL")] == [tablets_by_town[here.id].id]
        assert search_pupils(work, actor, {there.id}, "CANARI") == []
        assert [pupil.town_id for pupil in search_pupils(work, actor, {here.id}, "CANARI")] == [here.id]
        with pytest.raises(Forbidden):
            actor.require_permission(Permission.GOVERN, here.id)
        sessions.authenticate_token(work, token)
        visits = work.session.scalars(select(AuditEvent.town_id).where(AuditEvent.action == "mission.visit")).all()
        assert sorted(visits, key=str) == sorted([here.id, None], key=str)


def test_mission_ends_at_midnight_of_the_town(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        token = _create_technician_token(work)
        missions.create_mission(work, _admin(town), town.id, "tech@operator.example", TODAY, TODAY, "remise")
    clock.advance(timedelta(hours=14, minutes=30))  # 22:30 UTC: 23:30 in the town
    with runtime.open_unit_of_work() as work:
        token = _sign_in(work, "a long sentence of her own")
        assert sessions.authenticate_token(work, token).actor.role_assignments
    clock.advance(timedelta(minutes=40))  # ten past midnight there, 23:10 UTC
    with runtime.open_unit_of_work() as work:
        assert sessions.authenticate_token(work, token).actor.role_assignments == ()


def test_mission_can_be_ended_and_has_limits(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, other = world.create_town(), world.create_town()
        admin, token = _admin(town), _create_technician_token(work)
        mission = missions.create_mission(work, admin, town.id, "tech@operator.example", TODAY, TODAY, "remise")
        assert [row.id for row, _ in missions.list_missions(work, admin, town.id).items] == [mission.id]
        with pytest.raises(NotFound):
            missions.end_mission(work, _admin(other), mission.id)
        missions.end_mission(work, admin, mission.id)
        assert sessions.authenticate_token(work, token).actor.role_assignments == ()
        with pytest.raises(MissionTooLong):
            missions.create_mission(work, admin, town.id, "tech@operator.example", TODAY, TODAY + timedelta(days=31), "long")
        with pytest.raises(Invalid):
            missions.create_mission(work, admin, town.id, "tech@operator.example", TODAY, TODAY - timedelta(days=1), "back")
        with pytest.raises(NotFound):
            missions.create_mission(work, admin, town.id, "nobody", TODAY, TODAY, "who")
        with pytest.raises(Forbidden):
            missions.create_mission(work, _admin(other), town.id, "tech@operator.example", TODAY, TODAY, "no")
        with pytest.raises(LoginTaken):
            service.create_shared_technician(work, "tech@operator.example", "again")
