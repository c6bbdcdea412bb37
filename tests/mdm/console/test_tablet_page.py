"""One tablet's page: whom it names, what it lets note and to whom, and that the time line speaks to people."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.i18n import FRENCH
from cartable.scope import SYSTEM, Role
from enrollment.people.models import Pupil
from enrollment.places.models import Grade
from enrollment.tablets.models import BreakageCause, Incident, Loan, Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from mdm.console.tablets.time_line import COMMAND_LABELS
from mdm.privacy.audit_labels import TABLET_ACTIONS
from mdm.protocol.commands.security import DeviceLock, RestartDevice
from mdm.queue import service as queue
from tests.browser.desk_world import DeskWorld, desk_world
from tests.mdm.console.conftest import Person
from tests.support.server import LiveServer
from tests.support.world import TownFactory, create_actor

Enter = Callable[..., Person]
ROOT = Path(__file__).parents[3]


def _lend_tablet(server: LiveServer, size: int = 4) -> tuple[DeskWorld, str]:
    """A town where the first child holds the first tablet. Returns it and the tablet's address."""
    world = desk_world(server.runtime, size=size)
    with server.runtime.open_unit_of_work() as work:
        made = TownFactory(work)
        tablet = TabletRepository(work.session).get_by_tag(world.town_id, world.tags[0])
        assert tablet is not None
        pupil = work.session.get_one(Pupil, world.pupil_ids[0])
        made.lend_tablet(tablet, pupil)
        tablet.state = TabletState.IN_USE
        return world, f"/tablets/{tablet.id}"


def _report_event(person: Person, page: str, act: str, **fields: object) -> int:
    return person.client.post(f"{page}/custody/{act}", data={"csrf": person.csrf, **fields}).status_code


def test_a_breakage_is_reported_repaired_and_settled_on_the_page(server: LiveServer, person: Enter) -> None:
    world, page = _lend_tablet(server)
    technician = person(world.town_id)
    seen = html.unescape(technician.client.get(page).text)
    assert "Adèle Abricotier" in seen
    assert "CE1-CE2 Mme Exemple (CE2)" in seen
    assert "Signaler une casse" in seen
    assert _report_event(technician, page, "broken", why="x", cause="drop") == 422
    assert _report_event(technician, page, "broken", why="tombée dans l'escalier", cause="drop") == 303
    spare = {"scan": world.tags[0], "second": world.tags[1], "cause": "drop"}
    assert technician.scan(world.town_id, "breakage", **spare).status_code == 200, "reported by phone, now a loaner at the desk"
    seen = technician.client.get(page).text
    assert "Casse, chute" in seen
    assert "Signaler une casse" not in seen
    for act, state in (("repair", TabletState.IN_REPAIR), ("repaired", TabletState.REPAIRED), ("settle", TabletState.IN_USE)):
        assert f"{page}/custody/{act}" in technician.client.get(page).text
        assert _report_event(technician, page, act, why="envoi 12") == 303
        with server.runtime.open_unit_of_work() as work:
            assert work.session.scalar(select(Tablet.state).where(Tablet.tag == world.tags[0])) is state
    with server.runtime.open_unit_of_work() as work:
        [incident] = work.session.scalars(select(Incident)).all()
        assert (incident.cause, incident.closed_at is not None) == (BreakageCause.DROP, True)
    seen = technician.client.get(page).text
    assert "cassée → en réparation" in seen
    assert "tombée dans l" not in seen, "the report stays sealed"


def test_a_report_is_read_on_a_page_of_its_own_and_the_reading_is_recorded(server: LiveServer, person: Enter) -> None:
    world, page = _lend_tablet(server)
    helpdesk = person(world.town_id, Role.HELPDESK)
    helpdesk.csrf = _csrf(helpdesk, page)
    assert _report_event(helpdesk, page, "broken", why="tombée dans l'escalier", cause="drop") == 303
    [address] = re.findall(rf'href="({page}/incidents/[^"]+)"', helpdesk.client.get(page).text)
    seen = html.unescape(helpdesk.client.get(address).text)
    assert "tombée dans l'escalier" in seen
    assert "chute" in seen
    with server.runtime.open_unit_of_work() as work:
        assert len(work.session.scalars(select(AuditEvent).where(AuditEvent.action == "incident.read")).all()) == 1
    assert person(desk_world(server.runtime, size=1).town_id).client.get(address).status_code == 404


def test_helpdesk_reports_a_breakage_and_repairs_nothing(server: LiveServer, person: Enter) -> None:
    world, page = _lend_tablet(server)
    helpdesk = person(world.town_id, Role.HELPDESK)
    helpdesk.csrf = _csrf(helpdesk, page)
    assert _report_event(helpdesk, page, "broken", why="écran noir", cause="screen") == 303
    seen = helpdesk.client.get(page).text
    assert "Casse, écran" in seen
    assert "/custody/" not in seen
    for act in ("repair", "repaired", "settle", "found"):
        assert _report_event(helpdesk, page, act, why="envoi 12") == 403
    assert _report_event(helpdesk, page, "nonsense", why="envoi 12") == 422


