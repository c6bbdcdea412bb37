"""One year of a town, over real HTTPS with simulated tablets, on an accelerated clock: purchase order, preparation, handover, a
loss, a breakage with a loaner, a swap, a move, the rollover to the next school year, and the return of the tablets of CM2.
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
from simulator.conversation import ConversationEnding
from tests.conftest import KEYRING
from tests.enrollment.joining.test_automated import Factory
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support.audit_trail import find_fault
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory, make_school_code

pytestmark = pytest.mark.one_database

PARIS = ZoneInfo("Europe/Paris")
#: (family name, first name, grade, class, number of the class)
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
    """The town, its signed-in users, its tablets by serial number, and the clock."""

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
        """Move the clock to an hour of a day in France, and run housekeeping."""
        target = datetime(year, month, day, hour, tzinfo=PARIS).astimezone(UTC)
        assert target > self.clock.now()
        self.clock.advance(target - self.clock.now())
        for person in (self.admin, self.second, self.technician):
            self.server.confirm(person)
        for tablet in self.tablets.values():
            tablet.device.clock.offset = self.clock.now() - datetime.now(UTC)
        self.run_housekeeping()

    def run_housekeeping(self) -> None:
        """Run every scheduled job but one: OpenSSL has the machine's clock, to which a certificate made next year is not valid yet."""
        for name, run_job in HOUSEKEEPING.items():
            if name != "server_certificate":
                with self.server.runtime.open_unit_of_work() as work:
                    run_job(work)

    async def connect_tablets(self, *serials: str, rounds: int = 6) -> None:
        """Let the named tablets, or all of them, poll while the worker runs. Each conversation must come to its end."""
        for _ in range(rounds):
            await asyncio.to_thread(self.server.run_worker)
            for tablet in [self.tablets[s] for s in serials or self.tablets]:
                if tablet.is_enrolled:
                    log = await tablet.poll()
                    assert log.ending is not ConversationEnding.SERVER_ERROR, (tablet.serial, log.anomalies)
        await asyncio.to_thread(self.server.run_worker)
        self.run_housekeeping()

    def preview_roster(self, school: dict[str, Any], people: People) -> dict[str, Any]:
        lines = [onde_line(n, f, grade=v, label=c, number=k, born=BORN.get(n, "01/02/2018")) for n, f, v, c, k in people]
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
        """Import the ONDE file of a school: preview it and confirm it."""
        previewed = self.preview_roster(school, people)
        if previewed["needs_second_person"]:
            self.admin.post(f"/rosters/{previewed['id']}/confirm")
            _parse_success(self.second.post(f"/rosters/{previewed['id']}/confirm"))
        else:
            _parse_success(self.admin.post(f"/rosters/{previewed['id']}/confirm"))
        return dict(previewed["counts"])

    def find_pupil(self, name: str) -> dict[str, Any]:
        pupils = _parse_success(self.admin.get("/pupils", params={"town_id": self.town, "q": name}))["items"]
        assert len(pupils) == 1, (name, pupils)
        return dict(pupils[0])

    def find_tablet(self, serial: str) -> dict[str, Any]:
        [listed] = _parse_success(self.helpdesk.get("/tablets", params={"q": serial}))["items"]
        return dict(_parse_success(self.helpdesk.get(f"/tablets/{listed['id']}")))

    def get_state(self, serial: str) -> str:
        return str(self.find_tablet(serial)["state"])

    def get_holder(self, serial: str) -> str | None:
        """Return the pupil who has the tablet on loan."""
        custody = _parse_success(self.technician.get(f"/tablets/{self.find_tablet(serial)['id']}/custody"))
        holders = [loan["pupil_id"] for loan in custody["loans"] if loan["closed_at"] is None]
        assert len(holders) <= 1
        return holders[0] if holders else None

    def post_at_desk(self, path: str, **body: Any) -> dict[str, Any]:
        return dict(_parse_success(self.technician.post(f"/towns/{self.town}/{path}", json={"request_id": str(uuid4()), **body})))

    def post_for_tablet(self, serial: str, act: str, person: httpx.Client | None = None, **body: Any) -> Any:
        return _parse_success((person or self.technician).post(f"/tablets/{self.find_tablet(serial)['id']}/{act}", json=body))

    async def enrol_automatically(self, tablet: SimulatedTablet) -> None:
        """Enrol a new tablet as the Setup Assistant does: it proves which iPad it is and gets its enrolment profile."""
        body = self.factory.build_machine_info(SERIAL=tablet.serial, UDID=tablet.udid, OS_VERSION="26.1")
        headers = {"Content-Type": "application/pkcs7-signature"}
        response = await asyncio.to_thread(
            lambda: self.admin.post(f"{self.server.url}/join/automated", content=body, headers=headers)
        )
        assert response.status_code == 200
        await tablet.enrol(response.content, awaiting_configuration=True)


