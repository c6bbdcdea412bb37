"""The command `cartable staff`: enters adults of a school by hand, and lists those of a town."""

from __future__ import annotations

import argparse
from datetime import date

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.people import staff
from enrollment.people.models import AssignmentKind, StaffMember
from mdm.cli.towns import find_school, find_town


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="enter an adult of a school; once more with the same words it changes nothing")
    add.add_argument("school", metavar="UAI", help="the code of the school")
    add.add_argument("last_name", metavar="LAST-NAME")
    add.add_argument("first_name", metavar="FIRST-NAME")
    add.add_argument("--email")
    add.add_argument("--kind", type=AssignmentKind, choices=list(AssignmentKind), default=AssignmentKind.MAIN)
    add.add_argument("--last-day", type=date.fromisoformat, metavar="DAY", help="such as 2027-07-05; without it until they leave")
    actions.add_parser("list", help="list the adults of a town with their ids").add_argument("town", help="its short name")


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Run one action. Raises `NotFound`, `Invalid`."""
    if parsed.action == "list":
        for each in staff.list_staff(work, SYSTEM, find_town(work, parsed.town).id):
            _show(each.member)
        return
    member = staff.add_staff_member(
        work, SYSTEM, find_school(work, parsed.school).id, last_name=parsed.last_name, first_name=parsed.first_name,
        email=parsed.email, kind=parsed.kind, last_day=parsed.last_day,
    )  # fmt: skip
    _show(member)


def _show(member: StaffMember) -> None:
    print(f"{member.id} {member.first_name} {member.last_name}")
