"""`python -m bench.pages`: measures every page of the console that an administrator opens in a town of 4 000 tablets, one after the other."""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from uuid import UUID

import httpx
from sqlalchemy import select

from bench.__main__ import print_machine, print_progress, settle_database, start_database
from bench.serving import PORT, RunningServer, run_server
from cartable.migrate import upgrade
from cartable.scope import SYSTEM, Role
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.people.models import Pupil
from enrollment.places.models import SchoolClass
from enrollment.rollover.drafting import preview_rollover
from enrollment.tablets.models import Loan, Tablet, TabletState
from mdm.accounts import service as accounts
from mdm.accounts.models import SessionKind
from mdm.accounts.sessions import SignedIn
from mdm.accounts.sign_in_limits import SignInClient
from mdm.cli.demo import load_demo
from mdm.composition import compose
from mdm.console.frame import SESSION_COOKIE
from mdm.console.routes import list_page_routes
from mdm.devices.models import DeviceEnrollment, EnrollmentState, LastSeen
from profiles.policy.models import Preset

PASSWORD = "a password for the bench only"
HEADER = "| page | p50 ms | longest ms | server ms | statements | kB as it travels |\n|---|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class SeededTown:
    """The ids for the addresses of pages, by parameter, and the cookie of an administrator."""

    ids: dict[str, str]
    cookie: str


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages")
    parser.add_argument("--databases", default="postgresql,sqlite")
    parser.add_argument("--times", type=int, default=9, help="how often each page is opened")
    arguments = parser.parse_args()
    print_machine()
    for database in arguments.databases.split(","):
        with start_database(database) as (folder, url, pid):
            _measure(database, folder, url, pid, arguments.times)


def _measure(database: str, folder: Path, url: str, pid: int | None, times: int) -> None:
    runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid"))
    upgrade(runtime.engine)
    print_progress("seeding")
    town = _seed_town(runtime)
    settle_database(runtime)
    print(f"\n### {database}\n\n{HEADER}")
    headers = {"Cookie": f"{SESSION_COOKIE}={town.cookie}", "Accept": "text/html", "Accept-Language": "fr"}
    with (
        run_server(folder, url, pid) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=60, headers=headers) as client,
    ):
        print_progress("measuring")
        lines = [_measure_page(server, client, address, times) for address in _list_addresses(town)]
    for _, line in sorted((line for line in lines if line), reverse=True):
        print(line)
    runtime.engine.dispose()


def _list_addresses(town: SeededTown) -> list[str]:
    """Return the addresses of the GET routes whose parameters are known."""
    paths = [route.path for route in list_page_routes("GET")]
    known = [path for path in paths if set(re.findall(r"\{(\w+)", path)) <= town.ids.keys()]
    return [re.sub(r"\{(\w+)(:\w+)?\}", lambda match: town.ids[match[1]], path) for path in known]


def _measure_page(server: RunningServer, client: httpx.Client, address: str, times: int) -> tuple[float, str] | None:
    """Return the line of a page with what it is sorted by; None for what is no page."""
    first = client.get(address)
    if first.status_code != httpx.codes.OK or not first.headers["content-type"].startswith("text/html"):
        return None
    before, durations = server.read_usage(), []
    for _ in range(times):
        started = time.perf_counter()
        client.get(address).raise_for_status()
        durations.append(1000 * (time.perf_counter() - started))
    cost = server.read_usage() - before
    name = re.sub(r"[0-9a-f-]{36}", "…", address)
    size = int(first.headers["content-length"]) / 1000
    return median(durations), (
        f"| `{name}` | {median(durations):.0f} | {max(durations):.0f} | {1000 * cost.server_cpu / times:.0f} | {cost.statements / times:.0f} | {size:.1f} |"
    )


def _seed_town(runtime: Runtime) -> SeededTown:
    """Load the demonstration town, lend and enroll a tablet for each of its pupils, and sign an administrator in."""
    town_id = load_demo(runtime, lambda _: None)
    with runtime.open_unit_of_work() as work:
        pupils = work.session.execute(select(Pupil.id, Pupil.school_id).where(Pupil.town_id == town_id)).all()
        tablets = [
            Tablet(town_id=town_id, school_id=school_id, serial=f"SEED{number:08d}", tag=f"VAL-{10_000 + number}", state=TabletState.IN_USE,
                   os_version="26.1", product_name="iPad13,18", supervised=True, created_at=work.now)
            for number, (_, school_id) in enumerate(pupils)
        ]  # fmt: skip
        work.session.add_all(tablets)
        work.session.flush()
        for number, ((pupil_id, _), tablet) in enumerate(zip(pupils, tablets, strict=True)):
            enrollment = DeviceEnrollment(
                town_id=town_id, tablet_id=tablet.id, channel_key=tablet.serial, udid=tablet.serial, fingerprint=tablet.serial, topic="t",
                state=EnrollmentState.ENROLLED, authenticated_at=work.now,
            )  # fmt: skip
            work.session.add_all([enrollment, Loan(town_id=town_id, tablet_id=tablet.id, pupil_id=pupil_id, opened_at=work.now)])
            work.session.flush()
            work.session.add(
                LastSeen(
                    enrollment_id=enrollment.id, town_id=enrollment.town_id, last_seen_at=work.now - timedelta(minutes=number)
                )
            )
        preview_rollover(work, SYSTEM, town_id)
        account = accounts.create_account(
            work, SYSTEM, login="bench", display_name="bench", password=PASSWORD, role=Role.TOWN_ADMIN, town_id=town_id
        )
        account.must_change_password = False
        signed_in = accounts.sign_in(work, "bench", PASSWORD, SignInClient("192.0.2.1", "bench", ""), SessionKind.CONSOLE)
        assert isinstance(signed_in, SignedIn)
        school_class = work.session.scalars(select(SchoolClass).where(SchoolClass.town_id == town_id).limit(1)).one()
        ids: dict[str, UUID] = {
            "town": town_id, "town_id": town_id, "school_id": school_class.school_id, "class_id": school_class.id, "tablet_id": tablets[0].id,
            "pupil_id": pupils[0][0], "bundle_id": work.session.scalars(select(Preset.id).limit(1)).one(),
        }  # fmt: skip
        return SeededTown({name: str(value) for name, value in ids.items()}, signed_in.token)


if __name__ == "__main__":
    main()
