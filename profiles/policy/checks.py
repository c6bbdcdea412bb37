"""Checks of a version that need what the town has: its presets, its catalogue of apps, its licences. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Select

from cartable.unit_of_work import UnitOfWork
from profiles.apps import licences
from profiles.apps.data_sheets.repository import DataSheetRepository
from profiles.apps.errors import AppRefused, LicencesShort
from profiles.apps.licences import LicenceNeed
from profiles.apps.repository import AppRepository
from profiles.catalog.composites import expand_composites
from profiles.policy.content import PolicyContent, apply_app_use, take_in_presets
from profiles.policy.errors import BadSetting, SettingsConflict
from profiles.policy.kinds import ALL_MODES, AppUse, VersionState
from profiles.policy.lint import Finding, lint
from profiles.policy.models import PolicyDocument
from profiles.policy.repository import PolicyRepository, Versioned, to_content
from profiles.policy.rules import PublishedPreset
from profiles.policy.validation import Problem, find_preset_problem, find_problem, normalise
from profiles.schedule.modes import Mode


def check_content(work: UnitOfWork, owner: Versioned, content: PolicyContent) -> PolicyContent:
    """Return the content as it is stored. Raises `BadSetting` with the field named, `SettingsConflict`, `AppRefused`."""
    content = normalise_content(content)
    problem = find_content_problem(work, owner, content)
    if problem is not None:
        raise BadSetting(field=problem[0], why=problem[1])
    for finding in lint_content(content, _load_presets(work, owner, content)):
        raise SettingsConflict(field=finding.setting, other=finding.other, why=finding.rule.value, mode=finding.mode.value)
    check_app_verdicts(work, owner, content)
    return content


def find_content_problem(work: UnitOfWork, owner: Versioned, content: PolicyContent) -> Problem | None:
    """Return the first thing that is not acceptable in a version of a document or preset: its path and what is wrong."""
    if isinstance(owner, PolicyDocument):
        problem = find_problem(content, owner.place)
    else:
        problem = find_preset_problem(content, owner.kind)
    return problem or _find_unknown(work, owner, content)


def normalise_content(content: PolicyContent) -> PolicyContent:
    """Return the content in the form in which it is stored; what is no set of settings stays, to be refused."""
    if not all(isinstance(part, Mapping) for part in content.values.values()):
        return content
    return PolicyContent(normalise(content.values), content.locks, content.presets)


def _find_unknown(work: UnitOfWork, owner: Versioned, content: PolicyContent) -> Problem | None:
    """Return the first preset or app that the town does not have. The operator's document is for towns with different apps."""
    repository = PolicyRepository(work.session)
    unknown = repository.list_unknown_presets(owner.town_id, (use.preset_id for use in content.presets))
    for index, use in enumerate(content.presets):
        if use.preset_id in unknown:
            return f"presets[{index}].preset_id", "the town has no such preset"
    if owner.town_id is None:
        return None
    named = {
        (mode, use.setting, app) for mode, part in content.values.items() for use in AppUse for app in part.get(use.setting, ())
    }
    if not named:
        return None
    known = AppRepository(work.session).list_known_identifiers(owner.town_id, {app for _, _, app in named})
    for mode, key, app in sorted(named):
        if app not in known:
            return f"values.{mode}.{key}", f"{app} is not in the town's catalogue of apps"
    return None


def _load_presets(work: UnitOfWork, owner: Versioned, content: PolicyContent) -> dict[UUID, PublishedPreset]:
    """Return the presets of the town, if the content takes any in."""
    if owner.town_id is None or not content.presets:
        return {}
    return PolicyRepository(work.session).get_published_presets([owner.town_id])


def lint_content(content: PolicyContent, presets: Mapping[UUID, PublishedPreset]) -> list[Finding]:
    """Return what the rules find in a content with the live versions of its presets."""
    return lint({mode: merge_presets(content, presets, mode) for mode in Mode})


def merge_presets(content: PolicyContent, presets: Mapping[UUID, PublishedPreset], mode: Mode) -> dict[str, Any]:
    """Return what a content sets in a mode with the live versions of its presets."""
    preset_values = [
        apply_app_use(presets[use.preset_id].versions[0].content.get_values(mode), use.use)
        for use in content.presets
        if use.preset_id in presets and use.applies_in(mode)
    ]
    return take_in_presets(content.get_values(mode), preset_values)


def check_app_verdicts(work: UnitOfWork, owner: Versioned, content: PolicyContent) -> None:
    """Raise `AppRefused` when a version would give an app that the data protection officer has refused, and the live one does not.

    What was given before the refusal is taken back by people: until then a document with it may still be changed elsewhere.
    """
    if owner.town_id is None:
        return
    presets = _load_presets(work, owner, content)
    given_apps = _list_given_apps(content, presets)
    refused = DataSheetRepository(work.session).find_refused_app(owner.town_id, given_apps)
    if refused is None:
        return
    live = PolicyRepository(work.session).get_version_in_state(owner, VersionState.LIVE)
    before = to_content(live) if live is not None else PolicyContent()
    added = given_apps - _list_given_apps(before, _load_presets(work, owner, before))
    refused = DataSheetRepository(work.session).find_refused_app(owner.town_id, added)
    if refused is not None:
        raise AppRefused(app=refused.name)


def _list_given_apps(content: PolicyContent, presets: Mapping[UUID, PublishedPreset]) -> set[str]:
    """Return the bundle identifiers of the apps that a content requires or offers in some mode."""
    merged = [expand_composites(merge_presets(content, presets, mode)) for mode in Mode]
    return {app for values in merged for use in (AppUse.REQUIRED, AppUse.AVAILABLE) for app in values.get(use.setting, ())}


def list_licence_needs(work: UnitOfWork, owner: Versioned, content: PolicyContent, tablets: Select[UUID]) -> list[LicenceNeed]:
    """Return what a version would need of each app that it requires on these tablets. Apps without a pool are not counted."""
    if owner.town_id is None:
        return []
    presets = _load_presets(work, owner, content)
    required = set(expand_composites(content.values.get(ALL_MODES, {})).get(AppUse.REQUIRED.setting, ()))
    for use in content.presets:
        if use.preset_id in presets:
            values = presets[use.preset_id].versions[0].content.values.get(ALL_MODES, {})
            required.update(apply_app_use(values, use.use).get(AppUse.REQUIRED.setting, ()))
    if not isinstance(owner, PolicyDocument):
        required |= _collect_bundle_apps(work, owner.id, owner.town_id, content)
    return licences.list_needs(work, owner.town_id, required, tablets) if required else []


def _collect_bundle_apps(work: UnitOfWork, preset_id: UUID, town_id: UUID, content: PolicyContent) -> set[str]:
    """Return the apps of a bundle, if a document that is in force requires them."""
    documents = PolicyRepository(work.session).get_published_documents([town_id])
    uses = {
        use.use
        for document in documents
        for version in document.versions
        for use in version.content.presets
        if use.preset_id == preset_id
    }
    if AppUse.REQUIRED not in uses:
        return set()
    values = apply_app_use(content.values.get(ALL_MODES, {}), AppUse.REQUIRED)
    return set(values.get(AppUse.REQUIRED.setting, ()))


def check_licences(work: UnitOfWork, owner: Versioned, content: PolicyContent, tablets: Select[UUID]) -> None:
    """Raise `LicencesShort` when the apps that a version requires on these tablets need more licences than are free."""
    short = [need for need in list_licence_needs(work, owner, content, tablets) if need.missing]
    if short:
        raise LicencesShort(apps=[asdict(need) for need in short], **asdict(short[0]))
