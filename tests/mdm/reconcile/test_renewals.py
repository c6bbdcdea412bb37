"""Renewal of identity certificates: it goes on until the tablet uses a new one, whatever stops half-way, and people see which fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select
from structlog.testing import capture_logs

from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from enrollment.identity.models import DeviceCertificate, IdentityChallenge
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from enrollment.tablets.models import Tablet
from mdm.devices.models import DeviceEnrollment
from mdm.queue.models import CommandBody, CommandState, QueuedCommand
from mdm.queue.service import reap_commands
from mdm.reconcile.models import IdentityRenewal, RenewalProblem
from mdm.reconcile.renewals import count_ending_identities, list_ending_identities, renew_identity
from mdm.worker.schedule import HOUSEKEEPING
from simulator import SimulatedTablet
from tests.conftest import KEYRING
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

#: A certificate lives 398 days and is renewed from two thirds on.
FIRST_RENEWAL, LAST_DAY = timedelta(days=266), timedelta(days=397)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=1_000_000) as running:
        yield running


class RenewalCase:
    """One enrolled tablet, its server, and the clock of both."""

    def __init__(self, server: LiveServer, clock: ManualClock, tablet: SimulatedTablet, town_id: UUID) -> None:
        self.server, self.clock, self.tablet, self.town_id = server, clock, tablet, town_id

    def advance(self, by: timedelta) -> None:
        """Move both clocks, and run what the scheduler runs."""
        self.clock.advance(by)
        self.tablet.device.clock.offset += by
        self.run_housekeeping()

    def run_housekeeping(self) -> None:
        with self.server.runtime.open_unit_of_work() as work:
            reap_commands(work)
        with self.server.runtime.open_unit_of_work() as work:
            HOUSEKEEPING["renewals"](work)
        self.server.run_worker()

    async def connect(self) -> list[str]:
        """Let the tablet connect, and the worker process the results. Returns the commands that it answered."""
        conversation = await self.tablet.poll()
        assert not conversation.anomalies
        await asyncio.to_thread(self.server.run_worker)
        return conversation.request_types

    def uses_newest_certificate(self) -> bool:
        with self.server.runtime.open_unit_of_work() as work:
            newest = select(DeviceCertificate).order_by(DeviceCertificate.issued_at.desc(), DeviceCertificate.id.desc()).limit(1)
            pinned = work.session.scalars(select(DeviceEnrollment.fingerprint)).one()
            return bool(work.session.scalars(newest).one().fingerprint == pinned == self.tablet.identity.fingerprint)

    def count_certificates(self) -> int:
        with self.server.runtime.open_unit_of_work() as work:
            return len(work.session.scalars(select(DeviceCertificate.id)).all())

    def get_problem(self) -> RenewalProblem | None:
        with self.server.runtime.open_unit_of_work() as work:
            return work.session.scalars(select(IdentityRenewal.problem)).one()

    def count_ending(self) -> tuple[int, int]:
        """Return how many tablets are about to go silent, and for how many the renewal fails."""
        with self.server.runtime.open_unit_of_work() as work:
            counts = count_ending_identities(work, SYSTEM)
            assert len(list_ending_identities(work, SYSTEM).items) == counts.ending
            return counts.ending, counts.failing

    def read_detail(self) -> dict[str, Any]:
        """Return the tablet as the API shows it."""
        with self.server.runtime.open_unit_of_work() as work:
            tablet_id = work.session.scalars(select(Tablet.id)).one()
        with closing(self.server.sign_in(self.town_id, Role.TOWN_ADMIN, f"admin{self.clock.now():%y%m%d%H%M}")) as client:
            response = client.get(f"/tablets/{tablet_id}")
            response.raise_for_status()
            return dict(response.json())


def _run(
    server: LiveServer, clock: ManualClock, scenario: Callable[[RenewalCase], Awaitable[None]], behaviour: str = "normal"
) -> None:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
        code = create_invitations(work, SYSTEM, InvitationSpec(InvitationKind.STOCK, town_id))[0].code

    async def run() -> None:
        async with SimulatedTablet(server.url, code, ca=server.ca, behaviour=behaviour) as tablet:
            await tablet.enrol()
            case = RenewalCase(server, clock, tablet, town_id)
            await asyncio.to_thread(server.run_worker)
            await case.connect()
            await scenario(case)

    asyncio.run(run())


@pytest.mark.one_database
def test_a_certificate_is_renewed_from_two_thirds_of_its_life_on_and_again_a_term_later(
    server: LiveServer, clock: ManualClock
) -> None:
    async def scenario(case: RenewalCase) -> None:
        await asyncio.to_thread(case.advance, FIRST_RENEWAL - timedelta(days=2))
        assert "InstallProfile" not in await case.connect()
        for number in (2, 3):
            await asyncio.to_thread(case.advance, timedelta(days=2) if number == 2 else FIRST_RENEWAL)
            assert "InstallProfile" in await case.connect()
            assert case.count_certificates() == number
            assert case.uses_newest_certificate()
            assert (await asyncio.to_thread(case.read_detail))["identity_renewal"] is None
        for _ in range(3):
            await asyncio.to_thread(case.advance, timedelta(hours=30))
            assert "InstallProfile" not in await case.connect()
        assert case.count_ending() == (0, 0)

    _run(server, clock, scenario)


@pytest.mark.one_database
def test_a_certificate_that_was_issued_and_never_used_is_ordered_again_until_it_is(
    server: LiveServer, clock: ManualClock
) -> None:
    async def scenario(case: RenewalCase) -> None:
        await asyncio.to_thread(case.advance, FIRST_RENEWAL)
        for attempt, wait in enumerate((timedelta(hours=2), timedelta(hours=5), timedelta(hours=26)), start=1):
            assert "InstallProfile" in await case.connect(), attempt
            assert case.count_certificates() == 1 + attempt
            assert not case.uses_newest_certificate()
            await asyncio.to_thread(case.advance, wait)
            assert case.get_problem() is RenewalProblem.CERTIFICATE_NOT_USED
            assert case.count_ending() == (1, 1), "a failing renewal is listed long before the certificate ends"
        detail = await asyncio.to_thread(case.read_detail)
        ends = datetime.fromisoformat(detail["identity_expires_at"])
        assert ends - case.clock.now() < timedelta(days=132), "the date is that of the certificate in use"
        assert detail["identity_renewal"]["problem"] == "certificate_not_used"
        assert detail["identity_renewal"]["attempts"] == 4
        await case.connect()
        assert case.uses_newest_certificate()
        assert case.count_ending() == (0, 0)

    _run(server, clock, scenario, behaviour="drops_identity:3")


@pytest.mark.one_database
def test_on_its_last_day_an_unused_certificate_does_not_hide_that_the_tablet_goes_silent(
    server: LiveServer, clock: ManualClock
) -> None:
    async def scenario(case: RenewalCase) -> None:
        await asyncio.to_thread(case.advance, FIRST_RENEWAL)
        await case.connect()
        assert not case.uses_newest_certificate()
        await asyncio.to_thread(case.advance, LAST_DAY - FIRST_RENEWAL)
        assert case.count_ending() == (1, 1)
        detail = await asyncio.to_thread(case.read_detail)
        assert datetime.fromisoformat(detail["identity_expires_at"]) - case.clock.now() <= timedelta(days=1)
        assert "InstallProfile" in await case.connect()
        assert case.uses_newest_certificate()

    _run(server, clock, scenario, behaviour="drops_identity:1")


def test_an_order_that_the_tablet_did_not_collect_is_given_again_each_day(server: LiveServer, clock: ManualClock) -> None:
    async def scenario(case: RenewalCase) -> None:
        await asyncio.to_thread(case.advance, FIRST_RENEWAL)
        for _ in range(3):
            await asyncio.to_thread(case.advance, timedelta(hours=8))
        for _ in range(4):
            await asyncio.to_thread(case.advance, timedelta(days=1, minutes=5))
        with case.server.runtime.open_unit_of_work() as work:
            ordered = select(QueuedCommand.state).join(CommandBody, CommandBody.id == QueuedCommand.body_id)
            states = work.session.scalars(ordered.where(CommandBody.reason == "certificate renewal")).all()
        assert len(states) <= 6, "one order a day, not one an hour"
        assert states.count(CommandState.QUEUED) == 1, "one of them waits for the tablet at any time"
        assert case.get_problem() is None, "a tablet that is not in contact has no problem with its renewal"
        assert "InstallProfile" in await case.connect()
        assert case.uses_newest_certificate()

    _run(server, clock, scenario)


def test_a_tablet_that_dies_with_the_new_certificate_is_renewed_later(server: LiveServer, clock: ManualClock) -> None:
    async def scenario(case: RenewalCase) -> None:
        await asyncio.to_thread(case.advance, FIRST_RENEWAL)
        for _ in range(10):
            await case.connect()
            if case.count_certificates() > 1 and case.uses_newest_certificate():
                break
            await asyncio.to_thread(case.advance, timedelta(hours=25))
        assert case.count_certificates() > 1
        assert case.uses_newest_certificate()
        assert case.count_ending() == (0, 0)

    _run(server, clock, scenario, behaviour="dies_mid_conversation:4")


@pytest.mark.one_database
def test_a_refused_renewal_is_tried_again_with_waits_and_shown_at_once(server: LiveServer, clock: ManualClock) -> None:
    async def scenario(case: RenewalCase) -> None:
        await asyncio.to_thread(case.advance, FIRST_RENEWAL)
        for attempt, wait in enumerate((timedelta(hours=2), timedelta(hours=5), timedelta(hours=26)), start=1):
            with case.server.runtime.open_unit_of_work() as work:  # the SCEP server refuses, so the tablet refuses the profile
                work.session.query(IdentityChallenge).update({"expires_at": case.clock.now() - timedelta(days=1)})
            assert "InstallProfile" in await case.connect(), attempt
            assert case.get_problem() is RenewalProblem.REFUSED
            assert case.count_ending() == (1, 1)
            case.run_housekeeping()
            assert "InstallProfile" not in await case.connect(), "not before the wait is over"
            await asyncio.to_thread(case.advance, wait)
        detail = await asyncio.to_thread(case.read_detail)
        assert detail["identity_renewal"]["problem"] == "refused"
        assert detail["identity_renewal"]["problem_detail"]
        await case.connect()
        assert case.uses_newest_certificate()
        assert case.count_ending() == (0, 0)

    _run(server, clock, scenario)


def test_two_workers_that_order_at_once_count_both_orders_and_leave_one_waiting(server: LiveServer, clock: ManualClock) -> None:
    async def scenario(case: RenewalCase) -> None:
        clock.advance(FIRST_RENEWAL)
        with case.server.runtime.open_unit_of_work() as work:
            enrollment_id = work.session.scalars(select(DeviceEnrollment.id)).one()

        def order(_number: int) -> None:
            with case.server.runtime.open_unit_of_work() as work:
                renew_identity(work, enrollment_id)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(order, range(2)))
        with case.server.runtime.open_unit_of_work() as work:
            assert work.session.scalars(select(IdentityRenewal.attempts)).one() == 2
            ordered = select(QueuedCommand.state).join(CommandBody, CommandBody.id == QueuedCommand.body_id)
            states = work.session.scalars(ordered.where(CommandBody.reason == "certificate renewal")).all()
            assert sorted(states) == [CommandState.QUEUED, CommandState.SUPERSEDED]

    _run(server, clock, scenario)


def test_tablets_about_to_go_silent_are_listed_counted_logged_and_shown(server: LiveServer, clock: ManualClock) -> None:
    async def scenario(case: RenewalCase) -> None:
        await asyncio.to_thread(case.advance, LAST_DAY)
        with closing(case.server.sign_in(case.town_id, Role.TOWN_ADMIN, "admin")) as client:
            listed = client.get("/ending-identities").json()["items"]
            assert [(row["serial"], row["renewal"]["attempts"]) for row in listed] == [(case.tablet.serial, 1)]
            state = client.get("/system/state").json()["identities"]
            assert (state["ending"], state["failing"]) == (1, 0)
            assert client.get("/ending-identities", params={"within_days": 1}).json()["items"]
            client.headers["Accept-Language"] = "en"
            client.post(f"{case.server.url}/sign-in", data={"login": "admin", "password": PASSWORD})
            home, page = client.get(f"{case.server.url}/").text, client.get(f"{case.server.url}/ending-identities").text
            assert "1 tablet is about to go silent" in home
            assert case.tablet.serial in page
            assert "waiting for the tablet to connect" in page
        with case.server.runtime.open_unit_of_work() as work:
            other_town_id = TownFactory(work).create_town().id
        with closing(case.server.sign_in(other_town_id, Role.TOWN_ADMIN, "stranger")) as stranger:
            assert stranger.get("/ending-identities").json()["items"] == []
            assert stranger.get("/system/state").json()["identities"]["ending"] == 0
        with capture_logs() as logs, case.server.runtime.open_unit_of_work() as work:
            HOUSEKEEPING["ending_identities"](work)
        [entry] = [entry for entry in logs if entry["event"] == "identity.ends_soon"]
        assert (entry["tablets"], entry["failing"], entry["town"]) == (1, 0, str(case.town_id))
        await asyncio.to_thread(case.advance, timedelta(days=3))
        assert case.count_ending() == (1, 0), "one that has gone silent stays listed: only a person can enroll it again"

    _run(server, clock, scenario)
