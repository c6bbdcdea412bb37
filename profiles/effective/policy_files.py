"""A town's policy as one file: what its presets and documents hold now, what a file would change, and applying it.

The file's syntax is not its concern: it takes and gives plain data. Secrets leave the server hidden, and come back as they were.
Applying goes the way of every publication: risks, stages, second person. Never commits. See docs/domain/policy.md#files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from cartable.errors import Invalid
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from profiles.catalog.composites import list_authorable_fields
from profiles.catalog.secrets import hide_secrets_of, restore_secrets
from profiles.effective import publishing
from profiles.effective.preview import Preview, preview
from profiles.effective.publishing import Publication
from profiles.policy import life
from profiles.policy.checks import normalise_content
from profiles.policy.content import PolicyContent, PresetUse, compare_contents
from profiles.policy.documents import create_preset, open_document
from profiles.policy.errors import BadPolicyFile
from profiles.policy.kinds import AppUse, PlaceKind, PresetKind, VersionState
from profiles.policy.models import PolicyDocument, PolicyVersion
from profiles.policy.repository import PolicyRepository, Versioned, to_content

Result = TypeVar("Result")
#: A preset by its kind and name, as documents of a file name it.
PresetName = tuple[PresetKind, str]


@dataclass(frozen=True, slots=True)
class PresetReference:
    """A preset that a document of a file takes in."""

    preset: PresetName
    mode: str
    use: AppUse | None


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """One preset or document of a file: what it is, and what it holds. `line` is where it stands in the file."""

    name: PresetName | tuple[PlaceKind, str]
    values: Mapping[str, Mapping[str, Any]]
    locks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    presets: tuple[PresetReference, ...] = ()
    line: int = field(default=0, compare=False)
    label: str = field(default="", compare=False)

    @property
    def is_preset(self) -> bool:
        return isinstance(self.name[0], PresetKind)


class EntryState(StrEnum):
    """What a file does to a preset or document."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """What one entry of a file would change: the paths that differ, and the preview of its content."""

    entry: PolicyEntry
    state: EntryState
    paths: tuple[str, ...] = ()
    preview: Preview | None = None


def export_policy(work: UnitOfWork, town_id: UUID) -> list[PolicyEntry]:
    """Return what the presets and documents of a town hold that is live, presets first, secrets hidden."""
    repository = PolicyRepository(work.session)
    live = repository.list_live(town_id)
    names = {owner.id: (owner.kind, owner.name) for owner in repository.list_all_presets(town_id)}
    entries = []
    for owner, version in live:
        content = to_content(version)
        name = (owner.place, owner.target) if isinstance(owner, PolicyDocument) else names[owner.id]
        uses = tuple(
            sorted((PresetReference(names[use.preset_id], use.mode, use.use) for use in content.presets), key=_sort_reference)
        )
        values = {
            mode: {key: hide_secrets_of(key, value) for key, value in part.items()} for mode, part in content.values.items()
        }
        label = owner.name if isinstance(owner, PolicyDocument) else ""
        entries.append(PolicyEntry(name, values, content.locks, uses, label=label))
    return sorted(entries, key=lambda each: (not each.is_preset, *each.name))


def _sort_reference(reference: PresetReference) -> tuple[str, ...]:
    return (*reference.preset, reference.mode, reference.use or "")


def plan_policy(work: UnitOfWork, actor: Actor, town_id: UUID, entries: Iterable[PolicyEntry]) -> list[EntryPlan]:
    """Return what each entry would change. It saves drafts on the way: the caller takes the transaction back.

    Raises `BadPolicyFile` with the line.
    """
    return [_plan_entry(work, actor, town_id, entry) for entry in _sort_entries(entries)]


def apply_policy(
    work: UnitOfWork, actor: Actor, town_id: UUID, entries: Iterable[PolicyEntry], publication: Publication
) -> list[tuple[PolicyEntry, PolicyVersion]]:
    """Publish what differs from what is in force, each with its own risks and stages. Returns what was published.

    Applied again it changes nothing. Raises `BadPolicyFile` with the line, and what publishing raises; then nothing is applied.
    """
    published = []
    for entry in _sort_entries(entries):
        owner, content, _ = _resolve_entry(work, actor, town_id, entry)
        if _is_in_force(work, owner, content):
            continue
        version = _save(work, actor, owner, content, entry, publication.reason)
        published.append((entry, publishing.publish(work, actor, owner, version.number, publication)))
    return published


def _sort_entries(entries: Iterable[PolicyEntry]) -> list[PolicyEntry]:
    """Presets before the documents that name them. Raises `BadPolicyFile` for an entry that comes twice."""
    known: dict[object, PolicyEntry] = {}
    for entry in entries:
        if entry.name in known:
            raise BadPolicyFile(line=entry.line, why=f"it stands in line {known[entry.name].line} already")
        known[entry.name] = entry
    return sorted(known.values(), key=lambda each: not each.is_preset)


def _plan_entry(work: UnitOfWork, actor: Actor, town_id: UUID, entry: PolicyEntry) -> EntryPlan:
    owner, content, is_new = _resolve_entry(work, actor, town_id, entry)
    if _is_in_force(work, owner, content):
        return EntryPlan(entry, EntryState.UNCHANGED)
    live = PolicyRepository(work.session).get_version_in_state(owner, VersionState.LIVE)
    before = to_content(live) if live is not None else PolicyContent()
    _save(work, actor, owner, content, entry, "plan")
    paths = tuple(compare_contents(before, normalise_content(content)))
    return EntryPlan(entry, EntryState.NEW if is_new else EntryState.CHANGED, paths, preview(work, owner, content))


def _resolve_entry(work: UnitOfWork, actor: Actor, town_id: UUID, entry: PolicyEntry) -> tuple[Versioned, PolicyContent, bool]:
    """Return the preset or document of an entry, opened where it is new, its content, and whether nothing of it is live."""
    repository = PolicyRepository(work.session)
    kind, name = entry.name
    owner: Versioned
    if isinstance(kind, PresetKind):
        owner = repository.get_preset_by_name(town_id, kind, name) or create_preset(work, actor, town_id, kind, name)
    else:
        owner = _call(entry, lambda: open_document(work, actor, town_id, kind, name))
    live = repository.get_version_in_state(owner, VersionState.LIVE)
    former = live.values if live is not None else {}
    fields = list_authorable_fields()
    values = {
        mode: {
            key: restore_secrets(fields[key], value, former.get(mode, {}).get(key)) if key in fields else value
            for key, value in part.items()
        }
        for mode, part in entry.values.items()
    }
    uses = tuple(PresetUse(_find_preset(work, town_id, entry, use.preset), use.mode, use.use) for use in entry.presets)
    return owner, PolicyContent(values, entry.locks, uses), live is None


def _find_preset(work: UnitOfWork, town_id: UUID, entry: PolicyEntry, name: PresetName) -> UUID:
    preset = PolicyRepository(work.session).get_preset_by_name(town_id, *name)
    if preset is None:
        raise BadPolicyFile(line=entry.line, why=f"there is no preset {name[0].value}/{name[1]}")
    return preset.id


def _is_in_force(work: UnitOfWork, owner: Versioned, content: PolicyContent) -> bool:
    """Return whether the newest version in force, or on its way to all, holds this content already."""
    in_force = PolicyRepository(work.session).load_versions_in_force(owner)
    newest = in_force.get(VersionState.ROLLING) or in_force.get(VersionState.LIVE)
    return not compare_contents(to_content(newest) if newest is not None else PolicyContent(), normalise_content(content))


def _save(
    work: UnitOfWork, actor: Actor, owner: Versioned, content: PolicyContent, entry: PolicyEntry, reason: str | None
) -> PolicyVersion:
    return _call(entry, lambda: life.save_draft(work, actor, owner, life.Draft(content, reason=reason)))


def _call(entry: PolicyEntry, act: Callable[[], Result]) -> Result:
    """Return what an act returns; a value that it does not accept is an error of the entry's line."""
    try:
        return act()
    except Invalid as error:
        raise BadPolicyFile(line=entry.line, why=", ".join(str(value) for value in error.details.values())) from error
