"""Lists that name audited acts name acts that are recorded: a name that nobody records would end a retention time or a label in silence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from cartable import audit
from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.privacy.audit_labels import AUDIT_ACTIONS, TABLET_ACTIONS
from mdm.privacy.rules import SECURITY_ACTS, load_rules
from mdm.worker.schedule import HOUSEKEEPING
from tests.support.world import TownFactory

ROOT = Path(__file__).parents[3]


def _action_patterns(node: ast.expr) -> Iterator[str]:
    """Return the names that an argument may be, as regular expressions: a part that is computed matches any word."""
    match node:
        case ast.Constant(value=str(name)):
            yield re.escape(name)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _action_patterns(body)
            yield from _action_patterns(orelse)
        case ast.JoinedStr(values=parts):
            yield "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+" for part in parts)


def _recorded_actions() -> Iterator[str]:
    for package in ("cartable", "enrollment", "profiles", "mdm"):
        for path in (ROOT / package).rglob("*.py"):
            if "record_" not in (source := path.read_text()):
                continue  # parsing takes its time
            for function in ast.walk(ast.parse(source)):
                if isinstance(function, ast.FunctionDef):
                    yield from _recorded_in(function)


def _recorded_in(function: ast.FunctionDef) -> Iterator[str]:
    """Return the names that a function records: written in the call, or assigned to a variable before it."""
    values = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and len(node.args) > 2:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            action = node.args[2]
            if name in ("record_event", "record_reading"):
                yield from _action_patterns(values.get(action.id, action) if isinstance(action, ast.Name) else action)


@cache
def list_recorded() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in sorted(set(_recorded_actions())))


@pytest.mark.parametrize(
    "names", [SECURITY_ACTS, TABLET_ACTIONS.keys()], ids=["kept for longer", "shown on the page of a tablet"]
)
def test_every_act_that_a_list_names_is_recorded_somewhere(names: frozenset[str]) -> None:
    recorded = list_recorded()
    assert len(recorded) > 80
    assert [name for name in sorted(names) if not any(pattern.fullmatch(name) for pattern in recorded)] == []


def test_the_end_of_lost_mode_is_kept_as_long_as_its_beginning(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
        for action in ("tablet.mark_lost", "tablet.lift_lost", "tablet.refresh"):
            audit.record_event(work, SYSTEM, action, "tablet", "t", town_id=town_id)
    days = {rule.id: rule.days for rule in load_rules()}
    clock.advance(timedelta(days=days["audit"] + 1))
    for _ in range(2):
        with runtime.open_unit_of_work() as work:
            HOUSEKEEPING["retention"](work)
    with runtime.open_unit_of_work() as work:
        actions = {event.action for event in audit.list_events(work, town_id).items}
    assert {"tablet.mark_lost", "tablet.lift_lost"} <= actions
    assert "tablet.refresh" not in actions
    assert days["security_audit"] == 3 * 365


def test_every_act_that_is_recorded_has_words() -> None:
    written = {pattern.pattern for pattern in list_recorded() if r"\w+" not in pattern.pattern}
    assert written - {re.escape(action) for action in (*AUDIT_ACTIONS, *TABLET_ACTIONS)} == set()
    assert not AUDIT_ACTIONS.keys() & TABLET_ACTIONS.keys(), "each has its words once"
