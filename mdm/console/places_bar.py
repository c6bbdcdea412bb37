"""The place that a person looks at (town, school, class), as the address says it: what the bar offers, and what lists are limited to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from cartable.i18n import Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people.service import list_classes_by_school
from enrollment.places import service as places
from mdm.care.today.kinds import TodayScope
from mdm.care.today.service import count_waiting

PLACE_RANKS = {"town": Message("Town"), "school": Message("School"), "class": Message("Class")}
#: The pages that show a school or a class of it; the others are about a town.
_NARROW_PAGES = frozenset({"/", "/today", "/search"})


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """A town, school or class by its name. Plain values: the frame shows them also when the transaction was rolled back."""

    id: UUID
    name: str
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person looks, and what they may choose instead. Several towns are never mixed in one list: one of them is chosen."""

    towns: Sequence[NamedPlace] = ()
    schools: Sequence[NamedPlace] = ()
    classes: Sequence[NamedPlace] = ()
    town: NamedPlace | None = None
    school: NamedPlace | None = None
    school_class: NamedPlace | None = None
    sees: bool = False

    @property
    def crumbs(self) -> list[str]:
        """The names of the place, the widest first."""
        return [each.name for each in (self.town, self.school, self.school_class) if each is not None]

    @property
    def has_choice(self) -> bool:
        """Whether there is another place to look at."""
        return len(self.towns) > 1 or len(self.schools) > 1 or bool(self.classes)

    def to_scope(self) -> TodayScope | None:
        """Return the place as services take it; None where the actor sees no tablet."""
        if self.town is None or not self.sees:
            return None
        school_id = self.school.id if self.school is not None else None
        class_id = self.school_class.id if self.school_class is not None else None
        return TodayScope(self.town.id, school_id, class_id)

    def build_query(self, *, narrow: bool) -> str:
        """Return the query of an address that keeps the place; with `narrow` the school and the class too. Empty for who has one town."""
        pairs: list[tuple[str, str]] = []
        if self.town is not None and (len(self.towns) > 1 or (narrow and self.school is not None)):
            pairs.append(("town", str(self.town.id)))
        if narrow and self.school is not None:
            pairs.append(("school", str(self.school.id)))
        if narrow and self.school_class is not None:
            pairs.append(("class_id", str(self.school_class.id)))
        return urlencode(pairs)


def load_place(work: UnitOfWork, actor: Actor, query: Mapping[str, str]) -> Place:
    """Return the place that an address names by `town`, `school` and `class_id`; what the actor may not see is left out.

    Without a town it is the first of the actor's.
    """
    own_towns = actor.list_own_towns()
    rows = places.list_towns(work, actor) if own_towns else ()
    towns = [NamedPlace(row.id, row.name, row.time_zone) for row in rows if row.id in own_towns]
    town = _choose(towns, query.get("town", "")) or (towns[0] if towns else None)
    if town is None or not actor.has_permission_somewhere(Permission.SEE, town.id):
        return Place(towns=towns, town=town)
    schools = [NamedPlace(row.id, row.name, row.time_zone) for row in places.list_schools(work, actor, town.id)]
    school = _choose(schools, query.get("school", "")) or (schools[0] if len(schools) == 1 and query.get("class_id") else None)
    rows_of_school = list_classes_by_school(work, actor, town.id).get(school.id, []) if school is not None else []
    classes = [NamedPlace(row.id, row.label) for row in rows_of_school]
    return Place(towns, schools, classes, town, school, _choose(classes, query.get("class_id", "")), sees=True)


def count_waiting_at(work: UnitOfWork, actor: Actor, place: Place) -> int | None:
    """Return how many things need a decision of the actor in the place; None for who has no page of what is to do."""
    scope = place.to_scope()
    if scope is None or not actor.has_permission_somewhere(Permission.CARE, scope.town_id):
        return None
    return count_waiting(work, actor, scope)


def build_place_links(place: Place, path: str) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    """Return the places that a person may choose: for each rank its code, and address, name and whether it is the present one."""
    page = path if path in _NARROW_PAGES else "/today"
    town_id = str(place.town.id) if place.town else ""
    in_school = {"town": town_id, "school": str(place.school.id) if place.school else ""}
    ranks: list[tuple[str, list[tuple[dict[str, str], str, bool]]]] = [
        ("town", [({"town": str(each.id)}, each.name, each is place.town) for each in place.towns])
    ]
    if place.schools:
        ranks.append(
            ("school", [({"town": town_id, "school": str(each.id)}, each.name, each is place.school) for each in place.schools])
        )
    if place.classes:
        ranks.append(
            (
                "class",
                [({**in_school, "class_id": str(each.id)}, each.name, each is place.school_class) for each in place.classes],
            )
        )
    return [(code, [(f"{page}?{urlencode(query)}", name, here) for query, name, here in links]) for code, links in ranks]


def _choose(rows: Sequence[NamedPlace], text: str) -> NamedPlace | None:
    return next((row for row in rows if str(row.id) == text), None)
