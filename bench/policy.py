"""`python -m bench.policy`: measures compiling a town from nothing and after one edit, evaluating modes, and a change of mode.

It runs on a durable PostgreSQL; each step is done as the worker does it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import Engine, delete, event, func, insert, select

from bench.__main__ import print_machine, print_progress, settle_database
from cartable.clock import ManualClock
from cartable.embedded_postgres import PostgresServer, find_binaries
from cartable.ids import new_id
from cartable.migrate import upgrade
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import load_facts
from enrollment.identity import service as identity
from enrollment.identity import tls
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Grade, School, SchoolClass, Town
from enrollment.tablets.models import Loan, Tablet, TabletState
from mdm.composition import compose
from mdm.worker.drains import drain
from profiles.effective.models import DeclarationSet, RenderedProfile
from profiles.effective.preview import preview
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind, VersionState
from profiles.policy.models import PolicyDocument
from profiles.policy.repository import PolicyRepository
from profiles.schedule import authoring
from profiles.schedule.service import evaluate_modes

TOWN, SCHOOLS, CLASSES = 4000, 12, 12
_GRADES = (Grade.CP, Grade.CE1, Grade.CE2, Grade.CM1, Grade.CM2)
_DAY = [
    {"kind": "after_school", "from": "07:30", "to": "08:20"},
    {"kind": "school", "from": "08:20", "to": "11:30"},
    {"kind": "after_school", "from": "11:30", "to": "13:20"},
    {"kind": "school", "from": "13:20", "to": "16:30"},
    {"kind": "after_school", "from": "16:30", "to": "18:30"},
]
_WEEK = dict.fromkeys(("mon", "tue", "thu", "fri"), _DAY)
#: A Monday with school, during night rest.
START = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


def main() -> None:
    """Measure in a town, then in a fleet of `--fleet` tablets around it."""
    parser = argparse.ArgumentParser(prog="python -m bench.policy")
    parser.add_argument("--fleet", type=int, default=130_000)
    asked = parser.parse_args()
    print_machine()
    with _start_runtime() as (runtime, clock):
        print_progress("seeding a town of 4 000")
        town, first_class = seed_town(runtime, TOWN)
        settle_database(runtime)
        print("\n| what | tablets | seconds | CPU s | statements | commits |\n|---|---|---|---|---|---|")
        whole = _measure_line("decide a town from nothing", TOWN, lambda: _reconcile(runtime))
        with runtime.open_unit_of_work() as work:
            situations = work.session.scalar(select(func.count()).select_from(DeclarationSet))
            profiles = work.session.scalar(select(func.count()).select_from(RenderedProfile))
        _measure_line("preview of a town's draft", TOWN, lambda: _preview_draft(runtime, town))
        small = min(
            _measure_line("an edit of one class", 28, lambda: _edit_class_document(runtime, town, first_class)) for _ in range(3)
        )
        clock.advance(datetime(2026, 11, 23, 7, 20, tzinfo=UTC) - clock.now())
        _measure_line("decide a change of mode", TOWN, lambda: _change_modes(runtime))
        print_progress(f"seeding {asked.fleet - TOWN} tablets of other towns")
        for _ in range((asked.fleet - TOWN) // TOWN):
            seed_town(runtime, TOWN)
        with runtime.open_unit_of_work() as work:
            work.session.execute(delete(OutboxRow))  # their first decisions are not what is measured here
        settle_database(runtime)
        with runtime.open_unit_of_work() as work:
            ids = list(work.session.scalars(select(Tablet.id)))
        large = min(
            _measure_line("an edit of one class, fleet around", 28, lambda: _edit_class_document(runtime, town, first_class))
            for _ in range(3)
        )
        _measure_line("mode of every tablet", len(ids), lambda: _evaluate_all_modes(runtime, ids))
        print(f"\n{situations} situations, {profiles} profiles; {1000 * whole / TOWN:.2f} ms a tablet from nothing")
        print(f"edit in the fleet / edit in the town: {large / small:.2f}")


@contextmanager
def _start_runtime() -> Iterator[tuple[Runtime, ManualClock]]:
    folder = Path(tempfile.mkdtemp(prefix="cartable-bench-"))
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL was not found: run `make setup`")
    server = PostgresServer(binaries, durable=True)
    clock = ManualClock(START)
    try:
        settings = Settings(
            _env_file=None, data_dir=folder, database_url=server.create_database("bench"), public_url="https://bench.invalid"
        )
        runtime = compose(settings, clock=clock)
        upgrade(runtime.engine)
        with runtime.open_unit_of_work() as work:
            identity.ensure_authority(work)
            tls.ensure_server_certificate(work, ["localhost"])
        yield runtime, clock
        runtime.engine.dispose()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def seed_town(runtime: Runtime, count: int) -> tuple[UUID, UUID]:
    """Add a town with schools, classes, a timetable and tablets on loan; return the ids of the town and of one class."""
    from mdm.devices.models import DeviceEnrollment, EnrollmentState

    with runtime.open_unit_of_work() as work:
        town = Town(name="Mesure", slug=f"m-{uuid4().hex[:8]}", zone="C", time_zone="Europe/Paris", tag_prefix="M")
        work.session.add(town)
        work.session.flush()
        classes: list[tuple[UUID, UUID, Grade]] = []
        for _ in range(SCHOOLS):
            school = School(town_id=town.id, uai=uuid4().hex[:8].upper(), name="École")
            work.session.add(school)
            work.session.flush()
            for index in range(CLASSES):
                label = f"C{index}"
                made = SchoolClass(
                    town_id=town.id, school_id=school.id, school_year="2026-2027", label=label, label_key=label, label_order=label
                )
                work.session.add(made)
                work.session.flush()
                classes.append((school.id, made.id, _GRADES[index % 5]))
        places = [classes[number % len(classes)] for number in range(count)]
        pupils = [
            {"id": new_id(), "town_id": town.id, "school_id": s, "class_id": c, "grade": grade, "last_name": "M", "first_name": "M",
             "name_hash": f"{n:064d}", "take_home": True, "state": PupilState.ACTIVE}
            for n, (s, c, grade) in enumerate(places)
        ]  # fmt: skip
        tablets = [
            {"id": new_id(), "town_id": town.id, "school_id": s, "serial": uuid4().hex[:12].upper(), "tag": f"M-{n:06d}",
             "state": TabletState.IN_USE, "os_version": ("26.1", "18.6.2", "16.7.10")[n % 3], "supervised": True,
             "created_at": work.now, "evidence_hold": False}
            for n, (s, _, _) in enumerate(places)
        ]  # fmt: skip
        work.session.execute(insert(Pupil), pupils)
        work.session.execute(insert(Tablet), tablets)
        loans = [
            {"id": new_id(), "town_id": town.id, "tablet_id": t["id"], "pupil_id": p["id"], "opened_at": work.now}
            for t, p in zip(tablets, pupils, strict=True)
        ]
        work.session.execute(insert(Loan), loans)
        enrollments = [
            {"town_id": town.id, "tablet_id": t["id"], "channel_key": (u := uuid4().hex.upper()), "udid": u, "generation": 1,
             "state": EnrollmentState.ENROLLED, "fingerprint": uuid4().hex, "awaiting_configuration": False,
             "authenticated_at": work.now, "enrolled_at": work.now}
            for t in tablets
        ]  # fmt: skip
        work.session.execute(insert(DeviceEnrollment), enrollments)
        authoring.save_timetable(work, SYSTEM, town.id, None, week=_WEEK, calendar="C", night=("20:00", "07:00"))
        for level in _GRADES:
            document = documents.open_document(work, SYSTEM, town.id, PlaceKind.GRADE, level.value)
            _publish(work, document, {"school": {"allowSafari": level.rank > 5}})
        return town.id, classes[0][1]


def _reconcile(runtime: Runtime) -> None:
    drain(runtime, Topic.RECONCILE)


def _publish(work: UnitOfWork, document: PolicyDocument, values: dict[str, dict[str, object]]) -> None:
    draft = life.Draft(PolicyContent(values), reason="bench")
    life.publish(work, SYSTEM, document, life.save_draft(work, SYSTEM, document, draft).number)


def _edit_class_document(runtime: Runtime, town_id: UUID, class_id: UUID) -> None:
    with runtime.open_unit_of_work() as work:
        document = documents.open_document(work, SYSTEM, town_id, PlaceKind.CLASS, str(class_id))
        former = PolicyRepository(work.session).get_version_in_state(document, VersionState.LIVE)
        camera = former is not None and not former.values["all"]["allowCamera"]
        _publish(work, document, {"all": {"allowCamera": camera}})
        waiting = work.session.scalar(select(func.count()).select_from(OutboxRow).where(OutboxRow.topic == Topic.RECONCILE))
        assert waiting
    drain(runtime, Topic.RECONCILE)


def _preview_draft(runtime: Runtime, town_id: UUID) -> None:
    with runtime.open_unit_of_work() as work:
        document = documents.open_document(work, SYSTEM, town_id, PlaceKind.TOWN, "")
        found = preview(work, document, PolicyContent({"all": {"allowAirDrop": False}}))
        assert found.changed == TOWN


def _change_modes(runtime: Runtime) -> None:
    from mdm.reconcile.service import reevaluate_due_modes

    with runtime.open_unit_of_work() as work:
        reevaluate_due_modes(work)
    drain(runtime, Topic.RECONCILE)


def _evaluate_all_modes(runtime: Runtime, ids: list[UUID]) -> None:
    for start in range(0, len(ids), 5000):
        with runtime.open_unit_of_work() as work:
            evaluate_modes(work, load_facts(work, ids[start : start + 5000]).values())


def _measure_line(name: str, tablets: int, act: Callable[[], None]) -> float:
    counted = {"statements": 0, "commits": 0}

    def statement(*_: object) -> None:
        counted["statements"] += 1

    def commit(_: object) -> None:
        counted["commits"] += 1

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    started, used = time.perf_counter(), time.process_time()
    act()
    took, used = time.perf_counter() - started, time.process_time() - used
    event.remove(Engine, "before_cursor_execute", statement)
    event.remove(Engine, "commit", commit)
    print(f"| {name} | {tablets:,} | {took:.2f} | {used:.2f} | {counted['statements']} | {counted['commits']} |", flush=True)
    return took


if __name__ == "__main__":
    main()
