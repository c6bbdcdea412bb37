"""What a tablet of a situation holds in each mode: settings, web filter and apps as plain content. Renders and stores nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from profiles.apps.models import App
from profiles.apps.rules import list_installed_apps
from profiles.catalog.settings import PRODUCT_PREFIX, load_catalog
from profiles.effective.resolving import find_address
from profiles.effective.situation import PolicyData, Situation, compose_mode_apps, compose_mode_filter
from profiles.effective.system_updates import is_update_unsupported
from profiles.filters.payloads import build_filter_payloads
from profiles.policy.baseline import ALLOWED_APPS
from profiles.policy.emergency_card import BLOCKED_APPS, keep_web_shortcuts_open
from profiles.render.apple import ProfileContent, build_content
from profiles.render.system_updates import SYSTEM_UPDATE
from profiles.render.trial import compute_trial_digest, split_cutting_content
from profiles.schedule.modes import Mode

#: Modes that differ in nothing share their profile; lost mode is a command of its own, over the strictest configuration.
MODES = tuple(Mode)


@dataclass(frozen=True, slots=True)
class SplitContents:
    """The content of a situation in every mode: all of it, without what could cut tablets off, and that part alone."""

    full: Mapping[Mode, ProfileContent]
    safe: Mapping[Mode, ProfileContent]
    cutting: Mapping[Mode, ProfileContent]

    @property
    def digests(self) -> frozenset[str]:
        """The digests of what could cut tablets off in some mode."""
        return frozenset(compute_trial_digest(cutting) for cutting in self.cutting.values() if not cutting.is_empty)


def split_contents(situation: Situation, policy: PolicyData) -> SplitContents:
    """Return the contents of a situation."""
    full = {mode: build_mode_content(situation, policy, mode) for mode in MODES}
    parts = {mode: split_cutting_content(content) for mode, content in full.items()}
    safe, cutting = ({mode: pair[index] for mode, pair in parts.items()} for index in (0, 1))
    return SplitContents(full, safe, cutting)


def build_mode_content(situation: Situation, policy: PolicyData, mode: Mode) -> ProfileContent:
    """Return what a tablet of the situation holds in a mode, with what it cannot take."""
    known = load_catalog()
    values: dict[str, Any] = {
        key: resolved.value
        for key, resolved in policy.get_settings(situation, mode).items()
        if not known[key].payload_type.startswith(PRODUCT_PREFIX)
    }
    values = keep_web_shortcuts_open(values)
    if values.get(ALLOWED_APPS) and values.get(BLOCKED_APPS):
        # One list decides on a tablet: what is blocked leaves the list of what is allowed.
        blocked = set(values.pop(BLOCKED_APPS))
        values[ALLOWED_APPS] = [app for app in values[ALLOWED_APPS] if app not in blocked]
    web_payloads, left_out = build_filter_payloads(
        compose_mode_filter(situation, policy, mode),
        supervised=situation.supervised,
        resolver=find_address(situation, policy, mode),
        own_url=policy.get_url(situation.town_id),
    )
    content = build_content(values, known, web_payloads, os=situation.os, supervised=situation.supervised)
    unknown = [
        f"apps.required: {app}"
        for app in compose_mode_apps(situation, policy, mode).required
        if not _find_app(policy, situation, app)
    ]
    updates = [SYSTEM_UPDATE] if is_update_unsupported(situation, policy) else []
    return replace(content, omitted_settings=(*content.omitted_settings, *left_out, *unknown, *updates))


def _find_app(policy: PolicyData, situation: Situation, identifier: str) -> App | None:
    return policy.apps.get((situation.town_id, identifier))


def list_wanted_apps(situation: Situation, policy: PolicyData) -> list[App]:
    """Return the apps that a tablet of the situation has, in every mode the same: nothing is installed at a change of mode."""
    by_mode = [compose_mode_apps(situation, policy, mode) for mode in MODES]
    required = {app for apps in by_mode for app in apps.required}
    apps = (_find_app(policy, situation, app) for app in list_installed_apps(by_mode, required))
    return [app for app in apps if app is not None]
