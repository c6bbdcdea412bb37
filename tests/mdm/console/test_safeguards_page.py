"""The page of the safeguards: the helpdesk stops the town, everybody sees it, and two administrators release it knowing what is held."""

from __future__ import annotations

import html
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import update

from cartable.alarms import AlarmKind, raise_alarm
from cartable.scope import SYSTEM, Role
from enrollment.places.models import Town
from mdm.accounts.models import Account
from mdm.protocol.commands.security import EraseDevice
from mdm.queue import service as queue
from tests.mdm.console.conftest import Person
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.fixture
def town_id(server: LiveServer) -> UUID:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        enrollment = world.enroll_tablet(world.create_tablet(town))
        queue.enqueue_command(work, SYSTEM, EraseDevice(), [enrollment.id])
        return town.id


def read(person: Person, path: str = "/safeguards") -> str:
    return html.unescape(person.client.get(path).text)


def send(person: Person, town_id: UUID, act: str, *, password: bool = False, **fields: object) -> str:
    """Send a form of the page, with the password once more where it is asked for."""
    query = "?confirm=password" if password else ""
    given = {"confirm_password": PASSWORD} if password else {}
    answer = person.client.post(
        f"/safeguards/{town_id}/{act}{query}", data={"csrf": person.csrf, **fields, **given}, follow_redirects=True
    )
    return html.unescape(answer.text)


def test_the_helpdesk_stops_and_two_administrators_release(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    helpdesk, first, second = (person(town_id, role) for role in (Role.HELPDESK, Role.TOWN_ADMIN, Role.TOWN_ADMIN))
    with server.runtime.open_unit_of_work() as work:
        work.session.execute(update(Account).values(confirmed_at=work.now))
    assert 'href="/safeguards"' in read(helpdesk, "/")
    assert "Arrêté depuis" in send(helpdesk, town_id, "stop", reason="des effacements étranges")
    for path in ("/", "/safeguards"):
        assert "L'arrêt d'urgence est enclenché" in read(first, path), "everybody sees it on every page"
    page = read(first)
    assert "des effacements étranges" in page
    assert page.count("/cancel") == 1, "what is held is shown"
    assert 'name="reason"' not in read(helpdesk).split('id="held"')[0], "the helpdesk does not release"
    send(first, town_id, "release", password=True, reason="fausse alerte")
    assert "Une autre personne doit approuver." in read(first)
    assert "Approuver la remise en marche" in read(second)
    send(second, town_id, "release/approve", password=True)
    assert "L'arrêt d'urgence est enclenché" not in read(helpdesk)


def test_alarms_stand_on_the_first_page_until_one_governor_has_noted_them(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    with server.runtime.open_unit_of_work() as work:
        alarm = raise_alarm(work, town_id, AlarmKind.BUDGET_EXCEEDED)
        raise_alarm(work, None, AlarmKind.INVITATION_CODES_GUESSED)
        assert alarm is not None
    admin, technician = person(town_id, Role.TOWN_ADMIN), person(town_id, Role.TECHNICIAN)
    text = "Quelqu'un a essayé de détruire plus que le budget ne le permet."
    assert text in read(admin, "/")
    assert "town=None" not in read(admin, "/")
    assert text not in read(technician, "/") + read(technician)
    assert read(admin).count("/acknowledge") == 1, "that of the server is noted by the operator"
    send(admin, town_id, f"alarms/{alarm.id}/acknowledge")
    assert text not in read(admin, "/")
    assert text in read(admin)


def test_a_head_sees_the_budget_and_no_switch(server: LiveServer, person: Callable[..., Person], town_id: UUID) -> None:
    with server.runtime.open_unit_of_work() as work:
        school_id = TownFactory(work).create_school(work.session.get_one(Town, town_id)).id
    head = person(town_id, Role.HEAD, school_id=school_id)
    page = read(head)
    assert "5 tablettes" in page
    assert f"/safeguards/{town_id}/stop" not in page
    assert 'id="held"' not in page
