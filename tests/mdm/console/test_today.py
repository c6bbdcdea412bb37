"""The first page: a card for each thing that waits, by permission and place, gone when it is done; the same cost for a large town."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable import alarms
from cartable.alarms import Alarm, AlarmKind
from cartable.scope import SYSTEM, Role
from enrollment.places.models import School, Town
from enrollment.rosters.models import ImportState, RosterImport
from enrollment.tablets.models import AgreementState, Loan, TabletState
from mdm.accounts.models import AccountRole
from mdm.care.lost_mode.models import LostCase
from mdm.care.today.models import FleetDay
from mdm.care.today.service import record_fleet_day
from mdm.privacy import requests
from mdm.privacy.models import RequestKind, RequestOutcome
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps.models import App, LicenceToken
from profiles.schedule.models import TabletMode, Timetable, TownCalendar
from profiles.schedule.modes import Mode
from profiles.schedule.timetable import DAYS
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read
from tests.support.server import LiveServer
from tests.support.statements import count_statements
from tests.support.world import TownFactory


class BusyTown:
    """A town in which one of everything waits."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        with server.runtime.open_unit_of_work() as work:
            self.world, self.work = TownFactory(work), work
            town = self.world.create_town()
            self.school = self.world.create_school(town)
            self.other_school = self.world.create_school(town, "École Prévert")
            self.add_tablet(town, self.school, "CE2 A")
            work.session.add(
                LicenceToken(
                    town_id=town.id, content="c", location="Ville", is_town_wide=True, expires=work.now + timedelta(days=10)
                )
            )
            self.town_id, self.school_id, self.other_id = town.id, self.school.id, self.other_school.id

    def add_tablet(self, town: Town, school: School, label: str) -> None:
        """A silent tablet of a class, that lacks an app, has not proved its mode, and is lost."""
        work, world = self.work, self.world
        app = work.session.scalars(select(App)).first() or App(town_id=town.id, name="Mathador", bundle_identifier="fr.mathador")
        work.session.add(app)
        work.session.flush()
        tablet = world.create_tablet(town)
        world.lend_tablet(tablet, world.create_pupil(world.create_class(school, label)))
        world.enroll_tablet(tablet, last_seen_at=work.now - timedelta(days=9))
        since = work.now - timedelta(hours=2)
        work.session.add(
            TabletApp(
                tablet_id=tablet.id, app_id=app.id, state=AppState.WAITING, reason=AppReason.NO_LICENCE, changed_at=work.now
            )
        )
        work.session.add(TabletMode(town_id=town.id, tablet_id=tablet.id, mode=Mode.SCHOOL, since=since, next_evaluation_at=None))
        lost = world.create_tablet(town, school_id=school.id)
        lost.state = TabletState.LOST
        work.session.add(
            LostCase(town_id=town.id, school_id=school.id, tablet_id=lost.id, reason="bus", message="m", requested_at=work.now)
        )
        world.create_tablet(town, school_id=school.id).state = TabletState.ASSIGNED
        work.session.add(
            RosterImport(town_id=town.id, school_id=school.id, format="onde", state=ImportState.PREVIEWED, file_sha256="0" * 64,
                         counts={}, plan="{}", uploaded_at=work.now)
        )  # fmt: skip
        alarms.raise_alarm(work, town.id, AlarmKind.POLICY_PUBLISHED_AT_ONCE)
        work.session.flush()


def list_cards(person: Person, **query: str) -> list[str]:
    page = person.client.get("/today", params=query)
    assert page.status_code == 200, page.text[:300]
    return [part.partition('"')[0] for part in page.text.split('data-card="')[1:]]


@pytest.fixture
def town(server: LiveServer) -> BusyTown:
    return BusyTown(server)


def test_each_role_sees_what_concerns_it(town: BusyTown, person: Callable[..., Person]) -> None:
    work = ["missing_apps", "silent", "unproved"]
    assert list_cards(person(town.town_id, Role.TOWN_ADMIN)) == [
        "alarms",
        "lost",
        "imports",
        "handovers",
        "agreements",
        *work,
        "expiries",
    ]
    assert list_cards(person(town.town_id, Role.HELPDESK)) == ["lost", *work]
    assert list_cards(person(town.town_id, Role.TECHNICIAN)) == ["lost", "imports", "handovers", "agreements", *work]
    assert list_cards(person(town.town_id, Role.HEAD, school_id=town.school_id)) == ["lost", "imports", *work]
    assert list_cards(person(town.town_id, Role.HEAD, school_id=town.other_id)) == []


