"""What the pages of a policy document or preset share: its place, and the content that is being prepared. Holds no rules of merging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import Select

from cartable.errors import NotFound
from cartable.i18n import Language
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Grade, Town
from mdm.console.apps.labels import PLACES, name_place
from mdm.console.frame import list_permitted_towns, select_town
from profiles.policy import documents
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind, TabletRole, VersionState
from profiles.policy.models import PolicyVersion, Preset
from profiles.policy.places import check_place, select_tablets
from profiles.policy.repository import PolicyRepository, Versioned, to_content

#: Begins the address of a preset, where that of a document begins with the kind of its place.
PRESET_PREFIX = "preset"


@dataclass(frozen=True, slots=True)
class PlacePolicy:
    """The policy of one place of a town, or of a preset: its owner, none before the first change of a place, with the versions that
    its page speaks of.

    `key` names it in addresses: "grade:CE2". `draft` is the version that is being prepared: the newest one, while it is written
    against what is live.
    """

    town: Town
    key: str
    name: str
    owner: Versioned | None = None
    live: PolicyVersion | None = None
    rolling: PolicyVersion | None = None
    draft: PolicyVersion | None = None

    @property
    def preset(self) -> Preset | None:
        """The preset whose policy it is; None for that of a place."""
        return self.owner if isinstance(self.owner, Preset) else None

    @property
    def content(self) -> PolicyContent:
        """The content that the next change starts from: of the draft, else what is live."""
        version = self.draft or self.live
        return to_content(version) if version is not None else PolicyContent()

    @property
    def live_content(self) -> PolicyContent:
        """What is in force for all of its tablets."""
        return to_content(self.live) if self.live is not None else PolicyContent()

    @property
    def query(self) -> str:
        """The place as a part of addresses."""
        return urlencode({"town": str(self.town.id), "place": self.key})


def load_place_policy(work: UnitOfWork, actor: Actor, town_id: UUID | None, place: str, language: Language) -> PlacePolicy:
    """Return the policy of a place or preset that the person may write. Creates nothing. Raises `NotFound`, `UnknownPlace`."""
    town = select_town(list_permitted_towns(work, actor, Permission.AUTHOR), town_id)
    prefix, _, target = place.partition(":")
    if prefix == PRESET_PREFIX:
        preset = _get_preset(work, actor, town, target)
        return _load_versions(work, PlacePolicy(town, place, preset.name, preset))
    kind, target = _parse_place(place) if place else (PlaceKind.TOWN, "")
    school_id = check_place(work, town.id, kind, target)
    actor.require_permission(Permission.AUTHOR, town.id, school_id)
    document = PolicyRepository(work.session).get_document_of_place(town.id, kind, target)
    name = _name_place(work, actor, town, kind, target, language)
    return _load_versions(work, PlacePolicy(town, f"{kind}:{target}", name, document))


def _get_preset(work: UnitOfWork, actor: Actor, town: Town, preset_id: str) -> Preset:
    """Return a preset of a town whose policy the person writes. Raises `NotFound`."""
    actor.require_permission(Permission.AUTHOR, town.id)
    try:
        preset = documents.get_preset(work, actor, UUID(preset_id))
    except ValueError:
        raise NotFound from None
    if preset.town_id != town.id:
        raise NotFound
    return preset


def _load_versions(work: UnitOfWork, policy: PlacePolicy) -> PlacePolicy:
    """Return a policy with the versions of its owner."""
    owner, repository = policy.owner, PolicyRepository(work.session)
    if owner is None:
        return policy
    live = repository.get_version_in_state(owner, VersionState.LIVE)
    newest = repository.get_version(owner, repository.get_next_number(owner) - 1)
    is_current = (
        newest is not None and newest.state is VersionState.DRAFT and newest.base == (live.number if live is not None else None)
    )
    rolling = repository.get_version_in_state(owner, VersionState.ROLLING)
    return replace(policy, live=live, rolling=rolling, draft=newest if is_current else None)


def open_owner(work: UnitOfWork, actor: Actor, policy: PlacePolicy) -> Versioned:
    """Return the document or preset of a policy; the document of a place is created on the first change."""
    return policy.owner or documents.open_document(work, actor, policy.town.id, *_parse_place(policy.key))


def change_setting(content: PolicyContent, key: str, mode: str, value: Any, *, locked: bool) -> PolicyContent:
    """Return a content in which one place of one setting is another value, or none."""
    values = {each: dict(part) for each, part in content.values.items()}
    locks = {each: set(keys) for each, keys in content.locks.items()}
    values.setdefault(mode, {}).pop(key, None)
    locks.setdefault(mode, set()).discard(key)
    if value is not None:
        values[mode][key] = value
        if locked:
            locks[mode].add(key)
    return replace(
        content,
        values={each: part for each, part in values.items() if part},
        locks={each: sorted(keys) for each, keys in locks.items() if keys},
    )


def select_policy_tablets(work: UnitOfWork, policy: PlacePolicy) -> Select[UUID]:
    """Return a statement: the tablets that a policy concerns, or would concern once it has a version."""
    if policy.owner is not None:
        return documents.select_concerned(work, policy.owner)
    return select_tablets(work, policy.town.id, *_parse_place(policy.key))


def require_owner(policy: PlacePolicy) -> Versioned:
    """Return the document of a place that has one, or the preset. Raises `NotFound`."""
    if policy.owner is None:
        raise NotFound
    return policy.owner


def list_places(work: UnitOfWork, actor: Actor, town: Town, language: Language) -> list[tuple[str, str]]:
    """Return the places that the page offers, as "kind:target" with their names; the widest first."""
    town_wide = [(PlaceKind.TOWN, "")] if actor.has_permission(Permission.AUTHOR, town.id) else []
    roles = [(PlaceKind.ROLE, role.value) for role in TabletRole] if town_wide else []
    grades = [(PlaceKind.GRADE, grade.value) for grade in Grade] if town_wide else []
    offered = [*town_wide, *roles, *grades]
    return [
        *((f"{kind}:{target}", _name_simple_place(kind, target, language)) for kind, target in offered),
        *((f"{PlaceKind.SCHOOL}:{school.id}", school.name) for school in places.list_schools(work, actor, town.id)),
    ]


def name_document_place(kind: PlaceKind, target: str, schools: Mapping[str, str], language: Language) -> str:
    """Return what people call the place of a document in a list of many, without a query of its own."""
    return schools.get(target, "") or _name_simple_place(kind, target, language)


def _name_simple_place(kind: PlaceKind, target: str, language: Language) -> str:
    return name_place(kind, target if kind in (PlaceKind.GRADE, PlaceKind.ROLE) else "", language)


def _name_place(work: UnitOfWork, actor: Actor, town: Town, kind: PlaceKind, target: str, language: Language) -> str:
    """Return what people call a place. A child is not named: the page of the child does that, and its reading is audited."""
    if kind is PlaceKind.SCHOOL:
        names = {str(school.id): school.name for school in places.list_schools(work, actor, town.id)}
        return names.get(target, target)
    if kind in (PlaceKind.CLASS, PlaceKind.GROUP, PlaceKind.TABLET):
        row = PolicyRepository(work.session).get_place(kind, UUID(target))
        return f"{PLACES[kind].translate(language)} {getattr(row, _NAME_COLUMNS[kind])}"
    return _name_simple_place(kind, target, language)


_NAME_COLUMNS = {PlaceKind.CLASS: "label", PlaceKind.GROUP: "name", PlaceKind.TABLET: "tag"}


def _parse_place(text: str) -> tuple[PlaceKind, str]:
    """Return kind and target of a place in an address: "grade:CE2". Raises `NotFound`."""
    kind, _, target = text.partition(":")
    if kind not in {*PlaceKind} or kind == PlaceKind.OPERATOR:
        raise NotFound
    return PlaceKind(kind), target[:36]
