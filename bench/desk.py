"""`python -m bench.desk`: measures a technician's work with classes of thirty by API: preparation, handover, swaps, returns.

Requests go one after the other on one connection, so the result is how long the person who scans waits.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import httpx

from bench.__main__ import print_machine, print_progress, settle_database, start_database
from bench.serving import PORT, RunningServer, run_server
from cartable.migrate import upgrade
from cartable.scope import SYSTEM, Role
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Grade, School, SchoolClass
from enrollment.places.towns import create_town
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.rules import build_next_tag
from mdm.accounts import service as accounts
from mdm.composition import compose

SIZE = 30
PASSWORD = "a password for the bench only"
HEADER = (
    "| act | tablets | requests/tablet | p50 ms | p99 ms | server ms/tablet | statements/request |\n|---|---|---|---|---|---|---|"
)


@dataclass(slots=True)
class SeededClass:
    """A class of thirty pupils and the tags of the tablets for them."""

    class_id: UUID
    pupils: list[UUID] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser(prog="python -m bench.desk")
    parser.add_argument("--databases", default="postgresql,sqlite")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--fleet", type=int, default=4000, help="tablets of the town that are not at the table")
    arguments = parser.parse_args()
    print_machine()
    for database in arguments.databases.split(","):
        with start_database(database) as (folder, url, pid):
            _measure(database, folder, url, pid, arguments.classes, arguments.fleet)


def _measure(database: str, folder: Path, url: str, pid: int | None, count: int, fleet: int) -> None:
    runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid"))
    upgrade(runtime.engine)
    print_progress("seeding")
    town_id, classes = _seed_town(runtime, count, fleet)
    settle_database(runtime)
    print(f"\n### {database}, {count} classes of {SIZE} in a town of {fleet + count * SIZE:,} tablets\n\n{HEADER}")
    with run_server(folder, url, pid) as server, httpx.Client(base_url=f"http://127.0.0.1:{PORT}/api/v1", timeout=30) as client:
        answer = client.post("/tokens", json={"login": "bench", "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        town = f"/towns/{town_id}"
        handover_pairs = [(pupil, tag) for each in classes for pupil, tag in zip(each.pupils, each.tags, strict=True)]
        serials = [f"ORDER{number:07d}" for number in range(len(handover_pairs))]
        client.post(f"{town}/purchase-orders", json={"reference": "BENCH", "serials": serials}).raise_for_status()

        def table(each: SeededClass) -> httpx.Response:
            return client.get(f"/classes/{each.class_id}/handovers")

        def hand_over(body: dict[str, Any]) -> httpx.Response:
            return client.post(f"{town}/handovers", json=body)

        def post(path: str, body: dict[str, Any]) -> httpx.Response:
            return client.post(f"{town}/{path}", json={"request_id": str(uuid4()), **body})

        _measure_line(server, "bench: one scan", serials, lambda serial: post("preparations", {"serial": serial}))
        _measure_line(server, "table of a class (once a class)", classes, table, per=SIZE)
        form = {"signed_by": "voir la feuille", "accessories": ["cover", "charger", "cable"]}
        handovers = [{"request_id": str(uuid4()), "scan": tag, "pupil_id": str(pupil), **form} for pupil, tag in handover_pairs]
        _measure_line(server, "handover: one scan", handovers, hand_over)
        _measure_line(server, "the same sent again, its answer was lost", handovers, hand_over)
        pairs = list(zip(handover_pairs[::2], handover_pairs[1::2], strict=True))
        _measure_line(server, "swap: two scans", pairs, lambda two: post("swaps", {"first": two[0][1], "second": two[1][1]}))
        _measure_line(
            server,
            "return: one scan",
            handover_pairs,
            lambda pair: post("returns", {"scan": pair[1], "accessories": ["cover", "cable"]}),
        )
    runtime.engine.dispose()


def _measure_line(
    server: RunningServer, name: str, things: Iterable[Any], act: Callable[[Any], httpx.Response], per: int = 1
) -> None:
    before, times = server.read_usage(), []
    for thing in things:
        started = time.perf_counter()
        answer = act(thing)
        times.append(1000 * (time.perf_counter() - started))
        answer.raise_for_status()
    cost = server.read_usage() - before
    times.sort()
    tablets = len(times) * per
    print(
        f"| {name} | {tablets} | {len(times) / tablets:.2f} | {median(times):.1f} | {times[int(0.99 * (len(times) - 1))]:.1f} "
        f"| {1000 * cost.server_cpu / tablets:.1f} | {cost.statements / len(times):.1f} |",
        flush=True,
    )


def _seed_town(runtime: Runtime, count: int, fleet: int) -> tuple[UUID, list[SeededClass]]:
    with runtime.open_unit_of_work() as work:
        town = create_town(work, SYSTEM, name="Mesure")
        school = School(town_id=town.id, uai="0929001J", name="École de la mesure")
        work.session.add(school)
        work.session.flush()
        account = accounts.create_account(
            work, SYSTEM, login="bench", display_name="bench", password=PASSWORD, role=Role.TECHNICIAN, town_id=town.id
        )
        account.must_change_password = False
        classes, tag = [], None
        for number in range(count):
            row = SchoolClass(
                town_id=town.id,
                school_id=school.id,
                school_year="2026-2027",
                label=f"Classe {number}",
                label_key=f"C{number}",
                label_order=f"C{number}",
            )
            work.session.add(row)
            work.session.flush()
            seeded = SeededClass(row.id)
            for child in range(SIZE):
                pupil = Pupil(
                    town_id=town.id, school_id=school.id, class_id=row.id, grade=Grade.CE2, last_name=f"Nom{child}", first_name="A",
                    name_hash=f"{number * SIZE + child:064d}", state=PupilState.ACTIVE,
                )  # fmt: skip
                work.session.add(pupil)
                work.session.flush()
                seeded.pupils.append(pupil.id)
            classes.append(seeded)
        for number in range(fleet + count * SIZE):
            tag = build_next_tag("M", tag)
            work.session.add(
                Tablet(town_id=town.id, serial=f"SEED{number:08d}", tag=tag, state=TabletState.STOCK, created_at=work.now)
            )
            if number < count * SIZE:
                classes[number // SIZE].tags.append(tag)
        return town.id, classes


if __name__ == "__main__":
    main()