def _parse_success(response: httpx.Response) -> Any:
    assert response.is_success, (response.request.url.path, response.status_code, response.text[:300])
    return response.json() if response.content else {}


def test_a_year_of_a_town(server: LiveServer, clock: ManualClock, factory: Factory) -> None:
    async def run_year() -> None:
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

    asyncio.run(run_year())


async def _order_and_prepare_in_spring(year: SchoolYear) -> None:
    """June: six tablets are ordered. August: they are scanned and enrol automatically."""
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
        await year.enrol_automatically(tablet)
    await year.connect_tablets()
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
    """September: rosters are imported, an app is assigned to a grade, each pupil gets a tablet."""
    year.travel_to(2, 9, year.start)
    assert year.import_roster(year.school, FIRST_SCHOOL)["new"] == 4
    assert year.import_roster(year.school, FIRST_SCHOOL)["unchanged"] == 4
    app = {"town_id": year.town, "name": "ScratchJr", "bundle_identifier": "org.scratchjr.ipad", "app_store_id": 895485086}
    created_app = _parse_success(year.admin.post("/apps", json=app))
    for level in ("CE2", "CM1"):
        bundle = _parse_success(
            year.admin.post("/bundles", json={"town_id": year.town, "name": f"Pour {level}", "app_ids": [created_app["id"]]})
        )
        if level == "CE2":
            _parse_success(year.admin.put(f"/bundles/{bundle['id']}/assignments", json={"place": "grade", "target": "CE2"}))
    zoe, a, elise, martine = (year.find_pupil(name) for name in ("hadj", "nguyen", "goff", "martin"))
    serials = list(year.tablets)
    refused = year.technician.post(
        f"/towns/{year.town}/handovers", json={"request_id": str(uuid4()), "scan": serials[0], "pupil_id": zoe["id"]}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "agreement_missing")
    for serial, child in zip(serials, (zoe, a, elise, martine), strict=False):
        form = {"signed_by": "Responsable", "signed_on": f"{year.start}-09-02", "accessories": ["cover", "charger"]}
        handed = year.post_at_desk("handovers", scan=serial, pupil_id=child["id"], **form)
        assert handed["state"] == "handed_over"
    await year.connect_tablets()
    assert [year.get_state(serial) for serial in serials] == ["in_use"] * 4 + ["stock"] * 2
    assert year.find_tablet(serials[0])["grade"] == "CE2"
    assert [app["name"] for app in year.find_tablet(serials[0])["apps"]] == ["ScratchJr"]
    assert year.find_tablet(serials[2])["apps"] == []


async def _lose_and_find(year: SchoolYear) -> None:
    """October: a tablet is lost in a bus, locked, found, scanned, and given back to the pupil."""
    serial = next(iter(year.tablets))
    year.travel_to(8, 10, year.start)
    report = {"reason": "oubliée", "reporter": "guardian", "place": "bus 189", "happened_on": f"{year.start}-10-07"}
    year.post_for_tablet(serial, "lost-mode/enable", year.helpdesk, **report)
    await year.connect_tablets(serial)
    assert (year.get_state(serial), year.tablets[serial].lost_mode is not None) == ("lost", True)
    refused = year.helpdesk.post(
        f"/tablets/{year.find_tablet(serial)['id']}/lost-mode/disable", json={"reason": "on me l'a rendue"}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "call_back_needed")
    year.travel_to(12, 10, year.start)
    recovery = _parse_success(year.technician.post(f"/towns/{year.town}/recoveries", json={"scan": serial, "condition": "good"}))
    assert recovery["state"] == "found"
    await year.connect_tablets(serial)
    assert (year.get_state(serial), year.tablets[serial].lost_mode) == ("in_use", None)
    assert year.get_holder(serial) == year.find_pupil("hadj")["id"]
    assert _parse_success(year.helpdesk.get(f"/towns/{year.town}/incidents", params={"open": True}))["items"] == []


