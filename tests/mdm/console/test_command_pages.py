"""Commands on the pages: to one tablet with its consequence, to many with preview, progress and cancellation."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.scope import SYSTEM, Role
from enrollment.tablets.models import Tablet
from mdm.accounts.models import Account
from mdm.care.commands.models import ActivationBypassCode
from mdm.devices.models import DeviceEnrollment
from mdm.devices.repository import DeviceRepository
from mdm.queue.models import CommandBody, CommandState, QueuedCommand
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps.service import create_app
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.accounts import make_trusted
from tests.support.server import LiveServer
from tests.support.world import TownFactory

Enter = Callable[..., Person]
PNG = b"\x89PNG\r\n\x1a\n and a picture"


class Fleet:
    """Enrolled tablets of a town; the first one has sent an unlock token."""

    def __init__(self, server: LiveServer, size: int = 3) -> None:
        self.server = server
        with server.runtime.open_unit_of_work() as work:
            factory = TownFactory(work)
            town = factory.create_town()
            school = factory.create_school(town)
            tablets = [factory.create_tablet(town, school_id=school.id) for _ in range(size)]
            channels = [factory.enroll_tablet(tablet, last_seen_at=work.now) for tablet in tablets]
            channels[0].unlock_token = b"unlock"
            self.town_id, self.school_id = town.id, school.id
            self.tablet_ids, self.tags = [tablet.id for tablet in tablets], [tablet.tag for tablet in tablets]

    def list_commands(self) -> list[tuple[str, CommandState]]:
        with self.server.runtime.open_unit_of_work() as work:
            statement = select(CommandBody.request_type, QueuedCommand.state).join(
                QueuedCommand, QueuedCommand.body_id == CommandBody.id
            )
            return [(row[0], row[1]) for row in work.session.execute(statement.order_by(QueuedCommand.id))]


def test_helpdesk_clears_a_passcode_with_the_password_once_more(server: LiveServer, person: Enter) -> None:
    fleet = Fleet(server)
    helpdesk = person(fleet.town_id, Role.HELPDESK)
    page = f"/tablets/{fleet.tablet_ids[0]}"
    seen = helpdesk.client.get(page)
    helpdesk.csrf = re.findall(r'name="csrf" value="([^"]+)"', seen.text)[0]
    assert "Effacer le code" in read(seen)
    assert "Plus de code, tout le reste demeure" in read(seen)
    asked = helpdesk.client.post(f"{page}/commands/clear_passcode", data={"csrf": helpdesk.csrf})
    assert "confirm_password" in asked.text
    assert fleet.list_commands() == []
    assert "data-waits" not in seen.text
    given = send(helpdesk, f"{page}/commands/clear_passcode")
    assert fleet.list_commands() == [("ClearPasscode", CommandState.QUEUED)]
    followed = helpdesk.client.get(given.headers["location"])
    assert "L'ordre est donné." in read(followed)
    assert "data-waits" in followed.text, "the page follows until the tablet has answered"
    other = read(helpdesk.client.get(f"/tablets/{fleet.tablet_ids[1]}"))
    assert "elle n'a pas envoyé de jeton de déverrouillage" in other
    assert send(helpdesk, f"/tablets/{fleet.tablet_ids[1]}/commands/clear_passcode").status_code == 409


def test_each_kind_has_a_button_with_its_consequence(server: LiveServer, person: Enter) -> None:
    fleet = Fleet(server)
    technician = person(fleet.town_id)
    page = f"/tablets/{fleet.tablet_ids[0]}"
    fields = {"lock": {"message": "Rendez-moi"}, "rename": {"name": "{tag}"}, "time_zone": {"time_zone": "Indian/Reunion"}}
    for kind in ("refresh", "lock", "restart", "shut_down", "clear_screen_time", "rename", "time_zone"):
        assert f"{page}/commands/{kind}" in technician.client.get(page).text
        assert send(technician, f"{page}/commands/{kind}", **fields.get(kind, {})).status_code == 303
    data = {"csrf": technician.csrf, "place": "1"}
    answer = technician.client.post(f"{page}/commands/wallpaper", data=data, files={"image": ("ville.png", PNG, "image/png")})
    assert answer.status_code == 303
    assert f"{page}/commands/sound" not in technician.client.get(page).text, "it is not in lost mode"
    types = [request_type for request_type, _ in fleet.list_commands()]
    assert types == [
        "DeviceInformation", "ProfileList", "InstalledApplicationList", "DeviceLock", "RestartDevice", "ShutDownDevice",
        "ClearRestrictionsPassword", "Settings", "Settings", "Settings",
    ]  # fmt: skip
    assert send(technician, f"{page}/commands/rename", name="{first_name}").status_code == 422


def test_a_selection_is_locked_followed_and_cancelled(server: LiveServer, person: Enter) -> None:
    fleet = Fleet(server)
    technician = person(fleet.town_id)
    assert fleet.tags[0] in technician.client.get("/").text
    chosen = {"town": str(fleet.town_id), "kind": "lock", "tablet": [str(each) for each in fleet.tablet_ids[:2]]}
    seen = technician.client.get("/commands/new", params=chosen)
    assert "2 tablettes choisies" in read(seen)
    assert "Verrouiller l'écran : 2 tablettes" in read(seen)
    answer = send(technician, "/commands", **chosen, message="Rangez les tablettes", reason="fin de séance")
    assert answer.status_code == 303
    page = answer.headers["location"].partition("?")[0]
    seen = technician.client.get(answer.headers["location"])
    assert "data-waits" in seen.text
    assert "2 en attente" in read(seen)
    assert send(technician, f"{page}/cancel").headers["location"] == f"{page}?done=cancelled"
    assert [state for _, state in fleet.list_commands()] == [CommandState.CANCELLED] * 2
    seen = technician.client.get(page)
    assert ("data-waits" in seen.text, "/cancel" in seen.text) == (False, False)
    assert "Verrouiller l'écran" in read(technician.client.get("/commands"))
    helpdesk = person(fleet.town_id, Role.HELPDESK)
    assert "2 annulé" in read(helpdesk.client.get(page))


def test_what_is_refused_stands_beside_the_form(server: LiveServer, person: Enter) -> None:
    fleet = Fleet(server)
    technician = person(fleet.town_id)
    form = {"town": str(fleet.town_id), "kind": "sound"}
    answer = send(technician, "/commands", **form)
    assert answer.status_code == 409
    assert "Aucune de ces tablettes" in read(answer)
    assert "3 : " not in read(answer)
    assert send(technician, "/commands", town=str(fleet.town_id), kind="wallpaper").status_code == 422
    for odd in ({"school": "x"}, {"grade": "CM9"}, {"school": str(fleet.school_id), "grade": "CE2"}):
        assert technician.client.get("/commands/new", params={"kind": "lock", **odd}).status_code == 200
    stranger = person(Fleet(server).town_id)
    assert stranger.client.get("/commands/new", params={"town": str(fleet.town_id), "kind": "lock"}).status_code == 404
    assert stranger.client.get(f"/commands/{fleet.town_id}").status_code == 404


def test_tablets_whose_apps_are_declared_are_named_and_the_others_get_the_app(
    server: LiveServer, person: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.runtime, "settings", server.runtime.settings.model_copy(update={"declarative_apps": True}))
    fleet = Fleet(server, size=2)
    with server.runtime.open_unit_of_work() as work:
        app = create_app(
            work,
            SYSTEM,
            fleet.town_id,
            name="Lecture",
            bundle_identifier="fr.ville.lecture",
            app_store_id=1234,
            manifest_url=None,
        )
        for tablet_id, os_version in zip(fleet.tablet_ids, ("26.1", "16.7"), strict=True):
            work.session.get_one(Tablet, tablet_id).os_version = os_version
            row = TabletApp(tablet_id=tablet_id, app_id=app.id, state=AppState.INSTALLED, reason=AppReason.INSTALLED)
            row.changed_at = work.now
            work.session.add(row)
        channel = work.session.scalars(select(DeviceEnrollment).where(DeviceEnrollment.tablet_id == fleet.tablet_ids[0])).one()
        DeviceRepository(work.session).create_declarative_state(channel.id, fleet.town_id).reported_at = work.now
        app_id = app.id
    technician = person(fleet.town_id)
    form = {"town": str(fleet.town_id), "kind": "install_app", "app": str(app_id)}
    page = read(technician.client.get("/commands/new", params=form))
    assert "Atteintes 1 tablette" in page
    assert (
        f"ses applications lui viennent par déclaration, qui les maintient ; une application en échec peut être réessayée sur sa page {fleet.tags[0]}"
        in page
    )
    given = send(technician, "/commands", **form)
    followed = read(technician.client.get(given.headers["location"]))
    assert ("ses applications lui viennent par déclaration" in followed, "1 en attente" in followed) == (True, True)
    assert fleet.list_commands() == [("InstallApplication", CommandState.QUEUED)]
    offers = [
        f"{tablet_id}/commands/install_app" in technician.client.get(f"/tablets/{tablet_id}").text
        for tablet_id in fleet.tablet_ids
    ]
    assert offers == [False, True], "a page offers what the tablet can receive"
    refused = send(technician, f"/tablets/{fleet.tablet_ids[0]}/commands/install_app", app=app_id)
    assert (refused.status_code, "viennent par déclaration" in read(refused)) == (409, True)


def test_a_command_of_the_history_is_cancelled_by_its_number(server: LiveServer, person: Enter) -> None:
    fleet = Fleet(server)
    technician = person(fleet.town_id)
    page = f"/tablets/{fleet.tablet_ids[0]}"
    send(technician, f"{page}/commands/restart")
    [number] = re.findall(rf"{page}/cancel/(\d+)", technician.client.get(page).text)
    assert send(technician, f"{page}/cancel/{number}").status_code == 303
    assert fleet.list_commands() == [("RestartDevice", CommandState.CANCELLED)]
    assert f"{page}/cancel/" not in technician.client.get(page).text
    assert send(technician, f"{page}/cancel/{number}").status_code == 409


def test_the_bypass_code_is_shown_once_and_the_reading_is_recorded(server: LiveServer, person: Enter) -> None:
    fleet = Fleet(server)
    with server.runtime.open_unit_of_work() as work:
        work.session.add(
            ActivationBypassCode(tablet_id=fleet.tablet_ids[0], town_id=fleet.town_id, code="ABCDE-12345", received_at=work.now)
        )
    page = f"/tablets/{fleet.tablet_ids[0]}"
    technician = person(fleet.town_id)
    assert "ABCDE-12345" not in technician.client.get(page).text
    assert "ABCDE-12345" in send(technician, f"{page}/bypass-code", reason="demande un compte Apple").text
    assert "ABCDE-12345" not in technician.client.get(page).text
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalars(select(AuditEvent).where(AuditEvent.action == "tablet.bypass_code")).one().details
    helpdesk = person(fleet.town_id, Role.HELPDESK)
    helpdesk.csrf = re.findall(r'name="csrf" value="([^"]+)"', helpdesk.client.get(page).text)[0]
    assert send(helpdesk, f"{page}/bypass-code", reason="demande un compte Apple").status_code == 403


def test_what_interrupts_many_waits_on_the_day_of_a_second_person(server: LiveServer, person: Enter) -> None:
    fleet = Fleet(server, size=61)
    technician, helpdesk = person(fleet.town_id), person(fleet.town_id, Role.HELPDESK)
    helpdesk.csrf = re.findall(r'name="csrf" value="([^"]+)"', helpdesk.client.get("/commands").text)[0]
    with server.runtime.open_unit_of_work() as work:
        for account in work.session.scalars(select(Account)):
            make_trusted(work, account)
    answer = send(technician, "/commands", town=str(fleet.town_id), kind="restart")
    page, _, done = answer.headers["location"].partition("?")
    assert done == "done=asked"
    waits = "1 ordre à plusieurs tablettes attend une approbation"
    assert waits in read(helpdesk.client.get("/today"))
    assert waits not in read(technician.client.get("/today")), "the own request waits for others"
    assert f"{page}/approve" not in technician.client.get(page).text
    assert send(technician, f"{page}/approve").status_code == 403
    assert f"{page}/approve" in helpdesk.client.get(page).text
    assert send(helpdesk, f"{page}/approve").headers["location"] == f"{page}?done=approved"
    assert fleet.list_commands() == [("RestartDevice", CommandState.QUEUED)] * 61
    assert waits not in read(helpdesk.client.get("/today"))
