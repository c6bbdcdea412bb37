"""The command `cartable town`: creates towns, lists them, changes what a town says of itself, its zones and those of a school."""

from __future__ import annotations

import argparse

from cartable.errors import NotFound
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places import towns
from enrollment.places.errors import TownExists
from enrollment.places.hosts import normalise_host
from enrollment.places.models import School, Town
from enrollment.places.repository import PlaceRepository
from enrollment.places.rules import make_slug
from enrollment.places.zones import HolidayZone
from profiles.schedule import authoring


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create a town; once more with the same words it changes nothing")
    create.add_argument("name", help="the name as people write it, such as Belleville-sur-Craie")
    create.add_argument("--slug", help="short name for this command and for addresses; without it made of the name")
    create.add_argument(
        "--tag-prefix", metavar="LETTERS", help="what inventory tags begin with; without it made of the short name"
    )
    create.add_argument(
        "--host",
        metavar="NAME",
        help="host name at which its tablets reach the server, for ever; without it that of the installation",
    )
    _add_facts(create)
    actions.add_parser("list", help="list the towns")
    change = actions.add_parser("set", help="change what is given and show the town")
    change.add_argument("slug", help="the short name of the town")
    change.add_argument("--name")
    change.add_argument("--school", metavar="UAI", help="set the zones of this school instead of the town's")
    _add_facts(change)
    actions.add_parser("show", help="show a town and its schools").add_argument("slug", help="the short name of the town")


def _add_facts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--zone", type=HolidayZone, choices=list(HolidayZone), help="the holiday zone; C for a new town")
    parser.add_argument("--time-zone", metavar="NAME", help="such as Indian/Reunion; without it that of the holiday zone")
    parser.add_argument("--phone", help="phone number that a lost tablet shows")
    parser.add_argument(
        "--lost-message", metavar="TEXT", help="what a lost tablet shows; without it a sentence that names the town"
    )


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Run one action. Raises `NotFound`, and what the services of places raise."""
    match parsed.action:
        case "create":
            _create(work, parsed)
        case "list":
            for town in places.list_towns(work, SYSTEM):
                print(_describe_town(work, town))
        case "set":
            _set(work, parsed)
        case _:
            _show(work, find_town(work, parsed.slug))


def _create(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    slug = parsed.slug or make_slug(parsed.name)
    existing = PlaceRepository(work.session).find_town_by_slug(slug)
    if existing is not None:
        if existing.name != " ".join(parsed.name.split()) or (existing.host or "") != normalise_host(
            parsed.host or existing.host or ""
        ):
            raise TownExists(field="slug")
        print(f"{existing.slug} exists already: unchanged")
        return
    town = towns.create_town(
        work, SYSTEM, name=parsed.name, slug=parsed.slug, tag_prefix=parsed.tag_prefix, zone=parsed.zone or HolidayZone.C,
        time_zone=parsed.time_zone, support_phone=parsed.phone, lost_message=parsed.lost_message, host=parsed.host,
    )  # fmt: skip
    print(_describe_town(work, town))


def _set(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    town = find_town(work, parsed.slug)
    given = (parsed.name, parsed.phone, parsed.lost_message)
    if any(value is not None for value in given):
        towns.update_town(
            work, SYSTEM, town.id,
            name=parsed.name if parsed.name is not None else town.name,
            support_phone=parsed.phone if parsed.phone is not None else town.support_phone,
            lost_message=parsed.lost_message if parsed.lost_message is not None else town.lost_message,
        )  # fmt: skip
    if parsed.school is not None:
        school = find_school(work, parsed.school, town)
        if parsed.zone is not None or parsed.time_zone is not None:
            authoring.set_school_zones(work, SYSTEM, school.id, zone=parsed.zone or school.zone, time_zone=parsed.time_zone)
    elif parsed.zone is not None or parsed.time_zone is not None:
        authoring.set_town_zones(work, SYSTEM, town.id, zone=parsed.zone or town.zone, time_zone=parsed.time_zone)
    _show(work, town)


def find_town(work: UnitOfWork, slug: str) -> Town:
    """Return the town with this short name. Raises `NotFound`."""
    town = PlaceRepository(work.session).find_town_by_slug(slug)
    if town is None:
        raise NotFound(field="town")
    return town


def find_school(work: UnitOfWork, uai: str, town: Town | None = None) -> School:
    """Return the school with this code, of the town if one is given. Raises `NotFound`."""
    school = PlaceRepository(work.session).find_school_by_uai(uai.strip().upper())
    if school is None or (town is not None and school.town_id != town.id):
        raise NotFound(field="school")
    return school


def _show(work: UnitOfWork, town: Town) -> None:
    print(_describe_town(work, town))
    for each in places.list_schools(work, SYSTEM, town.id):
        print(_describe_school(work, each, town))


def _describe_town(work: UnitOfWork, town: Town) -> str:
    now = work.now.astimezone(places.get_town_zone(work, town.id))
    return (
        f"{town.slug}: {town.name}, zone {town.zone}, {town.time_zone}, {now:%Y-%m-%d %H:%M}, phone {town.support_phone or '–'}"
        f"{f', tablets at {town.host}' if town.host else ''}"
    )


def _describe_school(work: UnitOfWork, school: School, town: Town) -> str:
    now = work.now.astimezone(places.get_school_zone(work, school))
    return f"  {school.uai}: {school.name}, zone {school.zone or town.zone}, {school.time_zone or town.time_zone}, {now:%Y-%m-%d %H:%M}"
