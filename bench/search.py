"""`python -m bench.search`: searches a name among 130 000 pupils, in one town and in thirty, as suggestions do, with the audit of readings."""

from __future__ import annotations

import argparse
import random
import statistics
import time
from uuid import UUID

from bench.__main__ import print_machine, print_progress, settle_database, start_database
from cartable.ids import new_id
from cartable.migrate import upgrade
from cartable.scope import Actor, Role, RoleAssignment
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.people import service
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Grade, School, Town
from mdm.composition import compose

_SYLLABLES = (
    "MAR",
    "TIN",
    "BER",
    "NARD",
    "DU",
    "BOIS",
    "LE",
    "ROY",
    "GAU",
    "TIER",
    "MO",
    "REAU",
    "SI",
    "MON",
    "LAU",
    "RENT",
    "FON",
    "TAI",
    "NE",
)
_FIRST = (
    "Zoé",
    "Léa",
    "Jules",
    "Inès",
    "Adam",
    "Lina",
    "Marie",
    "Martin",
    "Noé",
    "Anaïs",
    "Hugo",
    "Sarah",
    "Louis",
    "Jean-Baptiste",
    "Élise",
)
#: A search that is true of many, of some, of few, of nobody.
SEARCHES = ("mar", "marie", "martin zo", "gautier tin", "laurentfon", "jean-b leroy", "xyz")
_BATCH = 5000


def main() -> None:
    """Seed and search on each database, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.search")
    parser.add_argument("--pupils", type=int, default=130_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--databases", default="postgresql,sqlite")
    arguments = parser.parse_args()
    print_machine()
    for database in arguments.databases.split(","):
        for towns in (1, 30):
            with start_database(database) as (folder, url, _pid):
                runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid"))
                upgrade(runtime.engine)
                started = time.monotonic()
                town_ids = seed_pupils(runtime, towns, arguments.pupils)
                print_progress(f"seeded in {time.monotonic() - started:.0f} s")
                settle_database(runtime)
                print(f"\n### {database}, {arguments.pupils} pupils in {towns} town(s)\n")
                print("| search | matches shown | p50 ms | worst ms |\n|---|---|---|---|")
                for text in SEARCHES:
                    print(measure(runtime, town_ids, text, arguments.rounds), flush=True)
                runtime.engine.dispose()


def measure(runtime: Runtime, town_ids: list[UUID], text: str, rounds: int) -> str:
    """Search a text again and again; return a row of the table."""
    helpdesk = Actor(new_id(), "bench", tuple(RoleAssignment(Role.HELPDESK, town_id) for town_id in town_ids))
    times, shown = [], 0
    for _ in range(rounds):
        started = time.perf_counter()
        with runtime.open_unit_of_work() as work:
            shown = len(service.search_pupils(work, helpdesk, town_ids, text))
        times.append((time.perf_counter() - started) * 1000)
    return f"| {text} | {shown} | {statistics.median(times):.0f} | {max(times):.0f} |"


def seed_pupils(runtime: Runtime, towns: int, count: int) -> list[UUID]:
    """Add towns with pupils of invented names; return the ids of the towns."""
    chance = random.Random(7)
    ids, schools = [], []
    with runtime.open_unit_of_work() as work:
        for number in range(towns):
            town = Town(name=f"T{number}", slug=f"t-{number}", zone="C", time_zone="Europe/Paris", tag_prefix=f"T{number}")
            work.session.add(town)
            work.session.flush()
            school = School(town_id=town.id, uai=f"{number:07d}A", name="École")
            work.session.add(school)
            work.session.flush()
            ids.append(town.id)
            schools.append(school)
    for start in range(0, count, _BATCH):
        with runtime.open_unit_of_work() as work:
            work.session.add_all(
                _make_pupil(chance, number, schools[number % towns]) for number in range(start, min(start + _BATCH, count))
            )
    return ids


def _make_pupil(chance: random.Random, number: int, school: School) -> Pupil:
    return Pupil(
        id=new_id(), town_id=school.town_id, school_id=school.id, grade=chance.choice(list(Grade)), state=PupilState.ACTIVE,
        last_name="".join(chance.sample(_SYLLABLES, chance.randint(1, 3))), first_name=chance.choice(_FIRST), name_hash=f"{number:064d}",
    )  # fmt: skip


if __name__ == "__main__":
    main()
