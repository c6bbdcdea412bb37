"""What the pages of a policy document share: its place, and the content that is being prepared. Holds no rules of merging."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from cartable.errors import NotFound
from cartable.i18n import Language
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Grade, Town
from mdm.console.apps.labels import PLACES
from mdm.console.frame import list_permitted_towns, select_town
from profiles.policy import documents
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind, TabletRole, VersionState
from profiles.policy.models import PolicyDocument, PolicyVersion
from profiles.policy.places import check_place
from profiles.policy.repository import PolicyRepository, to_content


@dataclass(frozen=True, slots=True)
class PlacePolicy:
    """The policy of one place of a town: its document, none before the first change, with the versions that its page speaks of.

    `draft` is the version that is being prepared: the newest one, while it is written against what is live.
    """

    town: Town
    place: PlaceKind
    target: str
    name: str
    document: PolicyDocument | None = None
    live: PolicyVersion | None = None
    rolling: PolicyVersion | None = None
    draft: PolicyVersion | None = None

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
        return urlencode({"town": str(self.town.id), "place": f"{self.place}:{self.target}"})


def load_place_policy(work: UnitOfWork, actor: Actor, town_id: UUID | None, place: str, language: Language) -> PlacePolicy:
    """Return the policy of a place that the person may write. Creates nothing. Raises `NotFound`, `UnknownPlace`."""
    town = select_town(list_permitted_towns(work, actor, Permission.AUTHOR), town_id)
    kind, target = _parse_place(place) if place else (PlaceKind.TOWN, "")
    school_id = check_place(work, town.id, kind, target)
    actor.require_permission(Permission.AUTHOR, town.id, school_id)
    name = _name_place(work, actor, town, kind, target, language)
    repository = PolicyRepository(work.session)
    document = repository.get_document_of_place(town.id, kind, target)
    if document is None:
        return PlacePolicy(town, kind, target, name)
    live = repository.get_version_in_state(document, VersionState.LIVE)
    newest = repository.get_version(document, repository.get_next_number(document) - 1)
    is_current = (
        newest is not None and newest.state is VersionState.DRAFT and newest.base == (live.number if live is not None else None)
    )
    rolling = repository.get_version_in_state(document, VersionState.ROLLING)
    return PlacePolicy(town, kind, target, name, document, live, rolling, newest if is_current else None)


def open_document(work: UnitOfWork, actor: Actor, policy: PlacePolicy) -> PolicyDocument:
    """Return the document of a place; it is created on the first change."""
    return documents.open_document(work, actor, policy.town.id, policy.place, policy.target)


def require_document(policy: PlacePolicy) -> PolicyDocument:
    """Return the document of a place that has one. Raises `NotFound`."""
    if policy.document is None:
        raise NotFound
    return policy.document


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


def _name_simple_place(kind: PlaceKind, target: str, language: Language) -> str:
    name = PLACES[kind].translate(language)
    return f"{name} {target}" if target and kind in (PlaceKind.GRADE, PlaceKind.ROLE) else name


def _name_place(work: UnitOfWork, actor: Actor, town: Town, kind: PlaceKind, target: str, language: Language) -> str:
    if kind is PlaceKind.SCHOOL:
        names = {str(school.id): school.name for school in places.list_schools(work, actor, town.id)}
        return names.get(target, target)
    return _name_simple_place(kind, target, language)


def _parse_place(text: str) -> tuple[PlaceKind, str]:
    """Return kind and target of a place in an address: "grade:CE2". Raises `NotFound`."""
    kind, _, target = text.partition(":")
    if kind not in {*PlaceKind} or kind == PlaceKind.OPERATOR:
        raise NotFound
    return PlaceKind(kind), target[:36]
