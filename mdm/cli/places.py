"""The command `cartable town`: shows or sets the holiday zone and the time zone of a town or of one of its schools."""

from __future__ import annotations

import argparse

from cartable.errors import NotFound
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import School, Town
from enrollment.places.repository import PlaceRepository
from enrollment.places.zones import HolidayZone
from profiles.schedule import authoring


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("slug", help="the town's short name, as in its addresses")
    parser.add_argument("--school", metavar="UAI", help="set the zones of this school instead of the town's")
    parser.add_argument("--zone", type=HolidayZone, choices=list(HolidayZone), help="the holiday zone")
    parser.add_argument("--time-zone", metavar="NAME", help="such as Indian/Reunion; without it that of the holiday zone")


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Set what is given and print the zones of the town and of its schools. Raises `NotFound`, `UnknownTimeZone`."""
    town = find_town(work, parsed.slug)
    if parsed.school is not None:
        school = PlaceRepository(work.session).find_school_by_uai(parsed.school.strip().upper())
        if school is None or school.town_id != town.id:
            raise NotFound(field="school")
        if parsed.zone is not None or parsed.time_zone is not None:
            authoring.set_school_zones(work, SYSTEM, school.id, zone=parsed.zone or school.zone, time_zone=parsed.time_zone)
    elif parsed.zone is not None or parsed.time_zone is not None:
        authoring.set_town_zones(work, SYSTEM, town.id, zone=parsed.zone or town.zone, time_zone=parsed.time_zone)
    print(_describe_town(work, town))
    for each in places.list_schools(work, SYSTEM, town.id):
        print(_describe_school(work, each, town))


def find_town(work: UnitOfWork, slug: str) -> Town:
    """Return the town with this short name. Raises `NotFound`."""
    town = PlaceRepository(work.session).find_town_by_slug(slug)
    if town is None:
        raise NotFound(field="town")
    return town


def _describe_town(work: UnitOfWork, town: Town) -> str:
    now = work.now.astimezone(places.get_town_zone(work, town.id))
    return f"{town.slug}: zone {town.zone}, {town.time_zone}, {now:%Y-%m-%d %H:%M}"


def _describe_school(work: UnitOfWork, school: School, town: Town) -> str:
    now = work.now.astimezone(places.get_school_zone(work, school))
    return f"  {school.uai}: zone {school.zone or town.zone}, {school.time_zone or town.time_zone}, {now:%Y-%m-%d %H:%M}"
