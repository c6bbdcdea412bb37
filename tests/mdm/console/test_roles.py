"""Each role in front of the console: where it begins, what its menu has, what it may do and what it may not; and what it starts it can end."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from cartable.clock import ManualClock
from cartable.scope import PERMISSIONS, SYSTEM, Permission, Role
from enrollment.places.models import Grade
from mdm.accounts import service as accounts
from mdm.accounts.repository import AccountRepository
from mdm.console.accounts.labels import PERMISSIONS as PERMISSION_LABELS
from mdm.console.accounts.labels import ROLES, SCOPES
from mdm.console.chapters import CHAPTERS
from mdm.console.frame import SESSION_COOKIE
from profiles.schedule import authoring
from profiles.schedule.calendar import FOLLOW_ZONE
from tests.conftest import KEYRING
from tests.mdm.console.conftest import Person
from tests.support import databases
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

#: The chapters of whoever administers a town: all but the operator's.
ADMIN_MENU = {chapter.address for chapter in CHAPTERS} - {"/towns"}
#: Role → the page on which it begins, its menu, and pages that it may not open.
EXPECTED: dict[Role, tuple[str, set[str], set[str]]] = {
    Role.OPERATOR: ("/start", {"/towns", "/system"}, {"/rosters", "/desk/{town}", "/town", "/accounts", "/class", "/activities"}),
    Role.TOWN_ADMIN: ("/today", ADMIN_MENU, {"/towns"}),
    Role.TECHNICIAN: (
        "/today",
        {"/", "/today", "/losses", "/commands", "/desk", "/rosters", "/pupils", "/staff", "/safeguards"},
        {"/town", "/accounts", "/calendar", "/activities"},
    ),
    Role.HELPDESK: (
        "/today",
        {"/", "/today", "/losses", "/commands", "/safeguards"},
        {"/desk/{town}", "/rosters", "/town", "/accounts"},
    ),
    Role.HEAD: (
        "/today",
        {
            "/",
            "/today",
            "/losses",
            "/commands",
            "/class",
            "/rosters",
            "/pupils",
            "/substitutes",
            "/staff",
            "/year",
            "/safeguards",
        },
        {"/town", "/accounts", "/desk/{town}", "/activities"},
    ),
    Role.TEACHER: (
        "/class",
        {"/", "/losses", "/class"},
        {"/rosters", "/town", "/accounts", "/desk/{town}", "/activities", "/year"},
    ),
    Role.SUBSTITUTE: ("/class", {"/", "/losses", "/class"}, {"/rosters", "/town", "/accounts", "/desk/{town}", "/activities"}),
    Role.AFTER_SCHOOL_AGENT: ("/activities", {"/losses", "/activities"}, {"/rosters", "/town", "/accounts", "/desk/{town}"}),
    Role.DPO: ("/data", {"/data", "/data/duties", "/audit"}, {"/rosters", "/town", "/accounts", "/desk/{town}", "/activities"}),
}
DAY = [{"kind": "school", "from": "08:00", "to": "16:30"}, {"kind": "after_school", "from": "16:30", "to": "18:30"}]
WEEK: dict[str, list[dict[str, object]]] = dict.fromkeys(("mon", "tue", "thu", "fri"), DAY)  # type: ignore[arg-type]
#: A Monday in Paris, in school and after school.
IN_SCHOOL, AFTER_SCHOOL = datetime(2026, 11, 23, 9, 0, tzinfo=UTC), datetime(2026, 11, 23, 16, 0, tzinfo=UTC)


@dataclass
class RoleWorld:
    """A town with two classes of one school, a tablet each, and a person of each role, as sign-ins."""

    server: LiveServer
    clock: ManualClock
    town_id: UUID
    school_id: UUID
    class_id: UUID
    other_class_id: UUID
    tags: list[str]
    tablet_ids: list[UUID]
    people: list[Person] = field(default_factory=list)

    def set_time(self, instant: datetime) -> None:
        self.clock.advance(instant - self.clock.now())

    def sign_in(self, role: Role, login: str = "") -> Person:
        login = login or role.value
        place: dict[str, UUID] = {}
        if role in (Role.HEAD, Role.AFTER_SCHOOL_AGENT, Role.TEACHER, Role.SUBSTITUTE):
            place["school_id"] = self.school_id
        if role in (Role.TEACHER, Role.SUBSTITUTE):
            place["class_id"] = self.class_id
        with self.server.runtime.open_unit_of_work() as work:
            account = accounts.create_account(
                work, SYSTEM, login=login, display_name=login, password=PASSWORD, role=role if place or role is not Role.OPERATOR else Role.HELPDESK,
                town_id=self.town_id, ends_at=work.now + timedelta(days=1), **place,
            )  # fmt: skip
            account.must_change_password = False
            if role is Role.OPERATOR:
                row = AccountRepository(work.session).list_roles(account.id, work.now)[0]
                row.role, row.town_id = Role.OPERATOR, None
        person = Person(self.server, login)
        self.people.append(person)
        return person


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("roles")
    engine = databases.create_sqlite_engine(folder)
    clock = ManualClock(datetime.now(UTC))
    with start_live_server(engine, KEYRING, folder / "data", clock) as server:
        clock.advance(IN_SCHOOL - clock.now())
        with server.runtime.open_unit_of_work() as work:
            factory = TownFactory(work)
            town = factory.create_town()
            school = factory.create_school(town)
            classes = [factory.create_class(school, label) for label in ("CE2 A", "CM1 B")]
            tablets = []
            for school_class, first in zip(classes, ("Zoé", "Basile"), strict=True):
                tablet = factory.create_tablet(town, school_id=school.id)
                factory.lend_tablet(tablet, factory.create_pupil(school_class, Grade.CE2, first=first))
                tablets.append(tablet)
            authoring.save_timetable(work, SYSTEM, town.id, None, week=WEEK, calendar=FOLLOW_ZONE, night=("20:00", "07:00"))
            made = RoleWorld(
                server, clock, town.id, school.id, classes[0].id, classes[1].id, [each.tag for each in tablets],
                [each.id for each in tablets],
            )  # fmt: skip
        yield made
        for person in made.people:
            person.client.close()
    engine.dispose()


def read_csrf(text: str) -> str:
    match = re.search(r'name="csrf" value="([^"]+)"', text)
    assert match, text[:500]
    return match[1]


def find_form(text: str, ending: str) -> str:
    """Return the address of the form whose address ends so."""
    return str(next(each for each in re.findall(r'action="([^"]+)"', text) if each.endswith(ending)))


@pytest.mark.parametrize("role", Role)
def test_a_role_begins_where_its_day_does_and_sees_what_it_may(world: RoleWorld, role: Role) -> None:
    begins, menu, forbidden = EXPECTED[role]
    world.set_time(IN_SCHOOL)
    person = world.sign_in(role)
    page = person.client.get("/today", follow_redirects=True)
    assert (page.status_code, page.url.path) == (200, begins)
    chapters = re.search(r'<nav [^>]*aria-label="Chapitres">(.*?)</nav>', page.text, re.DOTALL)
    assert chapters is not None
    assert set(re.findall(r'href="([^"]+)"', chapters[1])) == menu
    for address in menu - {"/"}:
        assert person.client.get(address).status_code in (200, 303), address
    for address in forbidden:
        assert person.client.get(address.format(town=world.town_id)).status_code in (403, 404), address
    roles_page = html.unescape(person.client.get("/roles").text)
    assert "le vôtre" in roles_page
    english = person.client.get("/", headers={"Accept-Language": "en"}, follow_redirects=True)
    assert ('aria-label="Chapters">' in english.text, ">Sign out</button>" in english.text) == (True, True)
    former = str(person.client.cookies[SESSION_COOKIE])
    person.client.post("/sign-out", data={"csrf": read_csrf(page.text)})
    assert 'action="/sign-in"' in person.client.get("/").text
    # The cookie that the browser had is put back, as whoever has copied it would do: in the console, in a form and as a token.
    stolen = {"Cookie": f"{SESSION_COOKIE}={former}"}
    for address in (begins, "/me", *menu):
        page = person.client.get(address, headers=stolen, follow_redirects=True)
        assert 'action="/sign-in"' in page.text, address
    refused = person.client.post("/sessions/stay", data={"csrf": read_csrf(english.text)}, headers=stolen)
    assert (refused.status_code, "seconds" in refused.text) == (401, False), "and a form of the former page sends nothing"
    assert person.client.get("/api/v1/towns", headers={"Authorization": f"Bearer {former}"}).status_code == 401


@pytest.mark.parametrize("role", [Role.TEACHER, Role.SUBSTITUTE, Role.HEAD, Role.TOWN_ADMIN])
def test_who_starts_a_class_session_extends_and_ends_it(world: RoleWorld, role: Role) -> None:
    world.set_time(IN_SCHOOL)
    person = world.sign_in(role, f"session-{role.value}")
    address = f"/class?class_id={world.class_id}"
    page = person.client.get(address).text
    assert "Zoé" in page
    csrf = read_csrf(page)
    pupil_id = re.search(r'name="absent" value="([^"]+)"', page)
    assert pupil_id is not None
    for absent in ({"absent": pupil_id[1]}, {}):
        marked = person.client.post(f"/class/{world.class_id}/absences", data={"csrf": csrf, **absent}, follow_redirects=True)
        assert (
            f'value="{pupil_id[1]}" aria-label="Zoé M. est absent aujourd\'hui" checked' in html.unescape(marked.text)
        ) is bool(absent)
    started = person.client.post(f"/class/{world.class_id}/start", data={"csrf": csrf, "minutes": "45", "preset": "screens_down"})
    assert started.status_code == 303, started.text
    page = html.unescape(person.client.get(address).text)
    assert "En cours jusqu'à 10:45" in page
    assert person.client.post(find_form(page, "/extend"), data={"csrf": csrf}).status_code == 303
    page = html.unescape(person.client.get(address).text)
    assert "En cours jusqu'à 10:55" in page
    assert person.client.post(find_form(page, "/end"), data={"csrf": csrf}).status_code == 303
    assert "En cours jusqu'à" not in html.unescape(person.client.get(address).text)


def test_a_lesson_limited_to_what_the_class_lacks_is_refused_and_what_was_typed_stays(world: RoleWorld) -> None:
    world.set_time(IN_SCHOOL)
    teacher = world.sign_in(Role.TEACHER, "lesson")
    page = teacher.client.get("/class").text
    assert '<option value="com.apple.mobilenotes"' in page
    form = {"csrf": read_csrf(page), "minutes": "30", "preset": "focus_apps", "apps": "fr.test.none", "sites": "lumni.fr"}
    refused = teacher.client.post(f"/class/{world.class_id}/start", data=form)
    text = html.unescape(refused.text)
    assert (refused.status_code, "Les tablettes de cette classe n'ont pas : fr.test.none" in text) == (422, True), text
    assert re.search(r"<textarea[^>]*>lumni.fr</textarea>", text)
    assert '<option value="30" selected' in text


def test_a_teacher_has_no_other_class(world: RoleWorld) -> None:
    world.set_time(IN_SCHOOL)
    teacher = world.sign_in(Role.TEACHER, "one-class")
    page = teacher.client.get("/class").text
    assert "CE2 A" in page
    assert "CM1 B" not in page
    assert "Basile" not in teacher.client.get("/").text
    csrf = read_csrf(page)
    for response in (
        teacher.client.get(f"/class?class_id={world.other_class_id}"),
        teacher.client.post(f"/class/{world.other_class_id}/start", data={"csrf": csrf}),
        teacher.client.get(f"/tablets/{world.tablet_ids[1]}"),
        teacher.client.post(f"/tablets/{world.tablet_ids[0]}/lost", data={"csrf": csrf, "reason": "x"}),
    ):
        assert response.status_code in (403, 404)


def test_another_persons_session_is_taken_over_after_a_confirmation(world: RoleWorld) -> None:
    world.set_time(IN_SCHOOL)
    head, teacher = world.sign_in(Role.HEAD, "first"), world.sign_in(Role.TEACHER, "second")
    address = f"/class?class_id={world.class_id}"
    head_csrf, csrf = read_csrf(head.client.get(address).text), read_csrf(teacher.client.get(address).text)
    form = {"minutes": "30", "preset": "free"}
    assert head.client.post(f"/class/{world.class_id}/start", data={"csrf": head_csrf, **form}).status_code == 303
    asked = teacher.client.post(f"/class/{world.class_id}/start", data={"csrf": csrf, **form})
    assert asked.status_code == 409
    assert 'name="take_over"' in asked.text
    taken = teacher.client.post(f"/class/{world.class_id}/start", data={"csrf": csrf, "take_over": "true", **form})
    assert taken.status_code == 303
    page = head.client.get(address).text
    assert head.client.post(find_form(page, "/end"), data={"csrf": head_csrf}).status_code == 303


def test_an_agent_runs_an_activity_with_first_names_in_after_school_time_alone(world: RoleWorld) -> None:
    world.set_time(IN_SCHOOL)
    agent = world.sign_in(Role.AFTER_SCHOOL_AGENT, "agent")
    page = html.unescape(agent.client.get("/activities").text)
    assert "n'est pas ouvert" in page
    assert "Zoé" not in page
    world.set_time(AFTER_SCHOOL)
    agent = world.sign_in(Role.AFTER_SCHOOL_AGENT, "agent-later")
    page = agent.client.get("/activities").text
    assert "Zoé" in page
    assert "MARTIN" not in page
    csrf = read_csrf(page)
    start = f"/activities/{world.school_id}/start"
    assert agent.client.post(start, data={"csrf": csrf, "minutes": "60", "tablets": str(world.tablet_ids[0])}).status_code == 303
    page = html.unescape(agent.client.get("/activities").text)
    assert "En cours jusqu'à 18:00" in page
    assert agent.client.post(find_form(page, "/end"), data={"csrf": csrf}).status_code == 303
    assert "En cours jusqu'à" not in html.unescape(agent.client.get("/activities").text)
    assert agent.client.get(f"/tablets/{world.tablet_ids[0]}").status_code == 404


def test_one_line_of_the_menu_is_the_page_and_a_group_of_one_chapter_is_that_chapter(world: RoleWorld) -> None:
    world.set_time(IN_SCHOOL)
    admin, helpdesk = world.sign_in(Role.TOWN_ADMIN, "menu-admin"), world.sign_in(Role.HELPDESK, "menu-helpdesk")
    for path, address, group in (
        ("/hours/days", "/hours/days", "Horaires"),
        ("/filter-lists", "/filter-lists", "Filtre"),
        (f"/tablets/{world.tablet_ids[0]}", "/", "Tablettes"),
        ("/rosters", "/rosters", None),
    ):
        page = html.unescape(admin.client.get(path).text)
        assert re.findall(r'<a href="([^"]+)" aria-current="page"', page) == [address], path
        assert re.findall(r'<summary aria-current="true">([^<]+)<', page) == ([group] if group else []), path
    page = html.unescape(helpdesk.client.get("/today").text)
    assert re.findall(r"<summary >([^<]+)<", page) == ["Tablettes"], "the safeguards are their only page of settings"
    assert '<a href="/safeguards" >' in page


def test_every_role_permission_and_scope_has_a_label() -> None:
    assert set(ROLES) == set(Role) == set(PERMISSIONS) == set(EXPECTED)
    assert set(PERMISSION_LABELS) == set(Permission)
    assert len(SCOPES) == len({*SCOPES})
