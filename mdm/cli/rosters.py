"""The command `cartable roster`: shows what a roster file would change, and writes it once that is confirmed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from uuid import UUID

from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from cartable.uploads import read_upload
from enrollment.rosters.files.columns import FileKind
from enrollment.rosters.imports import service
from enrollment.rosters.imports.changes import ChangeKind
from enrollment.rosters.imports.previewing import prepare_reading, read_file, store_preview
from enrollment.rosters.models import RosterImport
from mdm.cli.towns import find_town


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    read = actions.add_parser(
        "import", help="read a roster and show what it would change; nothing of it is written to people yet"
    )
    read.add_argument("town", help="the short name of the town")
    read.add_argument("file", type=Path, help="ONDE, OneRoster or Cartable's own template (CSV, XLSX, ZIP)")
    read.add_argument("--school", metavar="UAI", help="the one school of a file that names none")
    read.add_argument(
        "--kind", type=FileKind, choices=list(FileKind), help="whom the file lists; without it found out by its columns"
    )
    read.add_argument("--year", help="such as 2026-2027; without it the present school year, in summer the coming one")
    read.add_argument("--only-classes", action="store_true", help="the file covers some classes only: nobody else has left")
    confirm = actions.add_parser("confirm", help="write what an import would change")
    confirm.add_argument("import_id", type=UUID, metavar="IMPORT", help="its id, as `import` shows it")
    discard = actions.add_parser("discard", help="forget an import that is not confirmed")
    discard.add_argument("import_id", type=UUID, metavar="IMPORT")


def run(runtime: Runtime, parsed: argparse.Namespace) -> int:
    """Run one action and return the exit code: 3 for an import that a second person must confirm. Raises what the services raise."""
    if parsed.action == "import":
        return _import(runtime, parsed)
    with runtime.open_unit_of_work() as work:
        if parsed.action == "confirm":
            row = service.confirm_import(work, SYSTEM, parsed.import_id)
            print(f"{row.id} is written: {_describe_counts(row)}")
        else:
            service.discard_import(work, SYSTEM, parsed.import_id)
            print(f"{parsed.import_id} is discarded")
    return 0


def _import(runtime: Runtime, parsed: argparse.Namespace) -> int:
    """Read the file between two transactions, in a process of its own: while it is read nothing waits for the database."""
    uai = parsed.school and parsed.school.strip().upper()
    with runtime.open_unit_of_work() as work:
        town_id = find_town(work, parsed.town).id
        options = prepare_reading(work, SYSTEM, town_id, uai, kind=parsed.kind, year=parsed.year)
    try:
        content = parsed.file.read_bytes()
    except OSError as error:
        sys.exit(f"{parsed.file} cannot be read: {error.strerror} / {parsed.file} ne peut pas être lu.")
    file = read_upload(read_file, content, options)
    with runtime.open_unit_of_work() as work:
        row = store_preview(work, SYSTEM, town_id, file, uai, only_classes=parsed.only_classes)
        print(f"{row.id}: {_describe_counts(row)}")
        for line in service.list_lines(work, SYSTEM, row.id):
            if line["kind"] in (ChangeKind.INVALID, ChangeKind.AMBIGUOUS, ChangeKind.DUPLICATE):
                print(f"  line {line['line']}: {line['kind']}")
        if row.needs_second_person:
            print("It would remove many people, so that two people confirm it in the console, on the page Rosters.")
            return 3
        print(f"Nothing is written yet: `cartable roster confirm {row.id}` within a day.")
    return 0


def _describe_counts(row: RosterImport) -> str:
    counts = {kind.value: row.counts.get(kind.value, 0) for kind in ChangeKind}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing changes"
