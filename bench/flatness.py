"""`python -m bench.flatness`: what an idle check-in costs as the fleet grows, in one run on one durable PostgreSQL.

The tablets of each step are added to those before. At most `--asking` of them ask, in turn and spread over the fleet, each with a certificate of its own: once
to warm the caches, as every tablet does within the hour, then for the measurement. The others are rows: enrolled, with a contact and a history.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import insert, select

from bench.__main__ import print_machine, print_progress, settle_database, start_database
from bench.fleet import HOST, KEYS, SeededTablet
from bench.load import LoadResult, replay_conversations
from bench.serving import PORT, run_server
from cartable.ids import new_id
from cartable.migrate import upgrade
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.identity.signing.choosing import get_device_signer
from enrollment.places.models import Town
from enrollment.tablets.models import Tablet, TabletState
from mdm.composition import compose
from mdm.devices.models import DeviceEnrollment, EnrollmentState, LastSeen
from simulator.identity import Identity

PART = 5_000


def main() -> None:
    """Measure each size of the fleet and print a table with the costs relative to the first."""
    parser = argparse.ArgumentParser(prog="python -m bench.flatness")
    parser.add_argument("--fleets", default="4000,40000,130000")
    parser.add_argument(
        "--asking", type=int, default=20_000, help="tablets that ask, at most; each costs a signature of the authority"
    )
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    print_machine()
    print(
        "\n| enrolled | asking | per second | p50 ms | p99 ms | server µs/request | database µs/request | of the first | wrong |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with start_database("postgresql") as (folder, url, pid):
        runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid"))
        upgrade(runtime.engine)
        keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(KEYS)]
        asking: list[SeededTablet] = []
        enrolled, first = 0, 0.0
        for fleet in map(int, arguments.fleets.split(",")):
            print_progress(f"adding {fleet - enrolled} tablets")
            signing = min(fleet, arguments.asking) - len(asking)
            asking += add_tablets(runtime, keys, fleet - enrolled, signing)
            enrolled = fleet
            settle_database(runtime)
            order = random.Random(fleet).sample(asking, len(asking))
            conversations = [[tablet.build_signed_request({"Status": "Idle"})] for tablet in order]
            with run_server(folder, url, pid) as server:
                replay_conversations(HOST, PORT, conversations, arguments.connections, 600, once=True)
                before = server.read_usage()
                outcome: LoadResult = replay_conversations(HOST, PORT, conversations, arguments.connections, arguments.seconds)
                cost = server.read_usage() - before
            server_us, database_us = (1e6 * cpu / outcome.requests for cpu in (cost.server_cpu, cost.database_cpu))
            first = first or server_us + database_us
            print(
                f"| {fleet:,} | {len(asking):,} | {outcome.per_second:,.0f} | {outcome.percentile(0.5):.1f} | {outcome.percentile(0.99):.1f} "
                f"| {server_us:.0f} | {database_us:.0f} | {(server_us + database_us) / first:.2f} | {outcome.failures} |",
                flush=True,
            )
        runtime.engine.dispose()


def add_tablets(runtime: Runtime, keys: list[rsa.RSAPrivateKey], count: int, signing: int) -> list[SeededTablet]:
    """Add a town with `count` enrolled tablets. Returns `signing` of them, spread evenly, which have certificates of the authority."""
    with runtime.open_unit_of_work() as work:
        signer = get_device_signer(work, identity.ensure_authority(work))
        town = Town(name="Mesure", slug=uuid4().hex[:8], zone="C", time_zone="Europe/Paris", tag_prefix="M")
        work.session.add(town)
        work.session.flush()
        town_id = town.id
    asking: list[SeededTablet] = []
    for start in range(0, count, PART):
        numbers = range(start, min(start + PART, count))
        identities: dict[int, Identity] = {}
        for number in numbers:
            if number * signing // count != (number + 1) * signing // count:
                key = keys[number % len(keys)]
                der = signer.sign_certificate(key.public_key(), identity.CertificateHolder(tablet_id=new_id()))
                identities[number] = Identity(key, der)
        rows = list(
            _insert_part(runtime, town_id, numbers, {n: sha256(i.certificate_der).hexdigest() for n, i in identities.items()})
        )
        asking += [SeededTablet(udid, enrollment_id, identities[n]) for n, udid, enrollment_id in rows if n in identities]
    return asking


def _insert_part(runtime: Runtime, town_id: UUID, numbers: range, fingerprints: dict[int, str]) -> Iterator[tuple[int, str, int]]:
    """Insert tablets with their enrollments and contacts. Yields number, UDID and enrollment id of each."""
    with runtime.open_unit_of_work() as work:
        ids = {number: new_id() for number in numbers}
        tablets = [
            {"id": ids[n], "town_id": town_id, "serial": uuid4().hex[:12].upper(), "tag": f"M-{n:06d}", "state": TabletState.IN_USE,
             "os_version": "26.1", "supervised": True, "created_at": work.now, "evidence_hold": False}
            for n in numbers
        ]  # fmt: skip
        udids = {number: f"00008101-{uuid4().hex[:16].upper()}" for number in numbers}
        work.session.execute(insert(Tablet), tablets)
        enrollments = [
            {"town_id": town_id, "tablet_id": ids[n], "channel_key": udids[n], "udid": udids[n], "generation": 1,
             "state": EnrollmentState.ENROLLED, "fingerprint": fingerprints.get(n) or uuid4().hex, "awaiting_configuration": False,
             "topic": "com.apple.mgmt.External.bench", "authenticated_at": work.now, "enrolled_at": work.now}
            for n in numbers
        ]  # fmt: skip
        work.session.execute(insert(DeviceEnrollment), enrollments)
        enrolled = dict(
            work.session.execute(
                select(DeviceEnrollment.udid, DeviceEnrollment.id).where(DeviceEnrollment.udid.in_(udids.values()))
            ).all()
        )
        contacts = [
            {"enrollment_id": each, "town_id": town_id, "last_seen_at": work.now - timedelta(hours=1)}
            for each in enrolled.values()
        ]
        work.session.execute(insert(LastSeen), contacts)
    for number, udid in udids.items():
        yield number, udid, enrolled[udid]


if __name__ == "__main__":
    main()
