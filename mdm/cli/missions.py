"""The command `cartable mission`: calls a technician of several towns to one of them for some days, lists missions, ends one."""

from __future__ import annotations

import argparse
from datetime import date
from uuid import UUID

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import missions
from mdm.accounts.models import Account, Mission
from mdm.cli.towns import find_town


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="let a technician see a town on some days")
    create.add_argument("town", help="the short name of the town")
    create.add_argument("login", help="of a technician, see `cartable technician`")
    create.add_argument("first_day", type=date.fromisoformat, metavar="FIRST-DAY", help="such as 2026-09-01")
    create.add_argument("last_day", type=date.fromisoformat, metavar="LAST-DAY")
    create.add_argument("reason", help="without names")
    actions.add_parser("list", help="show the missions of a town, now and to come").add_argument("town")
    actions.add_parser("end", help="end a mission at once").add_argument("mission", type=UUID, help="its id, as `list` shows it")


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Run one action. Raises `NotFound`, and what `missions` raises."""
    match parsed.action:
        case "create":
            town = find_town(work, parsed.town)
            mission = missions.create_mission(
                work, SYSTEM, town.id, parsed.login, parsed.first_day, parsed.last_day, parsed.reason
            )
            _show(mission, work.session.get_one(Account, mission.account_id))
        case "list":
            for row in missions.list_missions(work, SYSTEM, find_town(work, parsed.town).id).items:
                _show(*row)
        case _:
            missions.end_mission(work, SYSTEM, parsed.mission)
            print("ended")


def _show(mission: Mission, account: Account) -> None:
    print(f"{mission.id} {account.login}: {mission.first_day} to {mission.last_day}, {mission.reason}")
