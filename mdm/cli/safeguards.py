"""The commands `cartable stop`, `cartable budget-limits` and `cartable alarms`: the safeguards from the operator's side."""

from __future__ import annotations

import argparse
from uuid import UUID

from cartable import alarms
from cartable.errors import Invalid
from cartable.i18n import ENGLISH
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.safeguards import budget, stop_switch
from enrollment.safeguards.rules import Limits
from mdm.cli.towns import find_town


def add_stop_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable stop`."""
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("town", nargs="?", help="the town's short name")
    place.add_argument("--all", action="store_true", help="stop every town of this server")
    parser.add_argument("--reason", help="why, without names")
    act = parser.add_mutually_exclusive_group()
    act.add_argument("--request-release", action="store_true", help="request the release; an administrator of the town approves")
    act.add_argument("--approve-release", action="store_true", help="approve what an administrator of the town has requested")


def add_limit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable budget-limits`."""
    parser.add_argument("town", help="the town's short name")
    for name in ("--person-per-hour", "--person-per-day", "--town-per-day"):
        parser.add_argument(name, type=int, required=True, help="in tablets")


def add_alarm_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable alarms`."""
    parser.add_argument("--acknowledge", type=UUID, metavar="ID", help="take note of one alarm")


def run_stop(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Set the stop switch of a town or of all, or release it as one of two people. Prints the towns that are stopped.

    Raises `NotFound`, `Invalid`, `NoReleaseRequested`, `SamePerson`.
    """
    towns = list(places.list_towns(work, SYSTEM)) if parsed.all else [find_town(work, parsed.town)]
    if not parsed.approve_release and not (parsed.reason or "").strip():
        raise Invalid(field="reason")
    for town in sorted(towns, key=lambda each: str(each.id)):
        if parsed.approve_release:
            stop_switch.approve_release(work, SYSTEM, town.id)
        elif parsed.request_release:
            stop_switch.request_release(work, SYSTEM, town.id, parsed.reason)
        else:
            stop_switch.stop(work, SYSTEM, town.id, parsed.reason)
    stopped = stop_switch.list_stopped_towns(work, {town.id for town in towns})
    for town in towns:
        print(f"{town.slug}: {'stopped' if town.id in stopped else 'not stopped'}")


def run_budget_limits(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Set the limits of a town. Raises `NotFound`, `Invalid`."""
    limits = Limits(parsed.person_per_hour, parsed.person_per_day, parsed.town_per_day)
    budget.set_limits(work, find_town(work, parsed.town).id, limits)


def run_alarms(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Acknowledge an alarm if one is named, then print the alarms that nobody has acknowledged. Raises `AlarmNotFound`."""
    if parsed.acknowledge is not None:
        alarms.acknowledge_alarm(work, SYSTEM, parsed.acknowledge)
    slugs = {town.id: town.slug for town in places.list_towns(work, SYSTEM)}
    for alarm in alarms.list_open_alarms(work, slugs.keys(), limit=200):
        town = slugs[alarm.town_id] if alarm.town_id else "server"
        print(
            f"{alarm.id}  {alarm.raised_at:%Y-%m-%d %H:%M}  {alarm.severity.value:8}  {town}: {alarms.describe_alarm(alarm, ENGLISH)}"
        )
