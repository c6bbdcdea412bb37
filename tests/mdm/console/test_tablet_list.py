"""The list of tablets: filters that work together with states and search, and the spreadsheet without names."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.scope import Role
from enrollment.places.models import Grade, Town
from enrollment.tablets.models import Tablet, TabletState
from mdm.care.tablet_columns import TabletColumn
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps.models import App
from tests.mdm.console.conftest import Person
from tests.support.server import LiveServer
from tests.support.statements import count_statements
from tests.support.world import TownFactory


class Fleet:
    """Three tablets: one complete and heard of, one that lacks an app, one silent; in two schools."""

    def __init__(self, server: LiveServer) -> None:
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            first, second = world.create_school(town), world.create_school(town, "École Prévert")
            app = App(town_id=town.id, name="Mathador", bundle_identifier="fr.mathador", app_store_id=1)
            work.session.add(app)
            work.session.flush()
            self.tags: list[str] = []
            for school, grade, state, seen in (
                (first, Grade.CE2, AppState.INSTALLED, timedelta(hours=1)),
                (first, Grade.CM1, AppState.FAILED, timedelta(hours=1)),
                (second, Grade.CE2, AppState.INSTALLED, timedelta(days=9)),
            ):
                tablet = world.create_tablet(town)
                world.lend_tablet(
                    tablet,
                    world.create_pupil(
                        world.create_class(school, f"{grade} {len(self.tags)}"), grade, last="DUPONT", first="Zélie"
                    ),
                )
                world.enroll_tablet(tablet, last_seen_at=work.now - seen)
                work.session.add(
                    TabletApp(tablet_id=tablet.id, app_id=app.id, state=state, reason=AppReason.INSTALLING, changed_at=work.now)
                )
                self.tags.append(tablet.tag)
            self.town_id, self.school_ids = town.id, (first.id, second.id)


@pytest.fixture
def fleet(server: LiveServer) -> Fleet:
    return Fleet(server)


def list_shown(person: Person, fleet: Fleet, **query: str) -> list[int]:
    """Which of the three tablets the page lists."""
    page = person.client.get("/", params=query).text
    return [number for number, tag in enumerate(fleet.tags) if f">{tag}</a>" in page]


def read_rows(answer: httpx.Response) -> list[list[object]]:
    """The rows of a downloaded spreadsheet."""
    return [list(row) for row in CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()]


def test_filters_work_together(person: Callable[..., Person], fleet: Fleet) -> None:
    helpdesk = person(fleet.town_id, Role.HELPDESK)
    assert list_shown(helpdesk, fleet) == [0, 1, 2]
    assert list_shown(helpdesk, fleet, lacks="apps") == [1]
    assert list_shown(helpdesk, fleet, silent="7") == [2]
    assert list_shown(helpdesk, fleet, silent="30") == []
    assert list_shown(helpdesk, fleet, grade="CE2") == [0, 2]
    assert list_shown(helpdesk, fleet, grade="CE2", school=str(fleet.school_ids[0])) == [0]
    assert list_shown(helpdesk, fleet, grade="CE2", q="zélie", state="in_use") == [0, 2]
    assert list_shown(helpdesk, fleet, grade="x", school="x", silent="x", lacks="x", state="x") == [0, 1, 2]
    assert list_shown(helpdesk, fleet, school=str(UUID(int=1))) == []


def test_the_spreadsheet_holds_the_filtered_tablets_without_names(
    server: LiveServer, person: Callable[..., Person], fleet: Fleet
) -> None:
    helpdesk = person(fleet.town_id, Role.HELPDESK)
    answer = helpdesk.client.get("/tablets.xlsx", params={"grade": "CE2"})
    assert answer.headers["content-disposition"].startswith('attachment; filename="tablets-')
    rows = read_rows(answer)
    assert [row[0] for row in rows[1:]] == [fleet.tags[0], fleet.tags[2]]
    assert "DUPONT" not in str(rows)
    assert "Zélie" not in str(rows)
    with server.runtime.open_unit_of_work() as work:
        events = work.session.scalars(select(AuditEvent).where(AuditEvent.action == "tablets.export")).all()
        assert [event.town_id for event in events] == [fleet.town_id]


def test_a_stranger_exports_nothing(server: LiveServer, person: Callable[..., Person], fleet: Fleet) -> None:
    stranger = person(Fleet(server).town_id, Role.TECHNICIAN)
    rows = read_rows(stranger.client.get("/tablets.xlsx"))
    assert not {row[0] for row in rows} & set(fleet.tags)
    officer = person(fleet.town_id, Role.DPO)
    rows = read_rows(officer.client.get("/tablets.xlsx"))
    assert len(rows) == 1, "a data protection officer sees no tablets"


def test_a_person_keeps_a_view_under_a_name_and_removes_it(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town_id = factory.create_town().id
        work.session.flush()
    technician, colleague = person(town_id), person(town_id)
    assert "Garder cette vue" in technician.client.get("/", params={"lacks": "mode"}).text
    form = {"csrf": technician.csrf, "name": "À regarder", "query": "lacks=mode&q=Martin&next=https%3A%2F%2Fexample.org"}
    answer = technician.client.post("/views", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?lacks=mode"), (
        "neither a child's name nor a foreign address is kept"
    )
    assert technician.client.post("/views", data={**form, "query": "silent=7"}).headers["location"] == "/?silent=7"
    seen = technician.client.get("/?silent=7").text
    assert seen.count("À regarder") == 2, "the link, and the button that removes it"
    assert "À regarder" not in colleague.client.get("/").text
    [address] = re.findall(r'action="(/views/[^"]+/remove)"', seen)
    assert colleague.client.post(address, data={"csrf": colleague.csrf}).status_code == 404
    assert technician.client.post(address, data={"csrf": technician.csrf}).status_code == 303
    assert "À regarder" not in technician.client.get("/").text
    for wrong in ({"name": " "}, {"query": "q=Martin"}, {"name": "x" * 61}):
        assert technician.client.post("/views", data={**form, **wrong}).status_code == 422


def test_the_list_filters_by_what_tablets_report(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        tablets = [factory.create_tablet(town) for _ in range(4)]
        tablets[0].battery_level, tablets[1].available_gigabytes, tablets[2].os_version = 0.1, 2.5, "17.7.2"
        factory.enroll_tablet(tablets[3]).erased_at = work.now
        town_id, tags = town.id, [tablet.tag for tablet in tablets]
    technician = person(town_id)
    for number, query in enumerate(("lacks=battery", "lacks=storage", "system=17", "erased=yes")):
        seen = technician.client.get(f"/?{query}").text
        assert [tag for tag in tags if tag in seen] == [tags[number]], query
    assert "effacée, pas encore remise en service" in technician.client.get("/").text
    for odd in ("system=x", "system=999", "lacks=nothing", "school=x", "system=%F0%9F%98%80"):
        assert technician.client.get(f"/?{odd}").status_code == 200


def list_tags(person: Person, **query: str) -> list[str]:
    """The tags in the order of the page, and of the pages after it."""
    tags: list[str] = []
    address = str(httpx.URL("/", params=query))
    while address:
        page = html.unescape(person.client.get(address).text)
        tags += re.findall(r'<th scope="row"><a href="/tablets/[^"]+">([^<]+)</a>', page)
        following = re.search(r'<a class="button" href="([^"]+)">', page)
        address = following[1] if following else ""
    return tags


@pytest.fixture
def ranked(server: LiveServer) -> tuple[UUID, list[str]]:
    """A town with three tablets of which each has more of everything than the one before, and the tags in that order."""
    with server.runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        app = App(town_id=town.id, name="Mathador", bundle_identifier="fr.mathador", app_store_id=1)
        work.session.add(app)
        work.session.flush()
        made: list[Tablet] = []
        for number, (version, grade, name, school) in enumerate(
            (
                ("9.3", Grade.CP, "ABADIE", "École A"),
                ("17.9.1", Grade.CE2, "Émile", "École B"),
                ("17.10", Grade.CM2, "ZOLA", "École C"),
            )
        ):
            tablet = factory.create_tablet(town)
            tablet.tag, tablet.serial, tablet.model_name = f"T-{2 - number}", f"S{number}", f"iPad {number}"
            tablet.os_version, tablet.battery_level, tablet.available_gigabytes = version, 0.09 + number / 2.2, 2.5 + 9 * number
            place = factory.create_school(town, school)
            tablet.school_id = place.id
            factory.lend_tablet(tablet, factory.create_pupil(factory.create_class(place, f"{number} A"), grade, last=name))
            factory.enroll_tablet(tablet, last_seen_at=work.now - timedelta(days=9 - number))
            if number:
                work.session.add(
                    TabletApp(
                        tablet_id=tablet.id,
                        app_id=app.id,
                        state=AppState.INSTALLED,
                        reason=AppReason.INSTALLING,
                        changed_at=work.now,
                    )
                )
            made.append(tablet)
        second = App(town_id=town.id, name="Lumni", bundle_identifier="fr.lumni", app_store_id=2)
        work.session.add(second)
        work.session.flush()
        for number, tablet in enumerate(made):
            for lacking in (app, second)[2 - number :]:
                row = work.session.get(TabletApp, (tablet.id, lacking.id)) or TabletApp(tablet_id=tablet.id, app_id=lacking.id)
                row.state, row.reason, row.changed_at = AppState.FAILED, AppReason.INSTALLING, work.now
                work.session.add(row)
        for tablet, state in zip(made, (TabletState.IN_USE, TabletState.LOST, TabletState.RETIRED), strict=True):
            tablet.state = state
        return town.id, [tablet.tag for tablet in made]


@pytest.mark.each_database
def test_each_column_orders_the_list_both_ways(
    server: LiveServer, person: Callable[..., Person], ranked: tuple[UUID, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    town_id, tags = ranked
    technician = person(town_id)
    by_state = sorted(
        zip(tags, (TabletState.IN_USE, TabletState.LOST, TabletState.RETIRED), strict=True),
        key=lambda each: [*TabletState].index(each[1]),
    )
    monkeypatch.setattr("mdm.console.tablets.tablet_list.PAGE_SIZE", 1)
    for column in TabletColumn:
        ascending = {TabletColumn.TAG: tags[::-1], TabletColumn.STATE: [tag for tag, _ in by_state]}.get(column, tags)
        assert list_tags(technician, sort=column.value) == ascending, column
        assert list_tags(technician, sort=f"-{column.value}") == ascending[::-1], column
    assert list_tags(technician, sort="nothing") == tags[::-1]
    page = technician.client.get("/", params={"sort": "battery"}).text
    assert re.search(r'aria-sort="ascending"><a href="[^"]*sort=-battery">', page)


def test_an_order_takes_as_many_statements_for_four_tablets_as_for_forty(
    server: LiveServer, person: Callable[..., Person], ranked: tuple[UUID, list[str]]
) -> None:
    town_id, _ = ranked
    technician = person(town_id)

    def count() -> list[int]:
        counts = []
        for column in TabletColumn:
            with count_statements(server.runtime.engine) as statements:
                assert technician.client.get("/", params={"sort": column.value}).status_code == 200
            counts.append(len(statements))
        return counts

    count()
    before = count()
    with server.runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = work.session.get_one(Town, town_id)
        school_class = factory.create_class(factory.create_school(town, "École D"))
        for _ in range(36):
            factory.lend_tablet(factory.create_tablet(town), factory.create_pupil(school_class, Grade.CE2))
    assert max(after - former for after, former in zip(count(), before, strict=True)) <= 1, (
        "but for what a session writes by itself"
    )


def test_a_person_chooses_columns_and_a_view_carries_its_own(
    server: LiveServer, person: Callable[..., Person], ranked: tuple[UUID, list[str]]
) -> None:
    town_id, tags = ranked
    technician, colleague = person(town_id), person(town_id)
    form = {
        "csrf": technician.csrf,
        "query": "sort=-storage&columns=tag&next=%2F%2Fexample.org",
        "column": ["storage", "model", "odd"],
    }
    chosen = technician.client.post("/views/columns", data=form)
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/?sort=-storage")
    titles = re.compile(r'<th scope="col" (?:aria-sort="\w+")?><a href="[^"]+">([^<]+)</a>')
    page = technician.client.get("/?sort=-storage").text
    assert titles.findall(page) == ["Étiquette", "Modèle", "Mémoire libre (Go)"]
    assert "Chez" in colleague.client.get("/").text
    rows = list(
        csv.reader(io.StringIO(technician.client.get("/tablets.csv?sort=-storage").content.decode("utf-8-sig")), delimiter=";")
    )
    assert rows == [
        ["Étiquette", "Modèle", "Mémoire libre (Go)"],
        *([tags[n], f"iPad {n}", f"{2.5 + 9 * n:.1f}".replace(".", ",")] for n in (2, 1, 0)),
    ]
    assert read_rows(technician.client.get("/tablets.xlsx?sort=-storage"))[1][:2] == [tags[2], "iPad 2"]
    assert "ZOLA" not in technician.client.get("/tablets.csv?columns=holder,class").content.decode("utf-8-sig")
    [query] = re.findall(r'name="query" value="([^"]+)"><label for="view-name"', page)
    view = {"csrf": technician.csrf, "name": "Stockage", "query": html.unescape(query)}
    address = technician.client.post("/views", data=view).headers["location"]
    technician.client.post("/views/columns", data={"csrf": technician.csrf, "column": "serial"})
    page = technician.client.get(address).text
    assert titles.findall(page) == ["Étiquette", "Modèle", "Mémoire libre (Go)"]
    assert 'aria-current="true">Stockage</a>' in page
    assert titles.findall(technician.client.get("/").text) == ["Étiquette", "Numéro de série"]
