"""A whole year of one town, over real HTTPS with simulated tablets, on an accelerated clock: order, bench, September, a loss, a
breakage with a loaner, a swap, a move, the passage to the next year, and the return of the tablets of CM2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Engine, func, select

from cartable import audit
from cartable.clock import ManualClock
from cartable.scope import Role
from enrollment.tablets.models import Loan
from mdm.worker.schedule import HOUSEKEEPING
from simulator import SimulatedTablet
from tests.conftest import KEYRING
from tests.enrollment.joining.test_automated import Factory
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support.server import PASSWORD, LiveServer, start_live_server
from tests.support.world import TownFactory, make_school_code

PARIS = ZoneInfo("Europe/Paris")
#: (family name, first name, level, class, number of the class)
FIRST_SCHOOL = (
    ("EL HADJ", "Zoé", "CE2", "CE2  A", "77"),
    ("NGUYEN", "A", "CE2", "CE2  A", "77"),
    ("D'ARTAGNAN-LE GOFF", "Élise-Anaïs", "CM2", "CM2 B", "78"),
    ("MARTIN", "Martine", "CM2", "CM2 B", "78"),
)
People = tuple[tuple[str, str, str, str, str], ...]
BORN = {"NGUYEN": "14/07/2018", "MARTIN": "03/03/2017"}
NAMES = ("EL HADJ", "NGUYEN", "ARTAGNAN", "Élise", "Martine", "MARTIN", "Zoé")


def _next_september() -> int:
    today = datetime.now(PARIS).date()
    return today.year + (today >= date(today.year, 6, 1))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture(scope="module")
def factory() -> Factory:
    return Factory()


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock, factory: Factory) -> Iterator[LiveServer]:
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(factory.certificate.public_bytes(Encoding.PEM))
    with start_live_server(
        engine, KEYRING, tmp_path / "data", clock, token_minutes=3_000_000, device_anchors=anchors, certificate_days=398
    ) as running:
        yield running


class SchoolYear:
    """The town, its people, its tablets by their serial number, and the clock."""

    def __init__(self, server: LiveServer, clock: ManualClock, factory: Factory) -> None:
        self.server, self.clock, self.factory, self.start = server, clock, factory, _next_september()
        with server.runtime.open_unit_of_work() as work:
            self.town_id = TownFactory(work).create_town().id
        self.town = str(self.town_id)
        self.school: dict[str, Any] = {}
        self.other: dict[str, Any] = {}
        self.admin = self._person(Role.TOWN_ADMIN, "admin")
        self.second = self._person(Role.TOWN_ADMIN, "second")
        self.technician = self._person(Role.TECHNICIAN, "technician")
        self.helpdesk = self._person(Role.HELPDESK, "helpdesk")
        self.tablets: dict[str, SimulatedTablet] = {}

    def _person(self, role: Role, login: str) -> httpx.Client:
        return self.server.sign_in(self.town_id, role, login)

    async def close(self) -> None:
        for tablet in self.tablets.values():
            await tablet.close()
        for person in (self.admin, self.second, self.technician, self.helpdesk):
            person.close()

    def travel_to(self, day: int, month: int, year: int, hour: int = 9) -> None:
        """Go on to an hour of a day in France, with the housekeeping that the clock owes."""
        wanted = datetime(year, month, day, hour, tzinfo=PARIS).astimezone(UTC)
        assert wanted > self.clock.now()
        self.clock.advance(wanted - self.clock.now())
        for tablet in self.tablets.values():
            tablet.device.clock.offset = self.clock.now() - datetime.now(UTC)
        self.run_housekeeping()

    def run_housekeeping(self) -> None:
        for act in HOUSEKEEPING.values():
            with self.server.runtime.open_unit_of_work() as work:
                act(work)

    async def talk(self, *serials: str, rounds: int = 4) -> None:
        """These tablets (all of them) are in contact."""
        for _ in range(rounds):
            await asyncio.to_thread(self.server.run_worker)
            for tablet in [self.tablets[s] for s in serials or self.tablets]:
                if tablet.is_enrolled:
                    await tablet.poll()
        await asyncio.to_thread(self.server.run_worker)
        self.run_housekeeping()

    def preview_roster(self, school: dict[str, Any], people: People) -> dict[str, Any]:
        lines = [onde_line(n, f, level=v, label=c, number=k, born=BORN.get(n, "01/02/2018")) for n, f, v, c, k in people]
        return dict(
            _parse_success(
                self.admin.post(
                    "/rosters",
                    data={"town_id": self.town, "school_uai": school["uai"]},
                    files={"file": ("CSVExtraction.csv", text_file(ONDE, *lines))},
                )
            )
        )

    def import_roster(self, school: dict[str, Any], people: People) -> dict[str, Any]:
        """A head sends the ONDE file of the school; it is previewed and confirmed."""
        previewed = self.preview_roster(school, people)
        if previewed["needs_second_person"]:
            self.admin.post(f"/rosters/{previewed['id']}/confirm")
            _parse_success(self.second.post(f"/rosters/{previewed['id']}/confirm"))
        else:
            _parse_success(self.admin.post(f"/rosters/{previewed['id']}/confirm"))
        return dict(previewed["counts"])

    def find_pupil(self, name: str) -> dict[str, Any]:
        found = _parse_success(self.admin.get("/pupils", params={"town_id": self.town, "q": name}))["items"]
        assert len(found) == 1, (name, found)
        return dict(found[0])

    def find_tablet(self, serial: str) -> dict[str, Any]:
        [listed] = _parse_success(self.helpdesk.get("/tablets", params={"q": serial}))["items"]
        return dict(_parse_success(self.helpdesk.get(f"/tablets/{listed['id']}")))

    def get_state(self, serial: str) -> str:
        return str(self.find_tablet(serial)["state"])

    def get_holder(self, serial: str) -> str | None:
        """The pupil of the open loan."""
        custody = _parse_success(self.technician.get(f"/tablets/{self.find_tablet(serial)['id']}/custody"))
        held = [loan["pupil_id"] for loan in custody["loans"] if loan["closed_at"] is None]
        assert len(held) <= 1
        return held[0] if held else None

    def post_at_desk(self, path: str, **body: Any) -> dict[str, Any]:
        return dict(_parse_success(self.technician.post(f"/towns/{self.town}/{path}", json={"request_id": str(uuid4()), **body})))

    def post_for_tablet(self, serial: str, act: str, person: httpx.Client | None = None, **body: Any) -> Any:
        return _parse_success((person or self.technician).post(f"/tablets/{self.find_tablet(serial)['id']}/{act}", json=body))

    async def out_of_the_box(self, tablet: SimulatedTablet) -> None:
        """The Setup Assistant proves which iPad it is, and is given its enrolment profile."""
        body = self.factory.says(SERIAL=tablet.serial, UDID=tablet.udid, OS_VERSION="26.1")
        headers = {"Content-Type": "application/pkcs7-signature"}
        answer = await asyncio.to_thread(
            lambda: self.admin.post(f"{self.server.url}/join/automated", content=body, headers=headers)
        )
        assert answer.status_code == 200
        await tablet.enrol(answer.content, awaiting_configuration=True)


def _parse_success(answer: httpx.Response) -> Any:
    assert answer.is_success, (answer.request.url.path, answer.status_code, answer.text[:300])
    return answer.json() if answer.content else {}


def test_a_year_of_a_town(server: LiveServer, clock: ManualClock, factory: Factory) -> None:
    async def whole() -> None:
        year = SchoolYear(server, clock, factory)
        try:
            await _order_and_prepare_in_spring(year)
            await _start_in_september(year)
            await _lose_and_find(year)
            await _break_and_repair(year)
            await _swap_and_move(year)
            await _roll_over(year)
            _check_what_remains(year)
        finally:
            await year.close()

    asyncio.run(whole())


async def _order_and_prepare_in_spring(year: SchoolYear) -> None:
    """June: an order of six. August: they are unpacked, scanned, and set themselves up."""
    year.travel_to(15, 6, year.start)
    for _ in range(6):
        tablet = SimulatedTablet(year.server.url, "", ca=year.server.ca)
        year.tablets[tablet.serial] = tablet
    serials = list(year.tablets)
    ordered = _parse_success(
        year.technician.post(f"/towns/{year.town}/purchase-orders", json={"reference": "BC-17", "serials": serials})
    )
    assert {row["state"] for row in ordered} == {"ordered"}
    year.school, year.other = (
        _parse_success(year.admin.post("/schools", json={"town_id": year.town, "uai": make_school_code(number), "name": name}))
        for number, name in ((950, "École Louise-Michel"), (951, "École Jules-Verne"))
    )
    year.travel_to(26, 8, year.start)
    for serial, tablet in year.tablets.items():
        assert year.post_at_desk("preparations", serial=serial.lower())["state"] == "prepared"
        await year.out_of_the_box(tablet)
    await year.talk()
    for serial, tablet in year.tablets.items():
        assert year.find_tablet(serial)["enrollment"] == "enrolled"
        assert not tablet.device.awaiting_configuration
        year.post_for_tablet(serial, "move", state="stock", reason="ready for September")
    assert (
        year.technician.post(
            f"/towns/{year.town}/preparations", json={"request_id": str(uuid4()), "serial": "NOTOURS1"}
        ).status_code
        == 404
    )


async def _start_in_september(year: SchoolYear) -> None:
    """The lists come in, an app goes to a grade, and the table hands over a tablet to each child."""
    year.travel_to(2, 9, year.start)
    assert year.import_roster(year.school, FIRST_SCHOOL)["new"] == 4
    assert year.import_roster(year.school, FIRST_SCHOOL)["unchanged"] == 4
    app = {"town_id": year.town, "name": "ScratchJr", "bundle_identifier": "org.scratchjr.ipad", "app_store_id": 895485086}
    made = _parse_success(year.admin.post("/apps", json=app))
    for level in ("CE2", "CM1"):
        bundle = _parse_success(
            year.admin.post("/bundles", json={"town_id": year.town, "name": f"Pour {level}", "app_ids": [made["id"]]})
        )
        if level == "CE2":
            _parse_success(year.admin.put(f"/bundles/{bundle['id']}/levels/CE2"))
    zoe, a, elise, martine = (year.find_pupil(name) for name in ("hadj", "nguyen", "goff", "martin"))
    serials = list(year.tablets)
    refused = year.technician.post(
        f"/towns/{year.town}/handovers", json={"request_id": str(uuid4()), "scan": serials[0], "pupil_id": zoe["id"]}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "agreement_missing")
    for serial, child in zip(serials, (zoe, a, elise, martine), strict=False):
        said = {"signed_by": "Responsable", "signed_on": f"{year.start}-09-02", "accessories": ["cover", "charger"]}
        handed = year.post_at_desk("handovers", scan=serial, pupil_id=child["id"], **said)
        assert handed["state"] == "handed_over"
    await year.talk()
    assert [year.get_state(serial) for serial in serials] == ["in_use"] * 4 + ["stock"] * 2
    assert year.find_tablet(serials[0])["grade"] == "CE2"
    assert [app["name"] for app in year.find_tablet(serials[0])["apps"]] == ["ScratchJr"]
    assert year.find_tablet(serials[2])["apps"] == []


async def _lose_and_find(year: SchoolYear) -> None:
    """October: left in a bus, locked, brought to the town hall, scanned, and back with the child."""
    serial = next(iter(year.tablets))
    year.travel_to(8, 10, year.start)
    told = {"reason": "oubliée", "reporter": "guardian", "place": "bus 189", "happened_on": f"{year.start}-10-07"}
    year.post_for_tablet(serial, "lost-mode/enable", year.helpdesk, **told)
    await year.talk(serial)
    assert (year.get_state(serial), year.tablets[serial].lost_mode is not None) == ("lost", True)
    early = year.helpdesk.post(
        f"/tablets/{year.find_tablet(serial)['id']}/lost-mode/disable", json={"reason": "on me l'a rendue"}
    )
    assert (early.status_code, early.json()["code"]) == (409, "call_back_needed")
    year.travel_to(12, 10, year.start)
    found = _parse_success(year.technician.post(f"/towns/{year.town}/recoveries", json={"scan": serial, "condition": "good"}))
    assert found["state"] == "found"
    await year.talk(serial)
    assert (year.get_state(serial), year.tablets[serial].lost_mode) == ("in_use", None)
    assert year.get_holder(serial) == year.find_pupil("hadj")["id"]
    assert _parse_success(year.helpdesk.get(f"/towns/{year.town}/incidents", params={"open": True}))["items"] == []


async def _break_and_repair(year: SchoolYear) -> None:
    """November: dropped, a loaner the same day with the grade's apps, repaired, swapped back."""
    own, spare = next(iter(year.tablets)), list(year.tablets)[4]
    zoe = year.find_pupil("hadj")["id"]
    year.travel_to(16, 11, year.start)
    incident = year.post_for_tablet(
        own, "breakages", year.helpdesk, description="tombée du bureau", cause="drop", reporter="teacher"
    )
    assert incident["intentional"] is None
    year.post_for_tablet(own, "loaner", scan=spare)
    await year.talk()
    assert (year.get_state(own), year.get_state(spare), year.get_holder(own), year.get_holder(spare)) == (
        "broken",
        "loaner_out",
        None,
        zoe,
    )
    assert [app["name"] for app in year.find_tablet(spare)["apps"]] == ["ScratchJr"]
    year.post_for_tablet(own, "repair", reason="SAV-2031")
    year.travel_to(4, 12, year.start)
    year.post_for_tablet(own, "repair/complete", reason="écran, son, charge")
    year.post_for_tablet(own, "settle", keep_loaner=False)
    await year.talk()
    assert (year.get_state(own), year.get_state(spare), year.get_holder(own), year.get_holder(spare)) == (
        "in_use",
        "stock",
        zoe,
        None,
    )
    assert year.find_tablet(spare)["apps"] == []