def test_a_place_narrows_the_cards_and_each_leads_to_what_it_counts(town: BusyTown, person: Callable[..., Person]) -> None:
    admin = person(town.town_id, Role.TOWN_ADMIN)
    assert list_cards(admin, town=str(town.town_id), school=str(town.other_id)) == ["alarms", "expiries"]
    page = read(admin.client.get("/today"))
    for words in ("1 tablette silencieuse depuis une semaine", "CE2 A, École Jules-Verne", "1 · pas de licence libre", "Ville"):
        assert words in page, words
    silent = admin.client.get("/", params={"silent": "7", "school": str(town.school_id)})
    assert "SERIAL" in silent.text


@pytest.mark.each_database
def test_a_card_goes_when_it_is_done_also_when_two_do_it_at_once(town: BusyTown, person: Callable[..., Person]) -> None:
    people = [person(town.town_id, Role.TOWN_ADMIN) for _ in range(2)]
    with town.server.runtime.open_unit_of_work() as work:
        [alarm_id] = work.session.scalars(select(Alarm.id))
    assert "À faire 3" in read(people[0].client.get("/today")), "the alarm, the lost tablet and the roster"

    def acknowledge(who: Person) -> int:
        return who.client.post(f"/safeguards/{town.town_id}/alarms/{alarm_id}/acknowledge", data={"csrf": who.csrf}).status_code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(acknowledge, people)) == [303, 303]
    assert all("alarms" not in list_cards(who) for who in people)
    assert "À faire 2" in read(people[0].client.get("/today"))
    with town.server.runtime.open_unit_of_work() as work:
        assert work.session.get_one(Alarm, alarm_id).acknowledged_by is not None


def test_the_day_is_a_ribbon_and_the_fleet_a_picture(town: BusyTown, person: Callable[..., Person]) -> None:
    week = {day: [{"kind": "school", "from": "08:30", "to": "16:30"}] for day in DAYS}
    with town.server.runtime.open_unit_of_work() as work:
        work.session.add(
            Timetable(
                town_id=town.town_id, version=1, week=week, calendar="zone", night_from=None, night_to=None, written_at=work.now
            )
        )
        yesterday = work.now.date() - timedelta(days=1)
        work.session.add(FleetDay(town_id=town.town_id, day=yesterday, in_use=4, seen=2, complete=3))
        assert record_fleet_day(work) == record_fleet_day(work) == 1, "counted again, not added"
        [today] = work.session.scalars(select(FleetDay).where(FleetDay.day == work.now.date()))
        assert (today.in_use, today.seen, today.complete) == (1, 0, 0)
    page = person(town.town_id, Role.HELPDESK).client.get("/today").text
    assert 'class="now"' in page
    assert page.count("<polyline") == 3
    assert "1 tablettes en usage" in page, "the figures are said in words too"


def test_who_governs_is_warned_before_the_dates_of_the_holidays_end(town: BusyTown, person: Callable[..., Person]) -> None:
    client = person(town.town_id, Role.TOWN_ADMIN).client
    with town.server.runtime.open_unit_of_work() as work:
        now = work.now
        calendar = TownCalendar(
            town_id=town.town_id, name="Ville", periods=[], public_holidays=[], written_at=now,
            known_until=now.date() + timedelta(days=100),
        )  # fmt: skip
        week = {day: [{"kind": "school", "from": "08:30", "to": "16:30"}] for day in DAYS}
        work.session.add(calendar)
        work.session.add(
            Timetable(
                town_id=town.town_id, version=1, week=week, calendar="Ville", night_from=None, night_to=None, written_at=now
            )
        )
        work.session.flush()
        calendar_id = calendar.id
    assert "vacances scolaires" not in read(client.get("/today"))
    soon = now.date() + timedelta(days=80)
    with town.server.runtime.open_unit_of_work() as work:
        work.session.get_one(TownCalendar, calendar_id).known_until = soon
    page = client.get("/today")
    assert f"dates publiées des vacances scolaires · {soon:%d/%m/%Y}" in " ".join(read(page).split())
    assert '"/calendar' in page.text


def test_old_figures_are_deleted(town: BusyTown) -> None:
    with town.server.runtime.open_unit_of_work() as work:
        work.session.add(FleetDay(town_id=town.town_id, day=work.now.date() - timedelta(days=1200), in_use=1, seen=1, complete=1))
        record_fleet_day(work)
        assert work.session.scalars(select(FleetDay.day)).all() == [work.now.date()]


