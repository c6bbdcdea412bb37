"""Pages show instants in the time of the school or town that they are about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from cartable.scope import SYSTEM, Role
from enrollment.places.models import Town
from enrollment.places.zones import HolidayZone
from enrollment.rosters.imports import previewing
from profiles.schedule import authoring
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.mdm.console.conftest import Person
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.mark.parametrize("zone", [HolidayZone.GUADELOUPE, HolidayZone.NOUVELLE_CALEDONIE])
def test_a_roster_import_and_a_tablet_are_shown_in_the_time_of_the_town(
    server: LiveServer, person: Callable[..., Person], zone: HolidayZone
) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, now = world.create_town(), work.now
        school = world.create_school(town)
        pupil = world.create_pupil(world.create_class(school))
        tablet = world.create_tablet(town)
        world.lend_tablet(tablet, pupil).opened_at = now - timedelta(hours=7)
        authoring.set_town_zones(work, SYSTEM, town.id, zone=zone, time_zone=None)
        made = previewing.preview_import(work, SYSTEM, town.id, text_file(ONDE, onde_line("MARTIN", "Zoé")), school.uai)
        town_id, tablet_id, import_id = town.id, tablet.id, made.id
        local = ZoneInfo(work.session.get_one(Town, town_id).time_zone)
    admin = person(town_id, Role.TOWN_ADMIN)
    page = admin.client.get(f"/rosters/{import_id}").text
    assert now.astimezone(local).strftime("%d/%m/%Y %H:%M") in page
    assert now.astimezone(local).strftime("%d/%m/%Y %H:%M") in admin.client.get("/rosters").text
    since = (now - timedelta(hours=7)).astimezone(local).strftime("%d/%m/%Y")
    assert since in admin.client.get(f"/tablets/{tablet_id}").text
