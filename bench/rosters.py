"""`python -m bench.rosters`: measures imports of about 4 000 pupils: the first, the same again, a new year, undo, export.

It runs on SQLite and on a durable PostgreSQL; each step is what the API calls, in one transaction.
"""

from __future__ import annotations

import argparse
import csv
import io
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from bench.__main__ import print_machine, print_progress, start_database
from cartable.ids import new_id
from cartable.migrate import upgrade
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.places.schools import create_school
from enrollment.places.towns import create_town
from enrollment.rosters import demo
from enrollment.rosters.exports import service as exports
from enrollment.rosters.imports import previewing, service
from enrollment.rosters.imports.changes import ChangeKind
from enrollment.rosters.reading import read_roster
from mdm.composition import compose

T = TypeVar("T")
HEADER = "| act | lines | seconds | result |\n|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """An import that waits for confirmation, and its counts as text."""

    id: UUID
    summary: str


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser(prog="python -m bench.rosters")
    parser.add_argument("--databases", default="postgresql,sqlite")
    arguments = parser.parse_args()
    print_machine()
    for database in arguments.databases.split(","):
        with start_database(database) as (folder, url, _pid):
            print(f"\n### {database}\n\n{HEADER}")
            _measure_town(folder, url)
    print(f"\nlargest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _measure_town(folder: Path, url: str) -> None:
    runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid"))
    upgrade(runtime.engine)
    files = demo.generate_files()
    with runtime.open_unit_of_work() as work:
        town = create_town(work, SYSTEM, name="Mesure")
        for file in files:
            create_school(work, SYSTEM, town.id, file.uai, file.school_name)
    actor = Actor(new_id(), "bench", (RoleAssignment(Role.TOWN_ADMIN, town.id),))
    second = Actor(new_id(), "bench 2", (RoleAssignment(Role.TOWN_ADMIN, town.id),))
    town_file = build_town_file(files)
    lines = town_file.count(b"\n") - 1
    print_progress(f"{lines} lines in one file")
    first = _measure_line(
        "preview of the whole town, all new", lines, lambda: _preview_import(runtime, actor, town.id, town_file)
    )
    _measure_line("confirm", lines, lambda: _confirm_import(runtime, second, first.id))
    _measure_line("preview of the same file, nothing changes", lines, lambda: _preview_import(runtime, actor, town.id, town_file))
    next_year_file = build_town_file(files, shift=1)
    other = _measure_line(
        "preview, everybody below CM2 one grade up", lines, lambda: _preview_import(runtime, actor, town.id, next_year_file)
    )
    _measure_line("confirm", lines, lambda: _confirm_import(runtime, second, other.id))
    _measure_line("undo", lines, lambda: _undo_import(runtime, actor, other.id))
    _measure_line(
        "preview of 12 ONDE files, one by one",
        lines,
        lambda: [_preview_import(runtime, actor, town.id, f.content, f.uai) for f in files],
    )
    archive = _measure_line("OneRoster 1.2 export", lines, lambda: _export_oneroster(runtime, actor, town.id))
    _measure_line("preview of that archive, nothing changes", lines, lambda: _preview_import(runtime, actor, town.id, archive))
    runtime.engine.dispose()


def build_town_file(files: list[demo.DemoFile], shift: int = 0) -> bytes:
    """Build one file of all pupils of the demonstration town, with school codes and birth dates.

    `shift` moves pupils up by so many grades, as at the end of a school year.
    """
    levels = ("CP", "CE1", "CE2", "CM1", "CM2", "CM2")
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    writer.writerow(
        ["school_uai", "Nom", "Prénom", "Nom d'usage", "Date naissance", "INE", "Niveau", "Libellé classe", "Identifiant classe"]
    )
    for file in files:
        for row in read_roster(file.content).rows:
            level = levels[levels.index(row.grade.value) + shift] if row.grade else ""
            writer.writerow([file.uai, row.last_name, row.first_name, row.usage_name, row.birth_date, row.ine, level,
                             row.class_label, row.onde_class_id])  # fmt: skip
    return out.getvalue().encode()


def _measure_line(what: str, lines: int, act: Callable[[], T]) -> T:
    started = time.perf_counter()
    result = act()
    seconds = time.perf_counter() - started
    summary = result.summary if isinstance(result, ImportPreview) else ""
    print(f"| {what} | {lines} | {seconds:.2f} | {summary} |", flush=True)
    return result


def _preview_import(runtime: Runtime, actor: Actor, town_id: UUID, content: bytes, uai: str | None = None) -> ImportPreview:
    with runtime.open_unit_of_work() as work:
        row = previewing.preview_import(work, actor, town_id, content, uai)
        summary = ", ".join(f"{count} {kind.value}" for kind in ChangeKind if (count := row.counts[kind.value]))
        return ImportPreview(row.id, summary)


def _confirm_import(runtime: Runtime, actor: Actor, import_id: UUID) -> None:
    with runtime.open_unit_of_work() as work:
        service.confirm_import(work, actor, import_id)


def _undo_import(runtime: Runtime, actor: Actor, import_id: UUID) -> None:
    with runtime.open_unit_of_work() as work:
        service.undo_import(work, actor, import_id)


def _export_oneroster(runtime: Runtime, actor: Actor, town_id: UUID) -> bytes:
    with runtime.open_unit_of_work() as work:
        return exports.export_oneroster(work, actor, town_id)


if __name__ == "__main__":
    main()
