"""The addresses of every page: each GET route of the console with the ids of the town of the walk in its path."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from enum import Enum

from fastapi.routing import APIRoute

from mdm.console.tablets.desk_messages import PAGES
from tests.browser.walk.world import WalkWorld
from tests.mdm.api.test_foreign_ids import TABLES

#: What a route needs in its query to show more than that something is missing.
QUERIES = {
    "/rules/setting": "key=allowCamera",
    "/apps/bundles/{bundle_id}/give": "place=grade:CM1",
    "/desk/papers/order/{town_id}/{paper}": "reference=1",
    "/hours/tablet": "q=T",
    "/accounts/{account_id}": "town_id={town}",
    "/filter-lists/{town}/undo": "category=games",
    "/rosters/export/own.{form}": "town={town}",
}
#: Values of parameters that are no ids.
_VALUES: dict[str, Iterable[str]] = {"act": PAGES, "tag": ["T001-00001"]}
#: Names of ids that are those of a town.
_TOWN_IDS = {"town", "town_id"}
#: The table of an id where another chapter has the same name for another thing.
_TABLES_OF_PAGES = TABLES | {"bundle_id": "policy_preset"}
#: The same by the beginning of the address.
_TABLES_BY_CHAPTER = {("/system/push-certificate", "request_id"): "push_certificate"}


def list_addresses(route: APIRoute, world: WalkWorld) -> list[str]:
    """Return the addresses of a route: one for each value of what is not an id. Raises `KeyError` for an unknown parameter."""
    parameters = [parameter.name for parameter in route.dependant.path_params]
    choices = [list(_list_values(route, name, world)) for name in parameters]
    query = f"?{QUERIES[route.path].format(town=world.town_id)}" if route.path in QUERIES else ""
    return [_fill(route.path, dict(zip(parameters, values, strict=True))) + query for values in itertools.product(*choices)]


def _list_values(route: APIRoute, name: str, world: WalkWorld) -> Iterator[str]:
    annotation = next(each.field_info.annotation for each in route.dependant.path_params if each.name == name)
    if name in world.values:
        yield world.values[name]
    elif name in _VALUES:
        yield from _VALUES[name]
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        yield from (str(member.value) for member in annotation)
    elif name in _TOWN_IDS:
        yield str(world.town_id)
    else:
        by_chapter = (
            table
            for (chapter, id_name), table in _TABLES_BY_CHAPTER.items()
            if id_name == name and route.path.startswith(chapter)
        )
        yield world.get_id(next(by_chapter, _TABLES_OF_PAGES.get(name, name.removesuffix("_id"))))


def _fill(path: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda match: values[match[1]], path)
