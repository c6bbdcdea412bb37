"""`python -m bench.rollover`: measures the rollover of a town of 4 000 pupils with tablets: preview, licences, apply, undo.

It runs on SQLite and on a durable PostgreSQL; each batch is one transaction, as in the API.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from sqlalchemy import event, select

from bench.__main__ import print_machine, print_progress, start_database
from cartable.clock import ManualClock
from cartable.ids import new_id
from cartable.migrate import upgrade
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Grade, School, SchoolClass
from enrollment.places.rules import compute_uai_check_letter
from enrollment.places.towns import create_town
from enrollment.rollover import applying, drafting, incoming_year, returns, succession
from enrollment.tablets.models import Loan, Tablet, TabletState
from mdm.composition import compose
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.effective.licence_overlap import list_licence_overlaps
from profiles.policy.kinds import PlaceKind

T = TypeVar("T")
SCHOOLS, CLASSES = 12, 13
GRADES = (Grade.CP, Grade.CE1, Grade.CE2, Grade.CM1, Grade.CM2)
HEADER = "| act | lines | seconds | statements |\n|---|---|---|---|"


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser(prog="python -m bench.rollover")
    parser.add_argument("--databases", default="postgresql,sqlite")
    parser.add_argument("--pupils", type=int, default=4000)
    arguments = parser.parse_args()
    print_machine()
    for database in arguments.databases.split(","):
        with start_database(database) as (folder, url, _pid):
            print(f"\n### {database}\n\n{HEADER}")
            _measure_town(folder, url, arguments.pupils)


def _measure_town(folder: Path, url: str, count: int) -> None:
    runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid"))
    clock = ManualClock(datetime(2027, 6, 10, 8, tzinfo=UTC))
    runtime.clock = clock
    upgrade(runtime.engine)
    print_progress("seeding")
    with runtime.open_unit_of_work() as work:
        town_id = _seed_town(work, count)
    rollover = _measure_line(runtime, "preview", count, lambda work: drafting.preview_rollover(work, SYSTEM, town_id))
    _measure_line(runtime, "preview again", count, lambda work: drafting.preview_rollover(work, SYSTEM, town_id))
    _measure_line(runtime, "licence overlap, 20 apps", count, lambda work: list_licence_overlaps(work, SYSTEM, rollover.id))
    with runtime.open_unit_of_work() as work:
        school_id = work.session.scalars(select(School.id).where(School.town_id == town_id)).first()
        assert school_id is not None
        returns.plan_return_days(work, SYSTEM, rollover.id, school_id, [(None, date(2027, 6, 24))])
    _measure_line(runtime, "return campaign opened", count, lambda work: returns.open_campaign(work, SYSTEM, rollover.id))
    _measure_line(runtime, "its progress", count, lambda work: returns.list_tablet_returns(work, SYSTEM, rollover.id))
    _measure_line(
        runtime,
        "a passage brought up to date for a list of August",
        count,
        lambda work: incoming_year.prepare_rollover(work, SYSTEM, town_id, "2027-2028"),
    )
    clock.advance(datetime(2027, 9, 1, 8, tzinfo=UTC) - clock.now())
    _measure_batches(runtime, "apply", lambda work: applying.apply_batch(work, SYSTEM, rollover.id))
    _measure_batches(runtime, "undo", lambda work: applying.undo_batch(work, SYSTEM, rollover.id))
    _measure_batches(runtime, "apply again", lambda work: applying.apply_batch(work, SYSTEM, rollover.id))
    _measure_line(runtime, "close", count, lambda work: applying.close_rollover(work, SYSTEM, rollover.id))
    runtime.engine.dispose()


def _seed_town(work: UnitOfWork, count: int) -> UUID:
    """Add twelve schools. The first continues under another code, so that pupils and tablets change their school too."""
    town = create_town(work, SYSTEM, name="Mesure")
    codes = [f"{920000 + number:07d}" for number in range(SCHOOLS + 1)]
    schools = [School(id=new_id(), town_id=town.id, uai=code + compute_uai_check_letter(code), name=code) for code in codes]
    work.session.add_all(schools)
    work.session.flush()
    succession.record_school_succession(work, SYSTEM, schools[0].id, schools[-1].id)
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
        for school in schools[:SCHOOLS]
        for n in range(CLASSES)
    ]
    work.session.add_all(classes)
    work.session.flush()
    loans = []
    for number in range(count):
        school_class, grade = classes[number % len(classes)], GRADES[number % len(GRADES)]
        pupil = Pupil(id=new_id(), town_id=town.id, school_id=school_class.school_id, class_id=school_class.id, grade=grade, last_name=f"NOM{number}",
                      first_name="Ana", name_hash=f"{number:064d}", state=PupilState.ACTIVE)  # fmt: skip
        tablet = Tablet(id=new_id(), town_id=town.id, school_id=school_class.school_id, serial=f"S{number:07d}", tag=f"M-{number:05d}",
                        state=TabletState.IN_USE, created_at=work.now)  # fmt: skip
        loan = Loan(town_id=town.id, tablet_id=tablet.id, pupil_id=pupil.id, opened_at=work.now)
        work.session.add_all([pupil, tablet])
        loans.append(loan)
    work.session.flush()
    work.session.add_all(loans)
    work.session.flush()
    for number in range(20):
        app = create_app(work, SYSTEM, town.id, name=f"App {number}", bundle_identifier=f"fr.app{number}",
                                app_store_id=number + 1, manifest_url=None)  # fmt: skip
        bundle = bundles.create_bundle(work, SYSTEM, town.id, f"Bundle {number}", [app.id])
        bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.GRADE, GRADES[number % len(GRADES)].value)
    return town.id


def _measure_line(runtime: Runtime, what: str, count: int, act: Callable[[UnitOfWork], T]) -> T:
    statements = 0

    def count_statement(*_: object) -> None:
        nonlocal statements
        statements += 1

    event.listen(runtime.engine, "before_cursor_execute", count_statement)
    started = time.perf_counter()
    with runtime.open_unit_of_work() as work:
        result = act(work)
    seconds = time.perf_counter() - started
    event.remove(runtime.engine, "before_cursor_execute", count_statement)
    print(f"| {what} | {result if isinstance(result, int) else count} | {seconds:.2f} | {statements} |", flush=True)
    return result


def _measure_batches(runtime: Runtime, what: str, act: Callable[[UnitOfWork], int]) -> None:
    number = 1
    while _measure_line(runtime, f"{what}, part {number}", 0, act):
        number += 1


if __name__ == "__main__":
    main()
