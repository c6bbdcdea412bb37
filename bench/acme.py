"""`python -m bench.acme`: measures enrolments per second by SCEP and by ACME with attestation, in one run on PostgreSQL."""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from pathlib import Path
from uuid import uuid4

from bench.__main__ import print_machine, print_progress, settle_database, start_database
from bench.serving import PUBLIC_URL, RunningServer, run_server
from cartable.migrate import upgrade
from cartable.settings import Acme, Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.identity import tls
from enrollment.joining.profiles import build_ade_profile
from enrollment.places.models import Town
from enrollment.tablets.models import Tablet, TabletState
from mdm.composition import compose
from mdm.push.certificates import ensure_simulated_certificate, get_active_topic
from simulator import Attester, Hardware, SimulatedTablet
from simulator.identity import ReusedKeys

PreparedTablets = list[tuple[Hardware, bytes]]


def main() -> None:
    """Measure both alternately, so that a busy machine slows both."""
    parser = argparse.ArgumentParser(prog="python -m bench.acme")
    parser.add_argument("--enrolments", type=int, default=200, help="of each path and round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print_machine()
    attester = Attester()
    with start_database("postgresql") as (folder, url, pid):
        roots = folder / "roots.pem"
        roots.write_bytes(attester.root_pem)
        os.environ |= {"CARTABLE_ACME": Acme.REQUIRED.value, "CARTABLE_ATTESTATION_ROOTS": str(roots)}
        runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url=PUBLIC_URL))
        upgrade(runtime.engine)
        with runtime.open_unit_of_work() as work:
            identity.ensure_authority(work)
            ensure_simulated_certificate(work)
            tls.ensure_server_certificate(work, ["localhost"])
        print(
            "\n| path | count | seconds | per second | server ms | database ms | statements | commits |\n|---|---|---|---|---|---|---|---|"
        )
        rates: dict[str, list[float]] = {"SCEP": [], "ACME": []}
        with run_server(folder, url, pid, https=True) as server:
            for number in range(arguments.rounds):
                for name, attests in (("SCEP", False), ("ACME", True)):
                    print_progress(f"profiles for round {number + 1}, {name}")
                    waiting = _prepare_tablets(runtime, arguments.enrolments, attests=attests)
                    settle_database(runtime)
                    rates[name].append(
                        _measure_enrolments(server, name, waiting, attester, runtime.settings.secrets_dir / "tls-ca.pem")
                    )
        runtime.engine.dispose()
    ratios = [acme / scep for acme, scep in zip(rates["ACME"], rates["SCEP"], strict=True)]
    print(f"\nACME to SCEP, round by round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


def _prepare_tablets(runtime: Runtime, count: int, *, attests: bool) -> PreparedTablets:
    """Add tablets to the inventory; return their hardware and the enrolment profiles that the Setup Assistant gets."""
    with runtime.open_unit_of_work() as work:
        town = Town(name="Mesure", slug=uuid4().hex[:8], zone="C", time_zone="Europe/Paris", tag_prefix=uuid4().hex[:4].upper())
        work.session.add(town)
        work.session.flush()
        prepared = []
        for number in range(count):
            hardware = Hardware.from_seed(town.slug, number)
            tablet = Tablet(
                town_id=town.id, serial=hardware.serial, tag=f"{town.tag_prefix}-{number:05d}", state=TabletState.PREPARED,
                created_at=work.now,
            )  # fmt: skip
            work.session.add(tablet)
            work.session.flush()
            prepared.append(
                (hardware, build_ade_profile(work, tablet.id, get_active_topic(work), udid=hardware.udid, attests=attests))
            )
        return prepared


def _measure_enrolments(server: RunningServer, name: str, waiting: PreparedTablets, attester: Attester, ca: Path) -> float:
    count, before, started = len(waiting), server.read_usage(), time.perf_counter()
    asyncio.run(_enrol_all(waiting, attester, ca))
    elapsed = time.perf_counter() - started
    cost = server.read_usage() - before
    print(
        f"| {name} | {count} | {elapsed:.2f} | {count / elapsed:,.1f} | {1000 * cost.server_cpu / count:.1f} | "
        f"{1000 * cost.database_cpu / count:.1f} | {cost.statements / count:.1f} | {cost.commits / count:.1f} |",
        flush=True,
    )
    return count / elapsed


_KEYS = ReusedKeys(16)


async def _enrol_all(waiting: PreparedTablets, attester: Attester, ca: Path) -> None:
    """Enrol all tablets, 32 at a time. RSA keys are generated beforehand, elliptic keys during the measurement."""
    limit = asyncio.Semaphore(32)

    async def enrol(hardware: Hardware, profile: bytes) -> None:
        async with limit, SimulatedTablet(PUBLIC_URL, ca=ca, hardware=hardware, attester=attester, keys=_KEYS) as tablet:
            await tablet.enrol(profile)

    await asyncio.gather(*(enrol(hardware, profile) for hardware, profile in waiting))


if __name__ == "__main__":
    main()
