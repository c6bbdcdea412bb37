"""The page of restores: governors see what was noticed, the operator alone says that the clock is right."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from cartable.clock import ManualClock
from cartable.errors import Forbidden
from cartable.scope import Role
from cartable.timeline.models import Timeline
from cartable.unit_of_work import Runtime
from mdm.care.restores import overview
from mdm.care.restores.service import TimelineWatch
from tests.mdm.console.conftest import Person
from tests.support.server import LiveServer
from tests.support.world import TownFactory, create_actor

Enter = Callable[..., Person]


def test_a_governor_sees_the_restore_and_the_clock(server: LiveServer, person: Enter) -> None:
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
    admin, helpdesk = person(town.id, Role.TOWN_ADMIN), person(town.id, Role.HELPDESK)
    assert "/restores" not in admin.client.get("/").text
    assert "L'horloge est jugée fiable" in html.unescape(admin.client.get("/restores").text)
    watch = TimelineWatch(server.runtime)
    watch.check()
    with server.runtime.open_unit_of_work() as work:
        work.session.execute(update(Timeline).values(position=0))
    watch.check()
    assert "/restores" in admin.client.get("/").text
    assert "/restores" not in helpdesk.client.get("/").text
    seen = html.unescape(admin.client.get("/restores").text)
    assert "Restaurations de la base" in seen
    assert "Ce qui a suivi la sauvegarde est perdu" in seen
    assert "Pourquoi l'horloge est juste" not in seen
    assert helpdesk.client.get("/restores").status_code == 403
    assert admin.client.post("/restores/clock", data={"csrf": admin.csrf, "reason": "because"}).status_code == 403


def test_the_operator_alone_says_that_the_clock_is_right(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
    watch = TimelineWatch(runtime)
    watch.check()
    clock.jump(timedelta(days=400))
    watch.check()
    with runtime.open_unit_of_work() as work:
        admin = create_actor(Role.TOWN_ADMIN, town)
        assert overview.get_clock(work, admin).paused_since is not None
        assert overview.needs_attention(work, admin)
        with pytest.raises(Forbidden):
            overview.release_clock(work, admin, "because")
        with pytest.raises(Forbidden):
            overview.get_clock(work, create_actor(Role.HELPDESK, town))