async def _break_and_repair(year: SchoolYear) -> None:
    """November: a tablet breaks, the pupil gets a loaner with the grade's apps, the tablet is repaired and given back."""
    own, spare = next(iter(year.tablets)), list(year.tablets)[4]
    zoe = year.find_pupil("hadj")["id"]
    year.travel_to(16, 11, year.start)
    incident = year.post_for_tablet(
        own, "breakages", year.helpdesk, description="tombée du bureau", cause="drop", reporter="teacher"
    )
    assert incident["intentional"] is None
    year.post_for_tablet(own, "loaner", scan=spare)
    await year.connect_tablets()
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
    await year.connect_tablets()
    assert (year.get_state(own), year.get_state(spare), year.get_holder(own), year.get_holder(spare)) == (
        "in_use",
        "stock",
        zoe,
        None,
    )
    assert year.find_tablet(spare)["apps"] == []


async def _swap_and_move(year: SchoolYear) -> None:
    """January: two pupils have swapped their tablets. March: one of them changes school and keeps the tablet."""
    first, second = list(year.tablets)[:2]
    zoe, a = year.find_pupil("hadj")["id"], year.find_pupil("nguyen")["id"]
    year.travel_to(14, 1, year.start + 1)
    await year.connect_tablets()
    year.post_at_desk("swaps", first=first, second=second)
    assert (year.get_holder(first), year.get_holder(second)) == (a, zoe)
    assert year.post_for_tablet(first, "confirm-swap")["needs_confirmation"] is False
    assert year.post_for_tablet(second, "confirm-swap")["needs_confirmation"] is False
    year.travel_to(3, 3, year.start + 1)
    assert year.get_state(first) == "absent", "seven weeks without contact"
    await year.connect_tablets()
    second_school_roster = (("NGUYEN", "A", "CE2", "CE2 unique", "91"),)
    previewed = year.preview_roster(year.other, second_school_roster)
    assert previewed["counts"]["ambiguous"] == 1, "a person decides about a pupil who is at two schools"
    _parse_success(year.admin.delete(f"/rosters/{previewed['id']}"))
    counts = year.import_roster(year.school, tuple(each for each in FIRST_SCHOOL if each[0] != "NGUYEN"))
    assert counts["left_file"] == 1
    assert (year.get_state(first), year.get_holder(first)) == ("in_use", a), "between two schools the loan stays open"
    assert year.import_roster(year.other, second_school_roster)["moved_class"] == 1
    await year.connect_tablets()
    assert year.find_pupil("nguyen")["school_id"] == year.other["id"]
    tablet = year.find_tablet(first)
    assert (tablet["school_id"], tablet["state"], year.get_holder(first)) == (year.other["id"], "in_use", a)


async def _erase_by_two_people(year: SchoolYear, rollover_id: str, serial: str) -> None:
    """In the open return campaign one person requests an erase, another approves it, and half an hour later it is sent."""
    body = {"tablet_ids": [year.find_tablet(serial)["id"]], "reason": "fin de CM2", "ticket": "RET-1"}
    request = _parse_success(year.admin.post(f"/towns/{year.town}/bulk-erases", json=body))
    own = year.admin.post(f"/bulk-erases/{request['id']}/approve")
    assert (own.status_code, own.json()["code"]) == (403, "same_person")
    _parse_success(year.second.post(f"/bulk-erases/{request['id']}/approve"))
    await year.connect_tablets(serial)
    assert not year.tablets[serial].is_erased
    year.clock.advance(timedelta(minutes=31))
    year.run_housekeeping()
    await year.connect_tablets(serial)
    assert year.tablets[serial].is_erased
    assert [row["skip_reason"] for row in _parse_success(year.admin.get(f"/bulk-erases/{request['id']}"))["tablets"]] == [None]


