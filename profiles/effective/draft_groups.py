"""The tablets that a draft concerns, in groups that are alike before and after it. Writes nothing.

Beside the tablets there is one group without tablets for each place: who joins the place later gets what is in force there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from profiles.effective.situation import PolicyData, Situation, build_situation
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind, TabletRole
from profiles.policy.models import PolicyDocument
from profiles.policy.repository import Versioned
from profiles.policy.rules import (
    AppliedDocument,
    PublishedDocument,
    PublishedPreset,
    PublishedVersion,
    TabletPlace,
    apply_documents,
)
from profiles.schedule.service import evaluate_modes


@dataclass(frozen=True, slots=True)
class DraftGroup:
    """Tablets that are alike before and after the draft."""

    before: Situation
    after: Situation
    tablets: int


def replace_content(policy: PolicyData, owner: Versioned, content: PolicyContent) -> PolicyData:
    """Return the policy as it would be with this content live for all."""
    versions = (PublishedVersion(version_id=uuid4(), content=content),)
    if isinstance(owner, PolicyDocument):
        return policy.with_document(PublishedDocument(owner.id, owner.town_id, owner.place, owner.target, owner.name, versions))
    return policy.with_preset(PublishedPreset(owner.id, owner.kind, owner.name, versions))


def group_tablets(
    work: UnitOfWork, facts: Sequence[TabletFacts], policy: PolicyData, drafted: PolicyData, owner: Versioned
) -> Iterable[DraftGroup]:
    """Return the tablets that the draft concerns, by their situations before and after."""
    evaluations = evaluate_modes(work, facts)
    groups: dict[tuple[object, ...], DraftGroup] = {}
    for tablet in facts:
        after = build_situation(tablet, drafted, evaluations[tablet.tablet_id])
        if not any(is_of(document, owner) for document in after.documents):
            continue
        before = build_situation(tablet, policy, evaluations[tablet.tablet_id])
        group = groups.setdefault((before.key, after.key), DraftGroup(before, after, 0))
        groups[before.key, after.key] = replace(group, tablets=group.tablets + 1)
    return groups.values()


def is_of(document: AppliedDocument, owner: Versioned) -> bool:
    """Return whether an applied document is the draft's, or takes the draft's preset in."""
    if isinstance(owner, PolicyDocument):
        return document.document.document_id == owner.id
    return any(preset.use.preset_id == owner.id for preset in document.presets)


def build_place_groups(policy: PolicyData, drafted: PolicyData, owner: Versioned) -> list[DraftGroup]:
    """Return a group without tablets for each place of the draft, with what is in force for whoever joins it."""
    documents = [
        document
        for document in drafted.documents
        if document.document_id == owner.id
        or any(use.preset_id == owner.id for version in document.versions for use in version.content.presets)
    ]
    groups = []
    for document in documents:
        place = _build_place(document)
        before, after = (
            Situation(place.town_id, apply_documents(each.documents, each.presets, place)) for each in (policy, drafted)
        )
        groups.append(DraftGroup(before, after, 0))
    return groups


def _build_place(document: PublishedDocument) -> TabletPlace:
    """Return the place of a document as a tablet in it would have it, as far as the document itself says."""

    def get_id(place: PlaceKind) -> UUID | None:
        return UUID(document.target) if document.place is place else None

    return TabletPlace(
        town_id=document.town_id or uuid4(),
        tablet_id=get_id(PlaceKind.TABLET) or uuid4(),
        school_id=get_id(PlaceKind.SCHOOL),
        class_id=get_id(PlaceKind.CLASS),
        pupil_id=get_id(PlaceKind.PUPIL),
        grade=document.target if document.place is PlaceKind.GRADE else None,
        role=TabletRole(document.target) if document.place is PlaceKind.ROLE else TabletRole.PUPIL,
        groups=frozenset({UUID(document.target)}) if document.place is PlaceKind.GROUP else frozenset(),
    )
