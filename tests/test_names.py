"""One name means one thing: no class name stands in two modules, and no function has a name that only says how it got its value."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("cartable", "enrollment", "profiles", "mdm", "simulator")
#: Class names that may stand in several modules, and why.
SHARED_CLASS_NAMES: dict[str, str] = {}
#: These say nothing of what a function returns or changes.
EMPTY_FUNCTION_NAMES = frozenset({"said", "told", "found", "held", "listed", "one", "whole"})


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def test_no_class_name_stands_in_two_modules() -> None:
    modules_by_name: dict[str, list[str]] = defaultdict(list)
    for module, tree in _modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                modules_by_name[node.name].append(module)
    shared = {name: modules for name, modules in modules_by_name.items() if len(modules) > 1}
    assert {name: modules for name, modules in shared.items() if name not in SHARED_CLASS_NAMES} == {}
    assert SHARED_CLASS_NAMES.keys() <= shared.keys(), "an exception that nobody needs any more"


def test_functions_say_what_they_return_or_change() -> None:
    empty = [
        f"{module}:{node.lineno} {node.name}"
        for module, tree in _modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.strip("_") in EMPTY_FUNCTION_NAMES
    ]
    assert empty == []