async def _roll_over(year: SchoolYear) -> None:
    """May to September: preview, decisions, tablets of leavers returned and erased, a quiet summer, the rollover applied."""
    ce2, elise_s, martine_s = list(year.tablets)[1], *list(year.tablets)[2:4]
    elise, martine = year.find_pupil("goff")["id"], year.find_pupil("martin")["id"]
    year.travel_to(15, 5, year.start + 1)
    await year.connect_tablets()
    year.travel_to(15, 6, year.start + 1)
    await year.connect_tablets()  # identities past two thirds of their life are renewed on the way
    rollover = _parse_success(year.admin.put(f"/towns/{year.town}/rollovers"))
    assert (rollover["counts"]["leaver"], rollover["counts"]["promoted"]) == (2, 2)
    _parse_success(
        year.admin.post(f"/rollovers/{rollover['id']}/decisions", json={"pupil_ids": [martine], "decision": "retained"})
    )
    days = {"school_id": year.school["id"], "days": [{"day": f"{year.start + 1}-06-24"}]}
    _parse_success(year.admin.put(f"/rollovers/{rollover['id']}/return-campaign", json=days))
    _parse_success(year.admin.post(f"/rollovers/{rollover['id']}/return-campaign/open"))
    [tablet_to_return] = _parse_success(year.admin.get(f"/rollovers/{rollover['id']}/tablets-to-return"))["items"]
    assert tablet_to_return["tag"] == year.find_tablet(elise_s)["tag"]

    year.travel_to(25, 6, year.start + 1)
    await year.connect_tablets()
    returned = year.post_for_tablet(elise_s, "return", request_id=str(uuid4()), condition="worn", accessories=["cover"])
    assert (returned["state"], year.get_holder(elise_s)) == ("returned", None)
    await _erase_by_two_people(year, rollover["id"], elise_s)
    year.post_for_tablet(elise_s, "move", state="storage", reason="été")
    year.travel_to(3, 7, year.start + 1)
    await year.connect_tablets()

    year.travel_to(1, 9, year.start + 1)
    assert {year.get_state(serial) for serial in year.tablets} == {"in_use", "stock", "storage"}, "no alarms during the summer"
    assert _parse_success(year.admin.post(f"/rollovers/{rollover['id']}/apply"))["lines"] >= 3
    assert _parse_success(year.admin.post(f"/rollovers/{rollover['id']}/apply"))["lines"] == 0
    await year.connect_tablets()
    assert (year.find_pupil("hadj")["grade"], year.find_pupil("martin")["grade"]) == ("CM1", "CM2")
    assert (year.get_holder(ce2), year.get_holder(martine_s)) == (year.find_pupil("hadj")["id"], martine)
    assert year.find_tablet(ce2)["apps"] == [], "the apps of CE2 stay with CE2"
    assert elise != martine
    assert _parse_success(year.admin.post(f"/rollovers/{rollover['id']}/close"))["state"] == "closed"


def _check_what_remains(year: SchoolYear) -> None:
    """Check that the audit trail is valid and has no names, and that no pupil has two tablets."""
    with year.server.runtime.open_unit_of_work() as work:
        events = work.session.scalars(select(audit.AuditEvent)).all()
        assert find_fault(work, year.town_id) is None
        trail_text = " ".join(f"{event.action} {event.subject_id} {event.details}" for event in events)
        assert not [name for name in NAMES if name in trail_text]
        open_loans = select(func.count(), func.count(Loan.pupil_id.distinct())).where(Loan.closed_at.is_(None))
        assert tuple(work.session.execute(open_loans).one()) == (3, 3)
        assert {event.action for event in events} >= {
            "tablet.state", "loan.open", "loan.swap", "loan.transfer", "tablet.mark_lost", "tablet.found",
            "incident.open", "incident.close", "rollover.apply", "tablet.erase_in_bulk",
        }  # fmt: skip
    assert timedelta(days=365) < year.clock.now() - datetime.now(UTC)
