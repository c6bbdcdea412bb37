"""`python -m bench.today`: the first page of a town of 4 000 tablets of which a tenth is silent, lacks an app or has not proved its mode."""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from bench.__main__ import print_machine, settle_database, start_database
from cartable.ids import new_id
from cartable.migrate import upgrade
from cartable.scope import Actor, Role, RoleAssignment
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Grade, School, SchoolClass, Town
from enrollment.tablets.models import Loan, Tablet, TabletState
from mdm.care.today.kinds import TodayScope
from mdm.care.today.service import count_waiting, load_today
from mdm.composition import compose
from mdm.devices.models import DeviceEnrollment, EnrollmentState, LastSeen
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps.models import App
from profiles.schedule.models import TabletMode
from profiles.schedule.modes import Mode

CLASSES = 150


def main() -> None:
    """Seed a town on each database and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.today")
    parser.add_argument("--tablets", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--databases", default="postgresql,sqlite")
    arguments = parser.parse_args()
    print_machine()
    print("| database | what | p50 ms | server CPU ms |\n|---|---|---|---|")
    for database in arguments.databases.split(","):
        with start_database(database) as (folder, url, _pid):
            runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid"))
            upgrade(runtime.engine)
            scope = TodayScope(seed_town(runtime, arguments.tablets))
            settle_database(runtime)
            for name, act in (("the whole page", load_today), ("the number in the bar", count_waiting)):
                print(f"| {database} | {name} | {measure(runtime, scope, act, arguments.rounds)} |", flush=True)
            runtime.engine.dispose()


def measure(runtime: Runtime, scope: TodayScope, act: Any, rounds: int) -> str:
    """Return the median of the time and of the processor time of this process."""
    admin = Actor(new_id(), "bench", (RoleAssignment(Role.TOWN_ADMIN, scope.town_id),))
    times, processor = [], []
    for _ in range(rounds):
        started, used = time.perf_counter(), time.process_time()
        with runtime.open_unit_of_work() as work:
            act(work, admin, scope)
        times.append((time.perf_counter() - started) * 1000)
        processor.append((time.process_time() - used) * 1000)
    return f"{statistics.median(times):.0f} | {statistics.median(processor):.0f}"


def seed_town(runtime: Runtime, count: int) -> UUID:
    """Add a town with tablets on loan; every tenth is silent, lacks an app and has not proved its mode."""
    with runtime.open_unit_of_work() as work:
        town = Town(name="Mesure", slug="mesure", zone="C", time_zone="Europe/Paris", tag_prefix="M")
        work.session.add(town)
        work.session.flush()
        school, app = (
            School(town_id=town.id, uai="0290001A", name="École"),
            App(town_id=town.id, name="A", bundle_identifier="a.b"),
        )
        work.session.add_all([school, app])
        work.session.flush()
        classes = [
            SchoolClass(
                id=new_id(),
                town_id=town.id,
                school_id=school.id,
                school_year="2026-2027",
                label=f"C{n}",
                label_key=f"C{n}",
                label_order=f"C{n}",
            )
            for n in range(CLASSES)
        ]
        work.session.add_all(classes)
        work.session.flush()
        rows: dict[Any, list[dict[str, Any]]] = {
            model: [] for model in (Pupil, Tablet, Loan, DeviceEnrollment, LastSeen, TabletApp, TabletMode)
        }
        for number in range(count):
            pupil, tablet, troubled = new_id(), new_id(), number % 10 == 0
            owned = {"town_id": town.id}
            rows[Pupil].append(
                {**owned, "id": pupil, "school_id": school.id, "class_id": classes[number % CLASSES].id, "grade": Grade.CE2, "last_name": "N",
                 "first_name": "P", "name_hash": f"{number:064d}", "state": PupilState.ACTIVE}
            )  # fmt: skip
            rows[Tablet].append(
                {**owned, "id": tablet, "school_id": school.id, "serial": f"S{number}", "tag": f"M-{number:05d}",
                 "state": TabletState.IN_USE, "created_at": work.now}
            )  # fmt: skip
            rows[Loan].append({**owned, "id": new_id(), "tablet_id": tablet, "pupil_id": pupil, "opened_at": work.now})
            rows[DeviceEnrollment].append(
                {**owned, "id": number + 1, "tablet_id": tablet, "channel_key": f"K{number}", "udid": f"K{number}", "fingerprint": f"K{number}",
                 "topic": "t", "state": EnrollmentState.ENROLLED, "authenticated_at": work.now}
            )  # fmt: skip
            seen = work.now - timedelta(days=9 if troubled else 0)
            rows[LastSeen].append({**owned, "enrollment_id": number + 1, "last_seen_at": seen})
            state, reason = (AppState.FAILED, AppReason.STORAGE_FULL) if troubled else (AppState.INSTALLED, AppReason.INSTALLED)
            rows[TabletApp].append(
                {"tablet_id": tablet, "app_id": app.id, "state": state, "reason": reason, "changed_at": work.now}
            )
            rows[TabletMode].append({**owned, "tablet_id": tablet, "mode": Mode.SCHOOL, "since": work.now - timedelta(hours=2)})
        for model, values in rows.items():
            work.session.execute(insert(model), values)
        return town.id


if __name__ == "__main__":
    main()
