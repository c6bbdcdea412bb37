"""`python -m bench.queueing`: measures one command to 2 000 and to 130 000 tablets, and enrolments per second by SCEP."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, select

from bench.__main__ import print_machine, print_progress, settle_database, start_database
from bench.serving import PUBLIC_URL, RunningServer, run_server
from cartable.ids import new_id
from cartable.migrate import upgrade
from cartable.outbox import OutboxRow
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.identity import tls
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from enrollment.places.models import Town
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from mdm.composition import compose
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.protocol.commands.registry import build_command
from mdm.push.certificates import ensure_simulated_certificate
from mdm.queue import service as queue
from simulator import SimulatedTablet
from simulator.identity import ReusedKeys


def main() -> None:
    """Measure both on a durable PostgreSQL."""
    parser = argparse.ArgumentParser(prog="python -m bench.queueing")
    parser.add_argument("--fleet", type=int, default=130_000)
    parser.add_argument("--enrolments", type=int, default=400)
    arguments = parser.parse_args()
    print_machine()
    with start_database("postgresql") as (folder, url, pid):
        runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url=PUBLIC_URL))
        upgrade(runtime.engine)
        with runtime.open_unit_of_work() as work:
            identity.ensure_authority(work)
            ensure_simulated_certificate(work)
            tls.ensure_server_certificate(work, ["localhost"])
        print("\n| what | count | seconds | per second |\n|---|---|---|---|")
        for count in (2000, arguments.fleet):
            print_progress(f"seeding {count} tablets")
            town_id = seed_town(runtime, count)
            settle_database(runtime)
            started = time.perf_counter()
            with runtime.open_unit_of_work() as work:
                tablet_ids = TabletRepository(work.session).select_by_town(town_id).scalar_subquery()
                selection = select(DeviceEnrollment.id).where(
                    DeviceEnrollment.tablet_id.in_(tablet_ids), DeviceEnrollment.parent_id.is_(None)
                )
                batch = queue.enqueue_for_selection(work, SYSTEM, build_command("SecurityInfo", {}), selection)
            elapsed = time.perf_counter() - started
            assert batch.count == count, batch
            print(f"| one command to a town | {count:,} | {elapsed:.2f} | {count / elapsed:,.0f} |", flush=True)
            with runtime.open_unit_of_work() as work:
                work.session.execute(delete(OutboxRow))
        with run_server(folder, url, pid, https=True) as server:
            _measure_enrolments(runtime, server, arguments.enrolments)
        runtime.engine.dispose()


def seed_town(runtime: Runtime, count: int) -> UUID:
    """Add a town with `count` enrolled tablets without certificates or push tokens. Returns its id."""
    with runtime.open_unit_of_work() as work:
        town = Town(name="Mesure", slug=uuid4().hex[:8], zone="C", time_zone="Europe/Paris", tag_prefix="M")
        work.session.add(town)
        work.session.flush()
        for start in range(0, count, 10_000):
            tablets = [
                {"id": new_id(), "town_id": town.id, "serial": uuid4().hex[:12].upper(), "tag": f"M-{n:06d}",
                 "state": TabletState.IN_USE, "os_version": "26.1", "supervised": True, "created_at": work.now, "evidence_hold": False}
                for n in range(start, min(start + 10_000, count))
            ]  # fmt: skip
            work.session.execute(insert(Tablet), tablets)
            work.session.execute(
                insert(DeviceEnrollment),
                [
                    {"town_id": town.id, "tablet_id": t["id"], "channel_key": (u := uuid4().hex.upper()), "udid": u, "generation": 1,
                     "state": EnrollmentState.ENROLLED, "fingerprint": uuid4().hex, "awaiting_configuration": False,
                     "authenticated_at": work.now, "enrolled_at": work.now}
                    for t in tablets
                ],
            )  # fmt: skip
        return town.id


def _measure_enrolments(runtime: Runtime, server: RunningServer, count: int) -> None:
    """Measure profile, SCEP, Authenticate and TokenUpdate of many tablets, 32 at a time; keys are generated beforehand."""
    with runtime.open_unit_of_work() as work:
        town = Town(name="Mesure", slug=uuid4().hex[:8], zone="C", time_zone="Europe/Paris", tag_prefix="N")
        work.session.add(town)
        work.session.flush()
        spec = InvitationSpec(InvitationKind.STOCK, town.id, max_uses=count)
        code = create_invitations(work, SYSTEM, spec)[0].code
    print_progress("making keys")
    before = server.read_usage()
    started = time.perf_counter()
    asyncio.run(_enrol_all(code, count, runtime.settings.secrets_dir / "tls-ca.pem"))
    elapsed = time.perf_counter() - started
    cost = server.read_usage() - before
    print(f"| enrolments (profile, SCEP, check-in) | {count} | {elapsed:.2f} | {count / elapsed:,.0f} |")
    print(
        f"\nper enrolment: server {1000 * cost.server_cpu / count:.1f} ms, database {1000 * cost.database_cpu / count:.1f} ms, "
        f"{cost.statements / count:.1f} statements, {cost.commits / count:.1f} commits; the tablets share the machine"
    )


async def _enrol_all(code: str, count: int, ca: Path) -> None:
    keys, limit = ReusedKeys(16), asyncio.Semaphore(32)
    await keys(2048)

    async def enrol() -> None:
        async with limit, SimulatedTablet(PUBLIC_URL, code, ca=ca, keys=keys) as tablet:
            await tablet.enrol()

    await asyncio.gather(*(enrol() for _ in range(count)))


if __name__ == "__main__":
    main()
