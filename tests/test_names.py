"""One name means one thing: no class name stands in two modules, and no function has a name that only says how it got its value."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("cartable", "enrollment", "profiles", "mdm", "simulator")
#: A class or a function: its keyword, then its name. A line of a docstring has no bracket or colon there.
_DEFINITION = re.compile(r"^ *(?:async )?(class|def) (\w+)[(:\[]", re.MULTILINE)
#: Class names that may stand in several modules, and why.
SHARED_CLASS_NAMES: dict[str, str] = {}
#: These say nothing of what a function returns or changes.
EMPTY_FUNCTION_NAMES = frozenset({"said", "told", "found", "held", "listed", "one", "whole"})


def _list_definitions(keyword: str) -> list[tuple[str, str]]:
    """Return the module and the name of each class or function of the product."""
    paths = [path for package in PRODUCT for path in sorted((ROOT / package).rglob("*.py"))]
    return [
        (str(path.relative_to(ROOT)), name)
        for path in paths
        for kind, name in _DEFINITION.findall(path.read_text("utf-8"))
        if kind == keyword
    ]


def test_no_class_name_stands_in_two_modules() -> None:
    modules_by_name: dict[str, list[str]] = defaultdict(list)
    for module, name in _list_definitions("class"):
        modules_by_name[name].append(module)
    assert len(modules_by_name) > 1000
    shared = {name: modules for name, modules in modules_by_name.items() if len(modules) > 1}
    assert {name: modules for name, modules in shared.items() if name not in SHARED_CLASS_NAMES} == {}
    assert SHARED_CLASS_NAMES.keys() <= shared.keys(), "an exception that nobody needs any more"


def test_functions_say_what_they_return_or_change() -> None:
    empty = [f"{module} {name}" for module, name in _list_definitions("def") if name.strip("_") in EMPTY_FUNCTION_NAMES]
    assert empty == []
