"""One name means one thing: no class name stands in two modules, and no function has a name that only says how it got its value."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
ROOT = Path(__file__).parents[1]
PRODUCT = ("cartable", "enrollment", "profiles", "mdm", "simulator")
#: Class names that may stand in several modules, and why.
SHARED_CLASS_NAMES: dict[str, str] = {}
#: These say nothing of what a function returns or changes.
EMPTY_FUNCTION_NAMES = frozenset({"said", "told", "found", "held", "listed", "one", "whole"})


@cache
def _list_definitions() -> list[tuple[str, Definition]]:
    """Return each class and function of the product with the name of its module."""
    paths = [path for package in PRODUCT for path in sorted((ROOT / package).rglob("*.py"))]
    return [
        (str(path.relative_to(ROOT)), node)
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, Definition)
    ]


def test_no_class_name_stands_in_two_modules() -> None:
    modules_by_name: dict[str, list[str]] = defaultdict(list)
    for module, node in _list_definitions():
        if isinstance(node, ast.ClassDef):
            modules_by_name[node.name].append(module)
    shared = {name: modules for name, modules in modules_by_name.items() if len(modules) > 1}
    assert {name: modules for name, modules in shared.items() if name not in SHARED_CLASS_NAMES} == {}
    assert SHARED_CLASS_NAMES.keys() <= shared.keys(), "an exception that nobody needs any more"


def test_functions_say_what_they_return_or_change() -> None:
    empty = [
        f"{module}:{node.lineno} {node.name}"
        for module, node in _list_definitions()
        if not isinstance(node, ast.ClassDef) and node.name.strip("_") in EMPTY_FUNCTION_NAMES
    ]
    assert empty == []
