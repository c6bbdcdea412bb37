"""The safety baseline that the product ships: bounds in every mode, and what each mode means. Nobody lifts them.

`baseline.json` holds the values; the categories of web sites that are closed to every child come from the web filter's rules.
See docs/domain/policy.md#baseline.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from profiles.catalog.merge import Constraint
from profiles.filters.rules import BYPASS_CATEGORIES, LEGAL_CATEGORIES
from profiles.policy.kinds import ALL_MODES
from profiles.schedule.modes import Mode

BASELINE = "safety baseline"
ALLOWED_APPS = "allowListedAppBundleIDs"
#: Settings that make a mode show an app: the allow list of an evaluation makes room for the apps that they name.
SINGLE_APP, EXAM_APPS = "app.lock", "autonomousSingleAppModePermittedAppIDs"

#: Built-in apps that stay usable with every bundle, and the pseudo-app of web shortcuts.
BASE_APPS: tuple[str, ...] = (
    "com.apple.DocumentsApp",
    "com.apple.Preferences",
    "com.apple.calculator",
    "com.apple.camera",
    "com.apple.mobilenotes",
    "com.apple.mobilesafari",
    "com.apple.mobileslideshow",
    "com.apple.mobiletimer",
    "com.apple.webapp",
)


@cache
def load_baseline() -> dict[str, dict[str, Any]]:
    """Return the values of the baseline by "all" or a mode."""
    stored: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "baseline.json").read_text(encoding="utf-8"))
    stored[ALL_MODES]["web.blocked_categories"] = sorted(LEGAL_CATEGORIES | BYPASS_CATEGORIES)
    return stored


def list_baseline_constraints(mode: Mode, shown_apps: frozenset[str] = frozenset()) -> list[Constraint]:
    """Return the constraints of a mode: its meaning, then the safety baseline. An evaluation makes room for `shown_apps`."""
    baseline = load_baseline()
    constraints = []
    if mode.value in baseline:
        meaning = baseline[mode.value]
        if mode is Mode.EXAM and shown_apps:
            meaning = {**meaning, ALLOWED_APPS: sorted({*meaning[ALLOWED_APPS], *shown_apps})}
        constraints.append(Constraint(f"mode {mode.value}", meaning))
    return [*constraints, Constraint(BASELINE, baseline[ALL_MODES])]
