"""Cards for those whose day begins elsewhere: withheld filter lists, data past its term for the DPO, the tablets of a class for its teacher."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from cartable import alarms
from cartable.alarms import Alarm, AlarmKind
from cartable.scope import SYSTEM, Role
from enrollment.places.models import Town
from enrollment.tablets.models import Reporter
from mdm.care.lost_mode.models import LossReport
from mdm.privacy import reports
from mdm.privacy.models import ReportKind
from profiles.filters import releases
from profiles.schedule.models import ClassSession
from profiles.schedule.session_rules import SessionPreset
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.statements import count_statements
from tests.support.world import TownFactory


def list_cards(person: Person, path: str) -> list[str]:
    page = person.client.get(path)
    assert page.status_code == 200, page.text[:300]
    return [part.partition('"')[0] for part in page.text.split('data-card="')[1:]]


@pytest.mark.parametrize("decision", ["approve", "stop"])
def test_withheld_lists_lead_to_the_page_of_their_decision_until_somebody_takes_it(
    server: LiveServer, person: Callable[..., Person], decision: str
) -> None:
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        change = {"name": "adult", "before": 200, "after": 2, "leaving": 198, "coming": 0,
                  "leaving_samples": ["perdu.example"], "coming_samples": []}  # fmt: skip
        release_id = releases.add_release(work, town.id, [change], [], ["adult"]).id
        alarms.raise_alarm(work, town.id, AlarmKind.FILTER_LISTS_WITHHELD, categories="adult")
        town_id = town.id
    admin, helpdesk = person(town_id, Role.TOWN_ADMIN), person(town_id, Role.HELPDESK)
    assert list_cards(admin, "/today") == ["alarms", "filter_lists"]
    assert list_cards(helpdesk, "/today") == []
    assert 'href="/filter-lists/releases"' in admin.client.get("/today").text
    safeguards = admin.client.get("/safeguards")
    assert f'href="/filter-lists/releases?town={town_id}"' in safeguards.text
    assert "perdraient beaucoup de leurs sites : adult." in read(safeguards), "the alarm names the categories"
    shown = admin.client.get("/filter-lists/releases", follow_redirects=True)
    assert str(shown.url).endswith(f"/filter-lists/releases/{release_id}")
    assert "perdu.example" in shown.text
    assert helpdesk.client.get("/filter-lists/releases").status_code == 404
    assert send(admin, f"/filter-lists/releases/{release_id}/{decision}").status_code == 303
    assert list_cards(admin, "/today") == [], "the decision is what the alarm asked for"
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalars(select(Alarm.acknowledged_by)).one() is not None
    assert admin.client.get("/filter-lists/releases").headers["location"] == f"/filter-lists?town={town_id}"


def test_data_past_its_term_has_a_card_until_it_is_removed(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
        rules = [
            {"rule": "loan", "remaining": 80, "withheld": True},
            {"rule": "command", "remaining": 3},
            {"rule": "pupil", "remaining": 0},
        ]
        report = reports.write_report(work, SYSTEM, town_id, ReportKind.RETENTION, None, {"rules": rules})
        report.created_at = work.now - timedelta(hours=1)
    dpo, admin, helpdesk = (person(town_id, role) for role in (Role.DPO, Role.TOWN_ADMIN, Role.HELPDESK))
    assert (list_cards(dpo, "/data"), list_cards(admin, "/today"), list_cards(helpdesk, "/today")) == (
        ["retention"],
        ["retention"],
        [],
    )
    page = read(dpo.client.get("/data"))
    for words in ("83 données ont dépassé leur durée", "80 sont anormalement nombreuses", "3 · "):
        assert words in page, page
    assert f'href="/data/duties?town={town_id}#periods"' in dpo.client.get("/data").text
    assert send(dpo, f"/data/{town_id}/retention/run").status_code == 303
    assert list_cards(dpo, "/data") == []


def test_a_retention_table_that_is_not_applied_has_a_card(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
        report = reports.write_report(work, SYSTEM, town_id, ReportKind.RETENTION, None, {"rules": []})
        report.created_at = work.now - timedelta(days=3)
    assert "La table de conservation n'est pas appliquée" in read(person(town_id, Role.DPO).client.get("/data"))


def test_a_teacher_sees_before_a_lesson_which_tablets_need_somebody(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        school_class, other = world.create_class(school), world.create_class(school, "CM1 B")
        silent, empty, lost, elsewhere = (world.create_tablet(town) for _ in range(4))
        for tablet, days in ((silent, 9), (empty, 0), (lost, 0), (elsewhere, 9)):
            world.lend_tablet(tablet, world.create_pupil(other if tablet is elsewhere else school_class))
            world.enroll_tablet(tablet, last_seen_at=work.now - timedelta(days=days))
        empty.battery_level, lost.battery_level, silent.battery_level = 0.12, 0.8, 0.05
        work.session.add(
            LossReport(town_id=town.id, tablet_id=lost.id, reporter=Reporter.TEACHER, reported_at=work.now, description="bus")
        )
        for days in (0, 1):
            starts = work.now - timedelta(days=days)
            work.session.add(
                ClassSession(
                    town_id=town.id, class_id=school_class.id, starts=starts, ends=starts, preset=SessionPreset.SCREENS_DOWN,
                    apps=[], sites=[],
                )
            )  # fmt: skip
        tags = {name: tablet.tag for name, tablet in (("silent", silent), ("empty", empty), ("lost", lost), ("else", elsewhere))}
        town_id, school_id, address = town.id, school.id, f"/class?class_id={school_class.id}"
    head = person(town_id, Role.HEAD, school_id=school_id)
    assert list_cards(head, address) == ["class_lost", "class_silent", "class_not_charged", "class_sessions"]
    page = read(head.client.get(address))
    assert f"· {tags['empty']} · 12 %" in page
    assert f"{tags['silent']} · 5 %" not in page, "the charge of a silent tablet is old news"
    assert "1 séance de classe aujourd'hui" in page
    assert tags["else"] not in page
    with count_statements(server.runtime.engine) as few:
        head.client.get(address)
    with server.runtime.open_unit_of_work() as work:
        world, town = TownFactory(work), work.session.get_one(Town, town_id)
        for _ in range(8):
            tablet = world.create_tablet(town)
            world.lend_tablet(tablet, world.create_pupil(work.session.merge(school_class)))
    with count_statements(server.runtime.engine) as many:
        assert "et 3 autres" in read(head.client.get(address))
    assert len(few) == len(many)
