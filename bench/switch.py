"""`python -m bench.switch`: measures a change of mode of many simulated tablets, until the last status report confirms it.

The tablets are complete simulated iPads over real HTTPS; they, the server, the worker and PostgreSQL share the machine. There
are no pushes: the tablets poll in turns, as fast as they can.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import replace
from uuid import UUID

from sqlalchemy import func, select

from bench import fleet
from bench.__main__ import print_machine, print_progress, settle_database, start_database
from bench.serving import PUBLIC_URL, run_server
from cartable.migrate import upgrade
from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.identity import tls
from enrollment.places.models import Town
from enrollment.tablets.repository import TabletRepository
from mdm.composition import compose
from mdm.devices.models import DeclarativeState
from mdm.push.certificates import ensure_simulated_certificate
from mdm.worker.drains import drain
from profiles.schedule import authoring
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.modes import Mode
from simulator import SimulatedTablet
from simulator.device import DeviceState, MdmEnrollment
from simulator.hardware import Hardware
from simulator.profile import ConfigurationProfile, MdmSettings

_ALWAYS = [{"kind": "school", "from": "00:00", "to": "24:00"}]
_WEEK = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), _ALWAYS)
MAX_CONCURRENT_POLLS = 32


def main() -> None:
    """Measure one change of mode."""
    parser = argparse.ArgumentParser(prog="python -m bench.switch")
    parser.add_argument("--tablets", type=int, default=1000)
    arguments = parser.parse_args()
    print_machine()
    with start_database("postgresql") as (folder, url, pid):
        runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url=PUBLIC_URL))
        upgrade(runtime.engine)
        with runtime.open_unit_of_work() as work:
            identity.ensure_authority(work)
            tls.ensure_server_certificate(work, ["localhost"])
            ensure_simulated_certificate(work)
        print_progress("seeding")
        seeded = fleet.seed_fleet(runtime, arguments.tablets)
        with runtime.open_unit_of_work() as work:
            town_id = work.session.scalars(select(Town.id)).one()
            authoring.save_calendar(work, SYSTEM, town_id, "own", periods=[], public=[], known_until=None)
            authoring.save_timetable(work, SYSTEM, town_id, None, week=_WEEK, calendar="own", night=None)
            work.enqueue_selected_jobs(Topic.RECONCILE, TabletRepository(work.session).select_by_town(town_id))
        settle_database(runtime)
        with run_server(folder, url, pid, https=True) as server:
            tablets = [_build_tablet(runtime, each) for each in seeded]
            print_progress("bringing every tablet into its first mode")
            asyncio.run(_run_until_confirmed(runtime, tablets, Mode.SCHOOL))
            before, started = server.read_usage(), time.perf_counter()
            _close_school_today(runtime, town_id)
            asyncio.run(_run_until_confirmed(runtime, tablets, Mode.HOME))
            elapsed, cost = time.perf_counter() - started, server.read_usage() - before
        count = len(tablets)
        print(f"\n{count:,} tablets switched and confirmed in {elapsed:.1f} s, {count / elapsed:.0f} a second")
        print(
            f"per tablet: server {1000 * cost.server_cpu / count:.1f} ms, database {1000 * cost.database_cpu / count:.1f} ms, "
            f"{cost.statements / count:.1f} statements and {cost.commits / count:.1f} commits of the server; the worker's are not among them"
        )
        runtime.engine.dispose()


def _close_school_today(runtime: Runtime, town_id: UUID) -> None:
    """Close the schools today: it changes the mode as a boundary of the timetable does, at an instant of our choice."""
    with runtime.open_unit_of_work() as work:
        today = work.now.date()
        authoring.create_override(
            work, SYSTEM, town_id, school_id=None, class_id=None, first=today, last=today, kind=OverrideKind.CLOSED
        )


def _build_tablet(runtime: Runtime, seeded: fleet.SeededTablet) -> SimulatedTablet:
    hardware = replace(Hardware.from_seed("switch", seeded.udid), udid=seeded.udid, os_version="26.1")
    mdm = MdmSettings(
        f"{PUBLIC_URL}/mdm", f"{PUBLIC_URL}/mdm/checkin", "com.apple.mgmt.External.bench", 8191, sign_message=True,
        check_out=False, identity_uuid="", payload_identifier="", capabilities=(),
    )  # fmt: skip
    content = {"PayloadIdentifier": "bench", "PayloadUUID": seeded.udid, "PayloadType": "Configuration", "PayloadContent": []}
    device = DeviceState(
        hardware, enrollment=MdmEnrollment(mdm, seeded.identity, ConfigurationProfile(content, ()), unlock_token_sent=True)
    )
    return SimulatedTablet(PUBLIC_URL, device=device, ca=runtime.settings.secrets_dir / "tls-ca.pem")


async def _run_until_confirmed(runtime: Runtime, tablets: list[SimulatedTablet], mode: Mode) -> None:
    """Run the worker and let the tablets poll, until every tablet has reported the mode."""
    limit = asyncio.Semaphore(MAX_CONCURRENT_POLLS)

    async def poll(tablet: SimulatedTablet) -> None:
        async with limit:
            log = await tablet.poll()
            assert not log.anomalies, log.anomalies

    while True:
        await asyncio.to_thread(_run_worker, runtime)
        waiting = [tablet for tablet in tablets if tablet.mode != mode.value]
        await asyncio.gather(*(poll(tablet) for tablet in waiting))
        if _count_confirmed(runtime, mode) == len(tablets):
            break
    for tablet in tablets:
        await tablet.close()


def _run_worker(runtime: Runtime) -> None:
    for topic in (Topic.COMMAND_RESULT, Topic.RECONCILE):
        drain(runtime, topic)


def _count_confirmed(runtime: Runtime, mode: Mode) -> int:
    statement = select(func.count()).where(DeclarativeState.mode == mode.value, DeclarativeState.confirmed_at.is_not(None))
    with runtime.open_unit_of_work() as work:
        return work.session.scalar(statement) or 0


if __name__ == "__main__":
    main()
