"""Bundles of apps as administrators think of them: a bundle is a preset, giving it to a place is a version of its document.

Both are published as rules are: what could cut tablets off is refused, or confirmed and goes by stages. Never commits.

See docs/domain/policy.md#presets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from profiles.apps.errors import AppNotFound
from profiles.apps.models import App
from profiles.apps.repository import AppRepository
from profiles.effective.publishing import Publication, publish
from profiles.policy.content import PolicyContent, PresetUse
from profiles.policy.documents import create_preset, get_preset, open_document
from profiles.policy.errors import PresetNotFound
from profiles.policy.kinds import ALL_MODES, AppUse, PlaceKind, PresetKind, VersionState
from profiles.policy.life import Draft, save_draft
from profiles.policy.models import PolicyVersion, Preset
from profiles.policy.repository import PolicyRepository, to_content
from profiles.policy.rules import PublishedDocument


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person has agreed to beside the change itself: that tablets wait for licences, and the risks with this code."""

    accept_shortage: bool = False
    confirmation: str | None = None

    def to_publication(self) -> Publication:
        """Return what is asked for: all tablets, by stages where there are risks."""
        return Publication(accept_shortage=self.accept_shortage, confirmation=self.confirmation)


NO_CONSENT = Consent()


@dataclass(frozen=True, slots=True)
class AppAssignment:
    """A place whose document takes a bundle in, and what it makes of the apps."""

    place: PlaceKind
    target: str
    use: AppUse


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle with the apps of its live version and the places that take it in."""

    preset: Preset
    apps: tuple[App, ...]
    assignments: tuple[AppAssignment, ...]


def create_bundle(work: UnitOfWork, actor: Actor, town_id: UUID, name: str, app_ids: Sequence[UUID]) -> Preset:
    """Return a new bundle, live with these apps. Raises `PresetExists`, `AppNotFound`."""
    preset = create_preset(work, actor, town_id, PresetKind.BUNDLE, name)
    change_bundle(work, actor, preset, app_ids, reason="first version")
    return preset


def change_bundle(
    work: UnitOfWork, actor: Actor, preset: Preset, app_ids: Sequence[UUID], *, reason: str, consent: Consent = NO_CONSENT
) -> PolicyVersion:
    """Publish a version of a bundle with other apps, to all tablets that have it.

    Raises `AppNotFound`, `LicencesShort` unless the shortage is accepted, and what `publishing.publish` raises.
    """
    actor.require_permission(Permission.AUTHOR, preset.town_id)
    apps = AppRepository(work.session).list_apps_with_ids(preset.town_id, app_ids)
    if len(apps) != len(set(app_ids)):
        raise AppNotFound(field="app_ids")
    values = {ALL_MODES: {AppUse.AVAILABLE.setting: sorted(app.bundle_identifier for app in apps)}}
    version = save_draft(work, actor, preset, Draft(PolicyContent(values), reason=reason))
    return publish(work, actor, preset, version.number, consent.to_publication())


def get_bundle(work: UnitOfWork, actor: Actor, preset_id: UUID) -> Preset:
    """Return a bundle that the actor may see. Raises `PresetNotFound`."""
    preset = get_preset(work, actor, preset_id)
    if preset.kind is not PresetKind.BUNDLE:
        raise PresetNotFound
    return preset


def assign_bundle(
    work: UnitOfWork,
    actor: Actor,
    preset: Preset,
    place: PlaceKind,
    target: str,
    use: AppUse = AppUse.REQUIRED,
    *,
    reason: str | None = None,
    consent: Consent = NO_CONSENT,
) -> None:
    """Publish a version of a place's document that takes a bundle in; assigned already, nothing changes.

    Raises `UnknownPlace`, `LicencesShort` unless the shortage is accepted, and what `publishing.publish` raises.
    """
    assignment = PresetUse(preset.id, use=use)
    _change_presets(work, actor, preset, place, target, assignment, reason or f"bundle {preset.name}", consent)


def unassign_bundle(
    work: UnitOfWork,
    actor: Actor,
    preset: Preset,
    place: PlaceKind,
    target: str,
    *,
    reason: str | None = None,
    confirmation: str | None = None,
) -> None:
    """Publish a version of a place's document without a bundle; its apps leave the tablets that no other place gives them."""
    consent = Consent(accept_shortage=True, confirmation=confirmation)
    _change_presets(work, actor, preset, place, target, None, reason or f"without bundle {preset.name}", consent)


def _change_presets(
    work: UnitOfWork,
    actor: Actor,
    preset: Preset,
    place: PlaceKind,
    target: str,
    assignment: PresetUse | None,
    reason: str,
    consent: Consent,
) -> None:
    document = open_document(work, actor, preset.town_id, place, target)
    live = PolicyRepository(work.session).get_version_in_state(document, VersionState.LIVE)
    content = to_content(live) if live is not None else PolicyContent()
    others = tuple(use for use in content.presets if use.preset_id != preset.id)
    presets = (*others, assignment) if assignment is not None else others
    if set(presets) == set(content.presets):
        return
    version = save_draft(work, actor, document, Draft(replace(content, presets=presets), reason=reason))
    publish(work, actor, document, version.number, consent.to_publication())


def describe_bundle(work: UnitOfWork, preset: Preset) -> Bundle:
    """Return a bundle with its apps and assignments."""
    return _describe_bundles(work, preset.town_id, [preset])[0]


def list_bundles(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest) -> Page[Bundle]:
    """Return one page of the bundles of a town, by name, each with its apps and assignments."""
    presets = PolicyRepository(work.session).list_presets(actor, town_id, PresetKind.BUNDLE, page)
    return Page(_describe_bundles(work, town_id, presets.items), presets.next_cursor)


def _describe_bundles(work: UnitOfWork, town_id: UUID, presets: Sequence[Preset]) -> list[Bundle]:
    repository = PolicyRepository(work.session)
    published, documents = repository.get_published_presets([town_id]), repository.get_published_documents([town_id])
    identifiers_by_preset = {
        preset.id: _list_identifiers(published[preset.id].versions[0].content) for preset in presets if preset.id in published
    }
    bundle_identifiers = {identifier for each in identifiers_by_preset.values() for identifier in each}
    apps = AppRepository(work.session).list_apps_with_identifiers(town_id, bundle_identifiers)
    return [
        Bundle(
            preset,
            tuple(app for app in apps if app.bundle_identifier in identifiers_by_preset.get(preset.id, ())),
            tuple(_list_assignments(documents, preset.id)),
        )
        for preset in presets
    ]


def _list_identifiers(content: PolicyContent) -> set[str]:
    values = content.values.get(ALL_MODES, {})
    return {app for use in AppUse for app in values.get(use.setting, ())}


def _list_assignments(documents: Sequence[PublishedDocument], preset_id: UUID) -> list[AppAssignment]:
    assignments = {
        AppAssignment(document.place, document.target, use.use or AppUse.AVAILABLE)
        for document in documents
        for version in document.versions
        for use in version.content.presets
        if use.preset_id == preset_id
    }
    return sorted(assignments, key=lambda each: (each.place.depth, each.target, each.use))