async def _swap_and_move(year: SchoolYear) -> None:
    """January: two children have exchanged their tablets. March: one of them changes school, and the tablet goes along."""
    one, two = list(year.tablets)[:2]
    zoe, a = year.find_pupil("hadj")["id"], year.find_pupil("nguyen")["id"]
    year.travel_to(14, 1, year.start + 1)
    await year.talk()
    year.post_at_desk("swaps", first=one, second=two)
    assert (year.get_holder(one), year.get_holder(two)) == (a, zoe)
    assert year.post_for_tablet(one, "confirm-swap")["needs_confirmation"] is False
    assert year.post_for_tablet(two, "confirm-swap")["needs_confirmation"] is False
    year.travel_to(3, 3, year.start + 1)
    assert year.get_state(one) == "absent", "seven weeks of silence"
    await year.talk()
    there = (("NGUYEN", "A", "CE2", "CE2 unique", "91"),)
    both = year.preview_roster(year.other, there)
    assert both["counts"]["ambiguous"] == 1, "who is at two schools is for a person to decide"
    _parse_success(year.admin.delete(f"/rosters/{both['id']}"))
    left = year.import_roster(year.school, tuple(each for each in FIRST_SCHOOL if each[0] != "NGUYEN"))
    assert left["left_file"] == 1
    assert (year.get_state(one), year.get_holder(one)) == ("in_use", a), "between two schools the loan stays open"
    assert year.import_roster(year.other, there)["moved_class"] == 1
    await year.talk()
    assert year.find_pupil("nguyen")["school_id"] == year.other["id"]
    moved = year.find_tablet(one)
    assert (moved["school_id"], moved["state"], year.get_holder(one)) == (year.other["id"], "in_use", a)


