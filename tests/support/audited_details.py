"""What the code writes into the details of audit events, read from its source: the names of details, and the enums of their values."""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from enum import Enum
from functools import cache
from pathlib import Path
from types import ModuleType, UnionType
from typing import NamedTuple, get_args

ROOT = Path(__file__).parents[2]
PACKAGES = ("cartable", "enrollment", "profiles", "mdm")
RECORDERS = frozenset({"record_event", "record_reading"})
#: Options of the functions that record, which are no details.
OPTIONS = frozenset({"town_id", "actor", "repeat_after"})


class AuditedDetail(NamedTuple):
    """A detail that some code writes: its name, the expression of its value, and the function around it."""

    name: str
    value: ast.expr
    function: ast.FunctionDef
    path: Path

    def __str__(self) -> str:
        return f"{self.name}={ast.unparse(self.value)}"


class SourceFunction(NamedTuple):
    """A function with its file and its calls that name an argument."""

    node: ast.FunctionDef
    path: Path
    calls: tuple[ast.Call, ...]


#: By name, and by file for private ones: the parameters of functions that hand their own options to one that records.
Passing = dict[tuple[str, Path | None], frozenset[str]]


@cache
def list_details() -> tuple[AuditedDetail, ...]:
    """Return the details that are named in calls which record an event, directly or through a function that passes its options on."""
    functions = [
        SourceFunction(node, path, tuple(each for each in ast.walk(node) if isinstance(each, ast.Call) and each.keywords))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    passing = _find_passing_functions([each for each in functions if each.node.args.kwarg is not None])
    return tuple(
        AuditedDetail(keyword.arg, keyword.value, function.node, function.path)
        for function in functions
        for call in function.calls
        if (parameters := _get_parameters(call, function.path, passing)) is not None
        for keyword in call.keywords
        if keyword.arg is not None and keyword.arg not in OPTIONS | parameters
    )


def _find_passing_functions(functions: list[SourceFunction]) -> Passing:
    passing: Passing = {}
    while True:
        before = len(passing)
        for node, path, calls in functions:
            if any(_get_parameters(call, path, passing) is not None and _passes_options(call, node) for call in calls):
                names = frozenset(each.arg for each in (*node.args.args, *node.args.kwonlyargs))
                passing[node.name, path if node.name.startswith("_") else None] = names
        if len(passing) == before:
            return passing


def _passes_options(call: ast.Call, node: ast.FunctionDef) -> bool:
    options = node.args.kwarg.arg if node.args.kwarg is not None else ""
    return any(each.arg is None and isinstance(each.value, ast.Name) and each.value.id == options for each in call.keywords)


def _get_parameters(call: ast.Call, path: Path, passing: Passing) -> frozenset[str] | None:
    """Return the parameters of the called function if it records an event; None if it does not."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
    if name in RECORDERS:
        return frozenset()
    return passing.get((name, path)) or passing.get((name, None))


def list_enums() -> tuple[dict[str, set[type[Enum]]], set[str]]:
    """Return the enums whose values each detail takes, and the details whose enum the annotations of the function do not tell."""
    enums: dict[str, set[type[Enum]]] = defaultdict(set)
    unknown: set[str] = set()
    for detail in list_details():
        for node in ast.walk(detail.value):
            if isinstance(node, ast.Attribute) and node.attr == "value":
                kinds = _resolve(detail, node.value)
                enums[detail.name] |= kinds
                if not kinds:
                    unknown.add(str(detail))
    return enums, unknown


def _resolve(detail: AuditedDetail, node: ast.expr) -> set[type[Enum]]:
    """Return the enum of an expression: of an annotated parameter, or of a member that is named."""
    arguments = detail.function.args
    annotations = {each.arg: each.annotation for each in (*arguments.args, *arguments.kwonlyargs)}
    module = _import(detail.path)
    if isinstance(node, ast.Name) and (annotation := annotations.get(node.id)) is not None:
        found = eval(ast.unparse(annotation), vars(module))
        kinds = get_args(found) if isinstance(found, UnionType) else (found,)
        return {kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum)}
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in vars(module):
        return {type(getattr(vars(module)[node.value.id], node.attr))}
    return set()


def _import(path: Path) -> ModuleType:
    return importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
