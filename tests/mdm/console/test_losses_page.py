"""The page of losses: a substitute reports from the page of the class, the helpdesk finds it on its start page and confirms."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from cartable.scope import SYSTEM, Role
from enrollment.tablets.models import Reporter, Tablet, TabletState
from mdm.accounts import roles
from mdm.accounts.repository import AccountRepository
from mdm.care.lost_mode.models import LossReport, LossReportState
from mdm.console.care.loss_reports import REPORTERS, STATES
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.fixture
def people(server: LiveServer, person: Callable[..., Person]) -> tuple[Person, Person, str]:
    """A substitute of a class, the helpdesk, and the tag of a tablet of the class."""
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        school_class = world.create_class(school)
        tablet = world.create_tablet(town)
        world.lend_tablet(tablet, world.create_pupil(school_class))
        town_id, school_id, class_id, tag = town.id, school.id, school_class.id, tablet.tag
    helpdesk = person(town_id, Role.HELPDESK)
    substitute = person(town_id, Role.DPO)
    with server.runtime.open_unit_of_work() as work:
        login = re.search(r'href="/me">([^<]+)<', substitute.client.get("/data").text)
        assert login
        account = AccountRepository(work.session).get_by_login(login[1])
        assert account is not None
        for row in AccountRepository(work.session).list_roles(account.id, work.now):
            row.ends_at = work.now
        roles.add_role(work, SYSTEM, account, Role.SUBSTITUTE, town_id, school_id, work.now + timedelta(days=5), class_id)
    return substitute, helpdesk, tag


def test_from_the_class_to_the_locked_tablet(server: LiveServer, people: tuple[Person, Person, str]) -> None:
    substitute, helpdesk, tag = people
    assert f'href="/losses?tag={tag}"' in substitute.client.get("/class").text
    assert f'value="{tag}"' in substitute.client.get(f"/losses?tag={tag}").text
    wrong = send(substitute, "/losses", tag="NONE-1", description="left on the bus", place="stop")
    assert (wrong.status_code, 'value="stop"' in wrong.text) == (404, True), "what was typed stays"
    assert send(substitute, "/losses", tag=tag, description="left on the bus").headers["location"] == "/losses?done=reported"
    assert "attend l'assistance" in read(substitute.client.get("/losses"))
    assert "attend d'être confirmé" in read(helpdesk.client.get("/"))
    with server.runtime.open_unit_of_work() as work:
        report = work.session.query(LossReport).one()
    assert send(substitute, f"/losses/{report.id}/confirm").status_code == 404
    page = helpdesk.client.get("/losses")
    assert all(word in read(page) for word in (tag, "left on the bus", "Par un enseignant"))
    assert send(helpdesk, f"/losses/{report.id}/confirm").status_code == 303
    with server.runtime.open_unit_of_work() as work:
        assert work.session.get_one(Tablet, report.tablet_id).state is TabletState.LOST
    assert "marquée comme perdue" in read(substitute.client.get("/losses"))
    again = send(helpdesk, f"/losses/{report.id}/confirm")
    assert again.status_code == 409
    assert 'role="alert"' in again.text


def test_others_have_no_such_page(people: tuple[Person, Person, str], person: Callable[..., Person], server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    officer = person(town_id, Role.DPO)
    assert officer.client.get("/losses").status_code == 404
    assert 'href="/losses"' not in officer.client.get("/data").text
    assert 'href="/losses"' in people[0].client.get("/class").text


def test_every_state_and_reporter_has_words() -> None:
    assert STATES.keys() == set(LossReportState)
    assert REPORTERS.keys() == set(Reporter)