def test_strangers_and_other_sites_change_nothing(server: LiveServer, person: Enter) -> None:
    world, page = _lend_tablet(server)
    neighbour = person(desk_world(server.runtime, size=1).town_id)
    assert neighbour.client.get(page).status_code == 404
    assert _report_event(neighbour, page, "broken", why="écran noir") == 404
    technician = person(world.town_id)
    technician.csrf = "of another site"
    assert _report_event(technician, page, "broken", why="écran noir") == 403
    with server.runtime.open_unit_of_work() as work:
        assert not work.session.scalars(select(Incident)).all()


def test_the_page_names_the_present_holder_only(server: LiveServer, person: Enter) -> None:
    world, page = _lend_tablet(server)
    technician = person(world.town_id)
    technician.scan(world.town_id, "return", scan=world.tags[0], condition="good")
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalars(select(Loan.closed_at)).one() is not None
    seen = technician.client.get(page).text
    assert "Adèle" not in seen
    assert "Prêts d&#39;avant (1)" in seen or "Prêts d'avant (1)" in seen


def test_a_first_name_that_many_children_bear_finds_the_one_who_holds_a_tablet(server: LiveServer, person: Enter) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school_class = world.create_class(world.create_school(town))
        for number in range(60):
            world.create_pupil(school_class, Grade.CE2, last=f"ABC{chr(65 + number % 26)}", first="Zoé")
        tablet = world.create_tablet(town)
        world.lend_tablet(tablet, world.create_pupil(school_class, Grade.CE2, last="ZZYZX", first="Zoé"))
        town_id, tag = town.id, tablet.tag
    assert tag in person(town_id, Role.HELPDESK).client.get("/", params={"q": "zoe"}).text
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalars(select(AuditEvent).where(AuditEvent.action == "pupil.search")).all()


def test_pages_that_show_nothing_say_why(server: LiveServer, person: Enter) -> None:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    assert person(town_id, Role.DPO).client.get("/").headers["location"] == "/data"
    helpdesk = person(town_id, Role.HELPDESK)
    assert "Aucune tablette encore" in helpdesk.client.get("/").text
    assert "Aucune tablette ne répond" in helpdesk.client.get("/", params={"q": "personne"}).text


def test_a_wrong_address_is_a_page_for_people_and_a_problem_for_programs(server: LiveServer, person: Enter) -> None:
    client = person(desk_world(server.runtime, size=1).town_id).client
    page = client.get("/rien", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Cette page n" in page.text
    for path, accept in (("/rien", "*/*"), ("/api/v1/rien", "text/html")):
        answer = client.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (404, "http_404")
    unknown = client.get("/tablets/00000000-0000-0000-0000-000000000000", headers={"Accept": "text/html"})
    assert (unknown.status_code, "<h1>" in unknown.text) == (404, True)


def _csrf(person: Person, page: str) -> str:
    return person.client.get(page).text.split('name="csrf" value="', 1)[1].split('"', 1)[0]


def _recorded_actions() -> Iterator[str]:
    """The actions that the code records on a tablet, as it is written."""
    for package in ("enrollment", "profiles", "mdm"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and len(node.args) > 3:
                    action, kind = node.args[2:4]
                    if isinstance(kind, ast.Constant) and kind.value == "tablet" and isinstance(action, ast.Constant):
                        yield str(action.value)


def test_every_action_on_a_tablet_has_a_label() -> None:
    recorded = set(_recorded_actions())
    assert len(recorded) > 20
    assert recorded - TABLET_ACTIONS.keys() == set()
    assert {label.translate(FRENCH) for label in TABLET_ACTIONS.values()}.isdisjoint(TABLET_ACTIONS)
    assert all(command[0].isupper() for command in COMMAND_LABELS)


def test_the_history_begins_with_people_and_shows_the_server_on_demand(server: LiveServer, person: Enter) -> None:
    with server.runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        tablet = factory.create_tablet(town)
        enrollment = factory.enroll_tablet(tablet)
        queue.enqueue_command(work, SYSTEM, RestartDevice(), [enrollment.id])
        queue.enqueue_command(work, create_actor(Role.HELPDESK, town, name="Une personne"), DeviceLock(), [enrollment.id])
        town_id, page = town.id, f"/tablets/{tablet.id}"
    technician = person(town_id)
    seen, everything = technician.client.get(page).text, technician.client.get(f"{page}?history=all").text
    assert ("(DeviceLock)" in seen, "(RestartDevice)" in seen) == (True, False)
    assert ("(DeviceLock)" in everything, "(RestartDevice)" in everything) == (True, True)
