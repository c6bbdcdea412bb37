"""Labels of the pages of the policy: values in words, the sources of a value, and what the web filter decided."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cartable.i18n import Language, Message
from mdm.console.apps.labels import place_label
from mdm.console.labels import LABEL_AND_VALUE, mode_label
from mdm.console.web_categories import list_category_names
from mdm.reconcile.stage_rules import StageOutcome, StageTabletState
from profiles.catalog.fields import Field
from profiles.catalog.kinds import ValueKind
from profiles.catalog.text_formats import TextFormat
from profiles.filters.rules import VerdictReason
from profiles.policy.baseline import BASELINE
from profiles.policy.emergency_card import EMERGENCY_CARD
from profiles.policy.kinds import PresetKind, StageKind, VersionState
from profiles.schedule.guardian_rules import RestrictionStatus, StatusReason
from profiles.schedule.modes import Mode

_MAX_VALUE = 300
_YES, _NO, _FILE = Message("yes"), Message("no"), Message("a file")
_OTHER_SOURCES: dict[str, Message] = {
    BASELINE: Message("the safety baseline"),
    EMERGENCY_CARD: Message("the emergency card"),
    "apps": Message("the apps of the tablet"),
    "guardian": Message("a rule of the family"),
    "class session": Message("the class session"),
}
_MODE_SOURCE = "mode "
PRESET_KINDS: dict[PresetKind, Message] = {
    PresetKind.BUNDLE: Message("bundle of apps"),
    PresetKind.FILTER: Message("web filter", context="preset"),
    PresetKind.HOME_SCREEN: Message("home screen", context="preset"),
    PresetKind.EVALUATION: Message("evaluation", context="preset"),
}
VERDICTS: dict[VerdictReason, Message] = {
    VerdictReason.ALWAYS_OPEN: Message("a site that tablets need: no rule may close it"),
    VerdictReason.BYPASS_HOST: Message("a way around the filter"),
    VerdictReason.BASELINE: Message("a category that is closed to every child"),
    VerdictReason.DENIED: Message("a denied site"),
    VerdictReason.OWN_HOST: Message("a site of the town or of a school: always open"),
    VerdictReason.LESSON: Message("only the sites of the class session are open"),
    VerdictReason.GUARDIAN: Message("the family opens other sites alone"),
    VerdictReason.PERMITTED: Message("a permitted site"),
    VerdictReason.CATEGORY: Message("a blocked category"),
    VerdictReason.NOT_PERMITTED: Message("only permitted sites are open"),
    VerdictReason.DEFAULT: Message("no rule closes it"),
}
RULE_STATUSES: dict[RestrictionStatus, Message] = {
    RestrictionStatus.ACTIVE: Message("in force", context="family rule"),
    RestrictionStatus.SUSPENDED: Message("suspended by school", context="family rule"),
    RestrictionStatus.RESTING: Message("outside its hours", context="family rule"),
    RestrictionStatus.OVER: Message("over", context="family rule"),
    RestrictionStatus.YIELDS: Message("gives way by a court's decision", context="family rule"),
}
STATUS_REASONS: dict[StatusReason, Message] = {
    StatusReason.RULE: Message("as asked", context="family rule"),
    StatusReason.SCHOOL: Message("it is school time", context="family rule"),
    StatusReason.ATTENDS: Message("the child attends after-school", context="family rule"),
    StatusReason.ACTIVITY: Message("the tablet is in an activity", context="family rule"),
    StatusReason.CLASS_SESSION: Message("a class session is running", context="family rule"),
    StatusReason.OUTSIDE_HOURS: Message("its hours are later", context="family rule"),
    StatusReason.ENDED: Message("its time is over", context="family rule"),
    StatusReason.COURT_ORDER: Message("a court decided", context="family rule"),
}
VERSION_STATES: dict[VersionState, Message] = {
    VersionState.DRAFT: Message("draft", context="policy version"),
    VersionState.ROLLING: Message("being rolled out", context="policy version"),
    VersionState.LIVE: Message("in force", context="policy version"),
    VersionState.STOPPED: Message("stopped", context="policy version"),
    VersionState.SUPERSEDED: Message("replaced", context="policy version"),
}

STAGES: dict[StageKind, Message] = {
    StageKind.TABLET: Message("one tablet", context="stage"),
    StageKind.CLASS: Message("one class", context="stage"),
    StageKind.SCHOOL: Message("one school", context="stage"),
    StageKind.ALL: Message("all tablets", context="stage"),
}
STAGE_OUTCOMES: dict[StageOutcome, Message] = {
    StageOutcome.WAITS: Message("waits until its tablets have checked in under the new rules"),
    StageOutcome.STALLED: Message("has waited for more than a day: look at its tablets"),
    StageOutcome.PROVED: Message("its tablets have checked in under the new rules"),
    StageOutcome.STOPS: Message("a tablet could not apply the rules, or has fallen silent"),
}
STAGE_STATES: dict[StageTabletState, Message] = {
    StageTabletState.AWAY: Message("switched off or away", context="stage"),
    StageTabletState.WAITING: Message("not in contact yet", context="stage"),
    StageTabletState.APPLYING: Message("applying the rules", context="stage"),
    StageTabletState.CONFIRMED: Message("have the rules, not heard since", context="stage"),
    StageTabletState.PROVED: Message("have checked in under the rules", context="stage"),
    StageTabletState.SILENT: Message("silent", context="stage"),
    StageTabletState.FAILED: Message("failed", context="stage"),
}


def value_label(field: Field, value: Any, language: Language) -> str:
    """Return a value in words: yes or no, the label of a choice, the entries of a list. Neither a secret nor the bytes of a file are shown."""
    if value is None:
        return "–"
    if field.secret or field.kind is ValueKind.DATA:
        return "••••" if field.secret else _FILE.translate(language)
    if isinstance(value, bool):
        return (_YES if value else _NO).translate(language)
    if isinstance(value, list):
        return _describe_list(field, value, language)
    if isinstance(value, Mapping):
        return _describe_object(field, value, language)
    label = field.labels.get(str(value))
    return label.translate(language) if label is not None else str(value)[:_MAX_VALUE]


def _describe_list(field: Field, value: list[Any], language: Language) -> str:
    """Return the entries of a list in words; categories of sites are all shown, because each one closes or opens something."""
    if field.text_format is TextFormat.CATEGORY:
        return ", ".join(list_category_names(value, language)) or "–"
    words = ", ".join(value_label(field, entry, language) for entry in value) or "–"
    return words if len(words) <= _MAX_VALUE else words[:_MAX_VALUE] + "…"


def _describe_object(field: Field, value: Mapping[str, Any], language: Language) -> str:
    parts = []
    for key, entry in value.items():
        part = field.fields.get(key)
        if part is None:
            parts.append(f"{key}: {json.dumps(entry, ensure_ascii=False)}")
        else:
            parts.append(LABEL_AND_VALUE.translate(language, label=part.label, value=value_label(part, entry, language)))
    return "; ".join(parts)[:_MAX_VALUE]


def source_label(source: str, language: Language) -> str:
    """Return in words where a value comes from: a place with its name, or what bounds every place."""
    if source in _OTHER_SOURCES:
        return _OTHER_SOURCES[source].translate(language)
    if source.startswith(_MODE_SOURCE) and source.removeprefix(_MODE_SOURCE) in {*Mode}:
        mode = mode_label(Mode(source.removeprefix(_MODE_SOURCE)), language)
        return language.gettext("the mode {mode}", mode=mode)
    return place_label(source, language)
