"""Rules on the content of one document, each with a name. A finding refuses the document when it is saved. Pure.

A rule looks at the values of one mode, presets included. New rules join `RULES`. See docs/domain/policy.md#conflicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from profiles.filters.rules import BYPASS_CATEGORIES, LEGAL_CATEGORIES
from profiles.policy.baseline import ALLOWED_APPS, EXAM_APPS, SINGLE_APP
from profiles.schedule.modes import Mode


class LintRule(StrEnum):
    """The names of the rules."""

    APP_NOT_SHOWN = "app_not_shown"  # a mode that must show an app does not allow it
    APP_HIDDEN = "app_hidden"  # a mode that must show an app blocks it
    CATEGORY_OPEN_AND_CLOSED = "category_open_and_closed"
    BASELINE_CATEGORY = "baseline_category"  # a category that is closed to every child
    DNS_WITHOUT_HTTPS = "dns_without_https"


@dataclass(frozen=True, slots=True)
class Finding:
    """A contradiction between two settings of one document in a mode."""

    rule: LintRule
    mode: Mode
    setting: str
    other: str


def lint(values_by_mode: Mapping[Mode, Mapping[str, Any]]) -> list[Finding]:
    """Return the findings of all rules, the first mode first."""
    return [
        Finding(rule, mode, setting, other)
        for mode, values in values_by_mode.items()
        for check in RULES
        for rule, setting, other in check(values)
    ]


_Found = Iterator[tuple[LintRule, str, str]]


def _check_shown_apps(values: Mapping[str, Any]) -> _Found:
    for setting, apps in list_shown_apps(values).items():
        if ALLOWED_APPS in values and not apps <= set(values[ALLOWED_APPS]):
            yield LintRule.APP_NOT_SHOWN, setting, ALLOWED_APPS
        for blocking in ("blockedAppBundleIDs", "apps.blocked"):
            if apps & set(values.get(blocking, ())):
                yield LintRule.APP_HIDDEN, setting, blocking


def list_shown_apps(values: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return the apps that a mode must show, by the setting that says so."""
    shown = {}
    if SINGLE_APP in values:
        shown[SINGLE_APP] = frozenset({values[SINGLE_APP]["App"]["Identifier"]})
    if values.get(EXAM_APPS):
        shown[EXAM_APPS] = frozenset(values[EXAM_APPS])
    return shown


def _check_categories(values: Mapping[str, Any]) -> _Found:
    permitted = set(values.get("web.permitted_categories", ()))
    if permitted & set(values.get("web.blocked_categories", ())):
        yield LintRule.CATEGORY_OPEN_AND_CLOSED, "web.permitted_categories", "web.blocked_categories"
    if permitted & (LEGAL_CATEGORIES | BYPASS_CATEGORIES):
        yield LintRule.BASELINE_CATEGORY, "web.permitted_categories", "web.blocked_categories"


def _check_delivery(values: Mapping[str, Any]) -> _Found:
    delivery = values.get("web.delivery", {})
    if delivery.get("protocol") == "HTTPS" and not delivery["server"].startswith("https://"):
        yield LintRule.DNS_WITHOUT_HTTPS, "web.delivery.server", "web.delivery.protocol"


RULES: tuple[Callable[[Mapping[str, Any]], _Found], ...] = (_check_shown_apps, _check_categories, _check_delivery)
