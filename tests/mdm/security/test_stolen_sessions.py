"""What one stolen session can do at worst, tried as fast as the API answers: the day's budget, and an alarm with the act itself.

A town of thirty tablets on loan in November. The attacker has the token of one person; in the worse case also the password.
"""

from __future__ import annotations

import random
import ssl
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, func, select

from cartable.alarms import Alarm, AlarmKind
from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from enrollment.places.models import Grade
from enrollment.tablets.models import Loan, Tablet, TabletState
from mdm.accounts import service as accounts
from mdm.care.lost_mode.models import LostCase
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.queue.models import CommandBody, QueuedCommand
from tests.conftest import KEYRING
from tests.support import databases
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

TABLETS = 30
PERSON_PER_HOUR, PERSON_PER_DAY, TOWN_PER_DAY = 5, 20, 50
#: After this time a session counts as stolen: the password that its owner gave once more is forgotten.
REAUTHENTICATION_ENDS = timedelta(minutes=11)


@dataclass
class AttackedTown:
    """A town with its tablets, and a governor who watches."""

    server: LiveServer
    clock: ManualClock
    town_id: uuid.UUID
    school_id: uuid.UUID
    tablet_ids: list[uuid.UUID]
    pupil_ids: list[uuid.UUID]

    def sign_in(self, role: Role, login: str, *, knows_password: bool) -> httpx.Client:
        client = self.server.sign_in(self.town_id, role, login)
        if not knows_password:
            self.clock.advance(REAUTHENTICATION_ENDS)
        return client

    def open_session(self, login: str) -> httpx.Client:
        """Sign in with the password of the tests, and give it once more."""
        client = httpx.Client(
            base_url=f"{self.server.url}/api/v1", verify=ssl.create_default_context(cafile=str(self.server.ca)), timeout=20
        )
        token = client.post("/tokens", json={"login": login, "password": PASSWORD}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        self.server.confirm(client)
        return client

    def count_destroyed(self) -> int:
        """Return how many tablets were erased, retired or disposed of, however often each."""
        with self.server.runtime.open_unit_of_work() as work:
            erased = select(DeviceEnrollment.tablet_id).join(QueuedCommand).join(CommandBody)
            touched = set(work.session.scalars(erased.where(CommandBody.request_type == "EraseDevice")))
            ended = select(Tablet.id).where(Tablet.state.in_((TabletState.RETIRED, TabletState.DISPOSED)))
            return len(touched | set(work.session.scalars(ended)))

    def count_unenrolled(self) -> int:
        with self.server.runtime.open_unit_of_work() as work:
            retired = select(func.count()).where(DeviceEnrollment.state == EnrollmentState.RETIRED)
            return work.session.scalar(retired) or 0

    def count_open_loans(self) -> int:
        with self.server.runtime.open_unit_of_work() as work:
            return work.session.scalar(select(func.count()).where(Loan.closed_at.is_(None))) or 0

    def list_alarms(self) -> set[AlarmKind]:
        with self.server.runtime.open_unit_of_work() as work:
            return set(work.session.scalars(select(Alarm.kind).where(Alarm.town_id == self.town_id)))

    def attack(self, client: httpx.Client, tablets: int = 12) -> set[int]:
        """Try every way to destroy some tablets, four requests at a time. Returns the statuses."""

        def destroy(tablet_id: uuid.UUID) -> list[int]:
            reason = {"reason": "for nothing"}
            steps = [
                ("erase", {**reason, "ticket": "T-1"}),
                ("return", {"request_id": str(uuid.uuid4()), "condition": "good"}),
                ("retire", reason),
                ("dispose", {"wipe_proof": "none", "waste_slip": "none"}),
            ]
            return [client.post(f"/tablets/{tablet_id}/{step}", json=body).status_code for step, body in steps]

        tablet_ids = random.sample(self.tablet_ids, tablets)
        with ThreadPoolExecutor(4) as pool:
            return {status for statuses in pool.map(destroy, tablet_ids) for status in statuses}


@pytest.fixture
def town(tmp_path: Path) -> Iterator[AttackedTown]:
    engine: Engine = databases.create_sqlite_engine(tmp_path)
    clock = ManualClock(datetime.now(UTC))
    with start_live_server(engine, KEYRING, tmp_path / "data", clock) as server:
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            row = world.create_town()
            school = world.create_school(row)
            school_class = world.create_class(school)
            tablets = [world.create_tablet(row) for _ in range(TABLETS)]
            pupils = [world.create_pupil(school_class, Grade.CE2) for _ in tablets]
            for tablet, pupil in zip(tablets, pupils, strict=True):
                world.lend_tablet(tablet, pupil)
                world.enroll_tablet(tablet)
            ids = [tablet.id for tablet in tablets], [pupil.id for pupil in pupils]
        yield AttackedTown(server, clock, row.id, school.id, *ids)
    engine.dispose()


def test_a_stolen_token_of_an_administrator_erases_and_unenrolls_nothing(town: AttackedTown) -> None:
    thief = town.sign_in(Role.TOWN_ADMIN, "admin", knows_password=False)
    assert max(town.attack(thief, TABLETS)) < 500
    thief.close()
    assert town.count_unenrolled() == 0
    assert town.count_destroyed() <= PERSON_PER_HOUR
    assert TABLETS - town.count_open_loans() <= 4 * PERSON_PER_HOUR, "returns without a scan draw on the same budget"
    assert AlarmKind.BUDGET_EXCEEDED in town.list_alarms()


@pytest.mark.parametrize("role", [Role.TOWN_ADMIN, Role.TECHNICIAN])
def test_a_stolen_session_with_the_password_destroys_no_more_than_the_budget(town: AttackedTown, role: Role) -> None:
    by_hour = []
    town.sign_in(role, "person", knows_password=True).close()
    for _ in range(5):
        before = town.count_destroyed()
        with closing(town.open_session("person")) as client:
            assert max(town.attack(client)) < 500
        by_hour.append(town.count_destroyed() - before)
        assert town.list_alarms() & {AlarmKind.BUDGET_USED_UP, AlarmKind.BUDGET_EXCEEDED}, (
            "the alarm is there with the act itself"
        )
        town.clock.advance(timedelta(hours=1, minutes=1))
    assert max(by_hour) <= PERSON_PER_HOUR
    assert 0 < sum(by_hour) <= PERSON_PER_DAY


def test_puppets_share_the_budget_of_the_town_and_approve_nothing(town: AttackedTown) -> None:
    thief = town.sign_in(Role.TOWN_ADMIN, "thief", knows_password=True)
    puppets = []
    for name in ("first", "second"):
        with town.server.runtime.open_unit_of_work() as work:
            account = accounts.create_account(
                work, SYSTEM, login=name, display_name=name, password=PASSWORD, role=Role.TOWN_ADMIN, town_id=town.town_id
            )
            account.must_change_password = False
        puppets.append(town.open_session(name))
    more = thief.post(f"/towns/{town.town_id}/budget-extensions", json={"tablets": 60, "reason": "for nothing"})
    refusals = [puppet.post(f"/budget-extensions/{more.json()['id']}/approve") for puppet in puppets]
    assert {answer.json()["code"] for answer in refusals} == {"not_trusted_yet"}
    for client in (thief, *puppets):
        assert max(town.attack(client)) < 500
    assert town.count_destroyed() <= 3 * PERSON_PER_HOUR <= TOWN_PER_DAY
    assert {AlarmKind.BUDGET_EXTENSION_REQUESTED, AlarmKind.BUDGET_EXCEEDED} <= town.list_alarms()
    helpdesk = town.sign_in(Role.HELPDESK, "helpdesk", knows_password=True)
    helpdesk.put(f"/towns/{town.town_id}/stop-switch", json={"reason": "an intruder"}).raise_for_status()
    stopped = town.count_destroyed()
    for client in (thief, *puppets):
        town.attack(client, 4)
    assert town.count_destroyed() == stopped
    held = helpdesk.get(f"/towns/{town.town_id}/held-commands").json()["items"]
    assert [item["request_type"] for item in held] == ["EraseDevice"] * len(held)
    for client in (thief, helpdesk, *puppets):
        client.close()


def test_nobody_learns_where_a_child_is_alone(town: AttackedTown) -> None:
    thief = town.sign_in(Role.TOWN_ADMIN, "thief", knows_password=True)
    tablet_id = town.tablet_ids[0]
    thief.post(f"/tablets/{tablet_id}/lost-mode/enable", json={"reason": "lost"}).raise_for_status()
    with town.server.runtime.open_unit_of_work() as work:
        work.session.scalars(select(LostCase)).one().confirmed_at = work.now
    request = thief.post(f"/tablets/{tablet_id}/position-requests", json={"reason": "where is it"}).json()
    assert thief.post(f"/position-requests/{request['id']}/approve").json()["code"] == "same_person"
    with town.server.runtime.open_unit_of_work() as work:
        types = set(work.session.scalars(select(CommandBody.request_type)))
    assert "DeviceLocation" not in types
    thief.close()


def test_november_is_no_season_for_a_rollover_and_its_returns(town: AttackedTown) -> None:
    """The way of the whole fleet: everybody a leaver, a campaign, returns, an erase in bulk."""
    thief = town.sign_in(Role.TOWN_ADMIN, "thief", knows_password=True)
    year = town.clock.now().year
    early = thief.put(f"/towns/{town.town_id}/rollovers", params={"from_year": f"{year - 2}-{year - 1}"})
    assert early.status_code in (409, 422), "a rollover out of a former year would be in force at once"
    rollover = thief.put(f"/towns/{town.town_id}/rollovers").json()
    leavers = {"pupil_ids": [str(each) for each in town.pupil_ids], "decision": "leaver"}
    assert thief.post(f"/rollovers/{rollover['id']}/decisions", json=leavers).json()["code"] == "budget_used_up"
    today = town.clock.now().date().isoformat()
    days = {"school_id": str(town.school_id), "days": [{"day": today, "class_id": None}]}
    assert thief.put(f"/rollovers/{rollover['id']}/return-campaign", json=days).status_code == 422
    assert thief.post(f"/rollovers/{rollover['id']}/return-campaign/open").json()["code"] == "return_days_missing"
    bulk = {"tablet_ids": [str(each) for each in town.tablet_ids], "reason": "for nothing", "ticket": "T-1"}
    assert thief.post(f"/towns/{town.town_id}/bulk-erases", json=bulk).json()["code"] == "not_in_return_campaign"
    assert AlarmKind.BUDGET_EXCEEDED in town.list_alarms()
    assert town.count_destroyed() == 0
    thief.close()