def test_the_page_costs_the_same_for_one_tablet_and_for_many(town: BusyTown, person: Callable[..., Person]) -> None:
    admin = person(town.town_id, Role.TOWN_ADMIN)
    admin.client.get("/today")
    with count_statements(town.server.runtime.engine) as few:
        admin.client.get("/today")
    with town.server.runtime.open_unit_of_work() as work:
        town.work, town.world = work, TownFactory(work)
        place = work.session.get_one(Town, town.town_id)
        for number in range(5):
            town.add_tablet(place, town.world.create_school(place, f"École {number}"), f"CM1 {number}")
    with count_statements(town.server.runtime.engine) as many:
        page = admin.client.get("/today")
    assert len(few) == len(many)
    assert len(page.content) < 50_000


def test_who_begins_elsewhere_is_led_there(town: BusyTown, person: Callable[..., Person]) -> None:
    assert person(town.town_id, Role.DPO).client.get("/today").headers["location"] == "/data"
    stranger = person(town.town_id)
    stranger.client.cookies.clear()
    assert 'action="/sign-in"' in stranger.client.get("/today").text


def test_several_towns_are_never_mixed_in_one_list(town: BusyTown, server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        second = world.create_town("Ville-Neuve")
        second_id, tag = second.id, world.create_tablet(second).tag
    technician = person(town.town_id, Role.TECHNICIAN)
    add_role(server, second_id)
    first, other = (technician.client.get("/", params={"town": str(each)}) for each in (town.town_id, second_id))
    assert tag not in first.text
    assert tag in other.text
    assert f'href="/desk?town={second_id}"' in other.text, "the place stays in the address when the chapter changes"
    assert "Ville-Neuve" in first.text, "the bar offers the other town"
    assert f'name="town" value="{second_id}"' in other.text, "a search and a filter stay in the town"
    results = technician.client.get("/search", params={"q": "martin"}).text
    assert f"/search?q=martin&amp;town={second_id}" in results, "the page of results offers the other town"
    foreign = UUID(int=5)
    assert tag not in technician.client.get("/", params={"town": str(foreign)}).text, "what one may not see is not chosen"


def add_role(server: LiveServer, town_id: UUID) -> None:
    """Give the only technician the same role in another town."""
    with server.runtime.open_unit_of_work() as work:
        former = work.session.scalars(select(AccountRole).where(AccountRole.role == Role.TECHNICIAN)).one()
        work.session.add(AccountRole(account_id=former.account_id, town_id=town_id, role=Role.TECHNICIAN, granted_at=work.now))


def test_agreements_to_sign_and_requests_about_data_have_cards_until_done(
    server: LiveServer, person: Callable[..., Person]
) -> None:
    with server.runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        tablet, other = factory.create_tablet(town), factory.create_tablet(town)
        school_class = factory.create_class(factory.create_school(town))
        loan = factory.lend_tablet(tablet, factory.create_pupil(school_class))
        factory.lend_tablet(other, factory.create_pupil(school_class)).agreement = AgreementState.SIGNED
        loan.agreement = AgreementState.PENDING
        received = work.now.date() - timedelta(days=40)
        asked = requests.receive_request(work, SYSTEM, town.id, RequestKind.ACCESS, "Mme Martin", received_on=received)
        town_id, request_id, loan_id, tags = town.id, asked.id, loan.id, (tablet.tag, other.tag)
    admin, helpdesk = person(town_id, Role.TOWN_ADMIN), person(town_id, Role.HELPDESK)
    seen = read(admin.client.get("/today"))
    assert "1 convention de prêt n'est pas signée" in seen
    assert "1 demande d'une personne sur ses données" in seen
    assert "1 est en retard" in seen
    listed = admin.client.get("/?lacks=agreement").text
    assert [tag for tag in tags if f">{tag}</a>" in listed] == [tags[0]]
    assert "demande d'une personne" not in read(helpdesk.client.get("/today"))
    with server.runtime.open_unit_of_work() as work:
        requests.answer_request(work, SYSTEM, request_id, RequestOutcome.DONE, "Copie remise.")
        work.session.get_one(Loan, loan_id).agreement = AgreementState.REFUSED
    seen = read(admin.client.get("/today"))
    assert "convention de prêt" not in seen
    assert "demande d'une personne" not in seen
