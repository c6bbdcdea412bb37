"""The command `cartable school`: adds schools one by one or by a list, renames, merges, closes and opens them."""

from __future__ import annotations

import argparse
from pathlib import Path

from cartable.errors import DomainError, NotFound
from cartable.i18n import Message
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.places import schools
from enrollment.places import service as places
from enrollment.places.models import School
from enrollment.places.rules import check_uai
from enrollment.rollover import closing
from enrollment.rollover.succession import record_school_succession
from mdm.cli.towns import find_school, find_town
from mdm.places import school_merge

_REFUSED = frozenset(
    {schools.SchoolLineOutcome.INVALID_UAI, schools.SchoolLineOutcome.INVALID_NAME, schools.SchoolLineOutcome.OF_ANOTHER_TOWN}
)


class UnreadableFile(DomainError):
    """A file that was named on the command line cannot be read."""

    code = "unreadable_file"
    message = Message("The file {name} cannot be read: {why}.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, help_text in (
        ("list", "list the schools of a town, the closed ones too"),
        ("add", "add a school; once more it changes nothing"),
        ("import", "add the schools of a list: the ministry's directory as CSV, or a code and a name on each line"),
    ):
        action = actions.add_parser(name, help=help_text)
        action.add_argument("town", help="the short name of the town")
        if name == "add":
            action.add_argument("uai", help="the code of the school, such as 0922999K")
            action.add_argument("name")
        elif name == "import":
            action.add_argument("file", type=Path)
    rename = actions.add_parser("rename", help="give a school another name")
    rename.add_argument("uai")
    rename.add_argument("name")
    close = actions.add_parser("close", help="close a school without pupils and tablets, or say as which school it goes on")
    close.add_argument("uai")
    close.add_argument(
        "--successor", metavar="UAI", help="its pupils change to this school at the next school year; close it after that"
    )
    merge = actions.add_parser(
        "merge", help="move everything of a school to another one of its town now, and close it; cannot be undone"
    )
    merge.add_argument("uai")
    merge.add_argument("into", metavar="INTO-UAI")
    merge.add_argument("--preview", action="store_true", help="only say what would move")
    actions.add_parser("open", help="open a closed school again").add_argument("uai")


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Run one action. Raises `NotFound`, `UnreadableFile`, and what the services of schools raise."""
    match parsed.action:
        case "list":
            for school in places.list_schools(work, SYSTEM, find_town(work, parsed.town).id, include_closed=True):
                print(_describe(school))
        case "add":
            _add(work, parsed)
        case "import":
            _import(work, parsed)
        case "rename":
            print(_describe(schools.rename_school(work, SYSTEM, find_school(work, parsed.uai).id, parsed.name)))
        case "close":
            _close(work, parsed)
        case "merge":
            _merge(work, parsed)
        case _:
            print(_describe(closing.open_school(work, SYSTEM, find_school(work, parsed.uai).id)))


def _add(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    town = find_town(work, parsed.town)
    try:
        existing = find_school(work, check_uai(parsed.uai)[0], town)
    except NotFound:
        print(_describe(schools.create_school(work, SYSTEM, town.id, parsed.uai, parsed.name)))
    else:
        print(f"{_describe(existing)} exists already: unchanged")


def _import(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    try:
        content = parsed.file.read_bytes()
    except OSError as error:
        raise UnreadableFile(name=str(parsed.file), why=error.strerror or "") from error
    reports = schools.import_schools(work, SYSTEM, find_town(work, parsed.town).id, schools.read_schools(content))
    for report in reports:
        if report.outcome in _REFUSED:
            print(f"line {report.line}: {report.uai} {report.name}: {report.outcome}")
    numbers = {outcome: sum(report.outcome is outcome for report in reports) for outcome in schools.SchoolLineOutcome}
    print(", ".join(f"{number} {outcome}" for outcome, number in numbers.items() if number))


def _close(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    school = find_school(work, parsed.uai)
    if parsed.successor is None:
        print(_describe(closing.close_school(work, SYSTEM, school.id)))
        return
    successor = find_school(work, parsed.successor)
    record_school_succession(work, SYSTEM, school.id, successor.id)
    print(f"{_describe(school)} goes on as {_describe(successor)} at the next school year")


def _merge(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    old, new = find_school(work, parsed.uai), find_school(work, parsed.into)
    act = school_merge.preview_merge if parsed.preview else school_merge.merge_schools
    counts = act(work, SYSTEM, old.id, new.id).counts
    print(", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items()))
    print(f"{_describe(old)} {'would go' if parsed.preview else 'went'} into {_describe(new)}")


def _describe(school: School) -> str:
    closed = f", closed on {school.closed_on}" if school.closed_on else ""
    return f"{school.uai} {school.name}{closed}"