async def _erase_by_two_people(year: SchoolYear, rollover_id: str, serial: str) -> None:
    """In the open campaign one person asks, another approves, and half an hour later the tablet erases itself."""
    body = {"tablet_ids": [year.find_tablet(serial)["id"]], "reason": "fin de CM2", "ticket": "RET-1", "password": PASSWORD}
    asked = _parse_success(year.admin.post(f"/towns/{year.town}/bulk-erases", json=body))
    own = year.admin.post(f"/bulk-erases/{asked['id']}/approve", json={"password": PASSWORD})
    wrong = year.second.post(f"/bulk-erases/{asked['id']}/approve", json={"password": "not the password"})
    assert (own.status_code, wrong.status_code) == (403, 401)
    _parse_success(year.second.post(f"/bulk-erases/{asked['id']}/approve", json={"password": PASSWORD}))
    await year.talk(serial)
    assert not year.tablets[serial].is_erased
    year.clock.advance(timedelta(minutes=31))
    year.run_housekeeping()
    await year.talk(serial)
    assert year.tablets[serial].is_erased
    assert [row["skip_reason"] for row in _parse_success(year.admin.get(f"/bulk-erases/{asked['id']}"))["tablets"]] == [None]


async def _roll_over(year: SchoolYear) -> None:
    """May to September: preview, ticks, tablets of leavers returned and erased, summer without alarms, the new year applied."""
    ce2, elise_s, martine_s = list(year.tablets)[1], *list(year.tablets)[2:4]
    elise, martine = year.find_pupil("goff")["id"], year.find_pupil("martin")["id"]
    year.travel_to(15, 5, year.start + 1)
    await year.talk()
    year.travel_to(15, 6, year.start + 1)
    await year.talk()  # identities past two thirds of their life are renewed on the way
    rollover = _parse_success(year.admin.put(f"/towns/{year.town}/rollovers"))
    assert (rollover["counts"]["leaver"], rollover["counts"]["promoted"]) == (2, 2)
    _parse_success(
        year.admin.post(f"/rollovers/{rollover['id']}/decisions", json={"pupil_ids": [martine], "decision": "retained"})
    )
    _parse_success(year.admin.post(f"/rollovers/{rollover['id']}/return-campaign/open"))
    [wanted] = _parse_success(year.admin.get(f"/rollovers/{rollover['id']}/tablets-to-return"))["items"]
    assert wanted["tag"] == year.find_tablet(elise_s)["tag"]

    year.travel_to(25, 6, year.start + 1)
    await year.talk()
    returned = year.post_for_tablet(elise_s, "return", request_id=str(uuid4()), condition="worn", accessories=["cover"])
    assert (returned["state"], year.get_holder(elise_s)) == ("returned", None)
    await _erase_by_two_people(year, rollover["id"], elise_s)
    year.post_for_tablet(elise_s, "move", state="storage", reason="été")
    year.travel_to(3, 7, year.start + 1)
    await year.talk()

    year.travel_to(1, 9, year.start + 1)
    assert {year.get_state(serial) for serial in year.tablets} == {"in_use", "stock", "storage"}, (
        "a summer of silence alarms nobody"
    )
    assert _parse_success(year.admin.post(f"/rollovers/{rollover['id']}/apply"))["lines"] >= 3
    assert _parse_success(year.admin.post(f"/rollovers/{rollover['id']}/apply"))["lines"] == 0
    await year.talk()
    assert (year.find_pupil("hadj")["grade"], year.find_pupil("martin")["grade"]) == ("CM1", "CM2")
    assert (year.get_holder(ce2), year.get_holder(martine_s)) == (year.find_pupil("hadj")["id"], martine)
    assert year.find_tablet(ce2)["apps"] == [], "the apps of CE2 stay with CE2"
    assert elise != martine
    assert _parse_success(year.admin.post(f"/rollovers/{rollover['id']}/close"))["state"] == "closed"


def _check_what_remains(year: SchoolYear) -> None:
    """The trail is whole and names nobody; nobody holds two tablets."""
    with year.server.runtime.open_unit_of_work() as work:
        events = work.session.scalars(select(audit.AuditEvent)).all()
        assert audit.verify_chain(work, year.town_id) is None
        said = " ".join(f"{event.action} {event.subject_id} {event.details}" for event in events)
        assert not [name for name in NAMES if name in said]
        open_loans = select(func.count(), func.count(Loan.pupil_id.distinct())).where(Loan.closed_at.is_(None))
        assert tuple(work.session.execute(open_loans).one()) == (3, 3)
        assert {event.action for event in events} >= {
            "tablet.state", "loan.open", "loan.swap", "loan.transfer", "tablet.mark_lost", "tablet.found",
            "incident.open", "incident.close", "rollover.apply", "tablet.erase_in_bulk",
        }  # fmt: skip
    assert timedelta(days=365) < year.clock.now() - datetime.now(UTC)
