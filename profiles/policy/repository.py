"""All SQL of policy: documents, presets, their versions, groups, and the tablets of a place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, false, func, or_, select
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import School, SchoolClass
from enrollment.tablets.models import Loan, Tablet
from profiles.policy.content import PolicyContent, PresetUse
from profiles.policy.kinds import IN_FORCE, PlaceKind, PresetKind, TabletRole, VersionState
from profiles.policy.models import PolicyDocument, PolicyGroup, PolicyGroupMember, PolicyVersion, Preset
from profiles.policy.rules import PublishedDocument, PublishedPreset, PublishedVersion

#: What has versions.
Versioned = PolicyDocument | Preset
_PLACES: dict[PlaceKind, Any] = {
    PlaceKind.SCHOOL: School,
    PlaceKind.CLASS: SchoolClass,
    PlaceKind.GROUP: PolicyGroup,
    PlaceKind.PUPIL: Pupil,
    PlaceKind.TABLET: Tablet,
}


class PolicyRepository:
    """Reads and writes policy."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_published_documents(self, town_ids: Sequence[UUID]) -> list[PublishedDocument]:
        """Return the documents in force somewhere in these towns, the operator's own included. One query."""
        rows = self.session.execute(
            select(PolicyDocument, PolicyVersion)
            .join(PolicyVersion, PolicyVersion.document_id == PolicyDocument.id)
            .where(PolicyVersion.state.in_(IN_FORCE), or_(PolicyDocument.town_id.in_(town_ids), PolicyDocument.town_id.is_(None)))
            .order_by(PolicyDocument.id, PolicyVersion.number)
        )
        versions: dict[UUID, tuple[PolicyDocument, list[PublishedVersion]]] = {}
        for document, version in rows:
            versions.setdefault(document.id, (document, []))[1].append(to_published(version))
        return [
            PublishedDocument(each.id, each.town_id, each.place, each.target, each.name, tuple(published))
            for each, published in versions.values()
        ]

    def get_published_presets(self, town_ids: Sequence[UUID]) -> dict[UUID, PublishedPreset]:
        """Return the presets of these towns that have a version in force. One query."""
        rows = self.session.execute(
            select(Preset, PolicyVersion)
            .join(PolicyVersion, PolicyVersion.preset_id == Preset.id)
            .where(PolicyVersion.state.in_(IN_FORCE), Preset.town_id.in_(town_ids))
            .order_by(Preset.id, PolicyVersion.number)
        )
        versions: dict[UUID, tuple[Preset, list[PublishedVersion]]] = {}
        for preset, version in rows:
            versions.setdefault(preset.id, (preset, []))[1].append(to_published(version))
        return {
            preset_id: PublishedPreset(preset_id, preset.kind, preset.name, tuple(published))
            for preset_id, (preset, published) in versions.items()
        }

    def get_groups_by_pupil(self, pupil_ids: Iterable[UUID]) -> dict[UUID, frozenset[UUID]]:
        """Return the groups of each of these pupils."""
        groups: dict[UUID, set[UUID]] = {}
        rows = self.session.execute(
            select(PolicyGroupMember.pupil_id, PolicyGroupMember.group_id).where(PolicyGroupMember.pupil_id.in_(list(pupil_ids)))
        )
        for pupil_id, group_id in rows:
            groups.setdefault(pupil_id, set()).add(group_id)
        return {pupil_id: frozenset(ids) for pupil_id, ids in groups.items()}

    def get_document(self, document_id: UUID) -> PolicyDocument | None:
        return self.session.get(PolicyDocument, document_id)

    def get_document_of_place(self, town_id: UUID | None, place: PlaceKind, target: str) -> PolicyDocument | None:
        town = PolicyDocument.town_id.is_(None) if town_id is None else PolicyDocument.town_id == town_id
        statement = select(PolicyDocument).where(town, PolicyDocument.place == place, PolicyDocument.target == target)
        return self.session.scalar(statement)

    def list_documents(self, actor: Actor, town_id: UUID, page: PageRequest) -> Page[PolicyDocument]:
        """Return one page of the documents of a town that the actor may see."""
        statement = actor.restrict(select(PolicyDocument).where(PolicyDocument.town_id == town_id), PolicyDocument)
        return fetch_scalar_page(self.session, statement, page, PolicyDocument.id)

    def get_preset(self, actor: Actor, preset_id: UUID) -> Preset | None:
        return self.session.scalar(actor.restrict(select(Preset).where(Preset.id == preset_id), Preset))

    def get_preset_by_name(self, town_id: UUID, kind: PresetKind, name: str) -> Preset | None:
        return self.session.scalar(select(Preset).where(Preset.town_id == town_id, Preset.kind == kind, Preset.name == name))

    def list_presets(self, actor: Actor, town_id: UUID, kind: PresetKind | None, page: PageRequest) -> Page[Preset]:
        """Return one page of the presets of a town, of all kinds or of one, by name."""
        statement = select(Preset).where(Preset.town_id == town_id)
        if kind is not None:
            statement = statement.where(Preset.kind == kind)
        return fetch_scalar_page(self.session, actor.restrict(statement, Preset), page, Preset.name, Preset.id)

    def list_unknown_presets(self, town_id: UUID | None, preset_ids: Iterable[UUID]) -> set[UUID]:
        """Return those of the presets that the town does not have."""
        distinct_ids = set(preset_ids)
        if not distinct_ids:
            return set()
        known = select(Preset.id).where(Preset.id.in_(distinct_ids), Preset.town_id == town_id)
        return distinct_ids - set(self.session.scalars(known))

    def lock(self, owner: Versioned) -> None:
        """Lock a document or preset until the end of the transaction, so that one version at a time is published."""
        self.session.scalar(select(type(owner).id).where(type(owner).id == owner.id).with_for_update())

    def list_versions(self, owner: Versioned, page: PageRequest) -> Page[PolicyVersion]:
        """Return one page of the versions of a document or preset, the newest first."""
        statement = select(PolicyVersion).where(_belongs_to(owner))
        return fetch_scalar_page(self.session, statement, page, PolicyVersion.number, descending=True)

    def get_version(self, owner: Versioned, number: int) -> PolicyVersion | None:
        """Return the version with a number, as the database has it now: another session may have changed it before we got the lock."""
        statement = select(PolicyVersion).where(_belongs_to(owner), PolicyVersion.number == number)
        return self.session.scalar(statement.execution_options(populate_existing=True))

    def get_version_in_state(self, owner: Versioned, state: VersionState) -> PolicyVersion | None:
        """Return the live version of a document or preset, or the one that is rolled out, as the database has it now."""
        statement = select(PolicyVersion).where(_belongs_to(owner), PolicyVersion.state == state)
        return self.session.scalar(statement.execution_options(populate_existing=True))

    def load_versions_in_force(self, owner: Versioned) -> dict[VersionState, PolicyVersion]:
        """Return the live version and the one that is rolled out, by state, as the database has them now."""
        statement = select(PolicyVersion).where(_belongs_to(owner), PolicyVersion.state.in_(IN_FORCE))
        return {row.state: row for row in self.session.scalars(statement.execution_options(populate_existing=True))}

    def get_live_numbers(self, owners: Sequence[Versioned]) -> dict[UUID, int]:
        """Return the number of the live version of each of these documents or presets that has one."""
        ids = [owner.id for owner in owners]
        owner_id = func.coalesce(PolicyVersion.document_id, PolicyVersion.preset_id)
        rows = self.session.execute(
            select(owner_id, PolicyVersion.number).where(
                or_(PolicyVersion.document_id.in_(ids), PolicyVersion.preset_id.in_(ids)),
                PolicyVersion.state == VersionState.LIVE,
            )
        )
        return {row[0]: row[1] for row in rows}

    def get_next_number(self, owner: Versioned) -> int:
        highest = self.session.scalar(select(func.max(PolicyVersion.number)).where(_belongs_to(owner)))
        return (highest or 0) + 1

    def list_rolling(self) -> list[tuple[Versioned, PolicyVersion]]:
        """Return every roll-out under way."""
        return self._list_with_owner(PolicyVersion.state == VersionState.ROLLING)

    def list_live(self, town_id: UUID) -> list[tuple[Versioned, PolicyVersion]]:
        """Return every live version of the documents and presets of a town."""
        in_town = or_(PolicyDocument.town_id == town_id, Preset.town_id == town_id)
        return self._list_with_owner(PolicyVersion.state == VersionState.LIVE, in_town)

    def list_all_presets(self, town_id: UUID) -> Sequence[Preset]:
        """Return every preset of a town, those without a version too."""
        return self.session.scalars(select(Preset).where(Preset.town_id == town_id).order_by(Preset.id)).all()

    def list_ended(self, now: datetime) -> list[tuple[Versioned, PolicyVersion]]:
        """Return every temporary version in force whose time is over."""
        return self._list_with_owner(PolicyVersion.state.in_(IN_FORCE), PolicyVersion.until <= now)

    def _list_with_owner(self, *conditions: ColumnElement[bool]) -> list[tuple[Versioned, PolicyVersion]]:
        rows = self.session.execute(
            select(PolicyDocument, Preset, PolicyVersion)
            .select_from(PolicyVersion)
            .outerjoin(PolicyDocument, PolicyDocument.id == PolicyVersion.document_id)
            .outerjoin(Preset, Preset.id == PolicyVersion.preset_id)
            .where(*conditions)
            .order_by(PolicyVersion.id)
        )
        return [(document or preset, version) for document, preset, version in rows]

    def list_groups(self, actor: Actor, town_id: UUID, page: PageRequest) -> Page[PolicyGroup]:
        """Return one page of the groups of a town, by name."""
        statement = actor.restrict(select(PolicyGroup).where(PolicyGroup.town_id == town_id), PolicyGroup)
        return fetch_scalar_page(self.session, statement, page, PolicyGroup.name, PolicyGroup.id)

    def get_group(self, actor: Actor, group_id: UUID) -> PolicyGroup | None:
        return self.session.scalar(actor.restrict(select(PolicyGroup).where(PolicyGroup.id == group_id), PolicyGroup))

    def find_group_id(self, town_id: UUID, name: str) -> UUID | None:
        return self.session.scalar(select(PolicyGroup.id).where(PolicyGroup.town_id == town_id, PolicyGroup.name == name))

    def count_group_members(self, group_ids: Sequence[UUID]) -> dict[UUID, int]:
        """Return how many pupils each of these groups has; groups without any are left out."""
        statement = select(PolicyGroupMember.group_id, func.count()).where(PolicyGroupMember.group_id.in_(group_ids))
        return {row[0]: row[1] for row in self.session.execute(statement.group_by(PolicyGroupMember.group_id))}

    def list_group_pupils(self, group_id: UUID) -> list[Pupil]:
        """Return the pupils of a group who have a name."""
        return list(
            self.session.scalars(
                select(Pupil)
                .join(PolicyGroupMember, PolicyGroupMember.pupil_id == Pupil.id)
                .where(PolicyGroupMember.group_id == group_id, Pupil.state != PupilState.ERASED)
                .order_by(Pupil.id)
            )
        )

    def list_group_pupil_ids(self, group_id: UUID) -> frozenset[UUID]:
        statement = select(PolicyGroupMember.pupil_id).where(PolicyGroupMember.group_id == group_id)
        return frozenset(self.session.scalars(statement))

    def remove_group_members(self, group_id: UUID, pupil_ids: Iterable[UUID]) -> None:
        """Take pupils out of a group."""
        self.session.execute(
            delete(PolicyGroupMember).where(
                PolicyGroupMember.group_id == group_id, PolicyGroupMember.pupil_id.in_(list(pupil_ids))
            )
        )

    def get_place(self, place: PlaceKind, target: UUID) -> Any | None:
        """Return the school, class, group, pupil or tablet with an id."""
        return self.session.get(_PLACES[place], target)

    def get_school_of_class(self, class_id: UUID) -> UUID | None:
        """Return the school of a class."""
        return self.session.scalar(select(SchoolClass.school_id).where(SchoolClass.id == class_id))

    def list_tablets(self, tablets: Select[UUID]) -> list[UUID]:
        """Return the tablets that a statement selects."""
        return list(self.session.scalars(tablets))

    def list_tablet_page(self, tablets: Select[UUID], page: PageRequest) -> Page[UUID]:
        """Return one page of the tablets that a statement selects."""
        return fetch_scalar_page(self.session, select(Tablet.id).where(Tablet.id.in_(tablets)), page, Tablet.id)

    def count_tablets(self, tablets: Select[UUID]) -> int:
        """Return how many tablets a statement selects."""
        return self.session.scalar(select(func.count()).select_from(tablets.subquery())) or 0

    def select_group(self, group_id: UUID) -> Select[UUID]:
        """Return a statement that selects the tablets on loan to the pupils of a group."""
        return (
            select(Loan.tablet_id)
            .join(PolicyGroupMember, PolicyGroupMember.pupil_id == Loan.pupil_id)
            .where(Loan.closed_at.is_(None), PolicyGroupMember.group_id == group_id)
        )

    def select_pupil(self, pupil_id: UUID) -> Select[UUID]:
        """Return a statement that selects the tablets on loan to a pupil."""
        return select(Loan.tablet_id).where(Loan.closed_at.is_(None), Loan.pupil_id == pupil_id)

    def select_role(self, town_id: UUID, role: TabletRole) -> Select[UUID]:
        """Return a statement that selects the tablets of a town that are used in a role."""
        lent = select(Loan.tablet_id).where(Loan.closed_at.is_(None))
        in_town = select(Tablet.id).where(Tablet.town_id == town_id)
        match role:
            case TabletRole.PUPIL:
                return in_town.where(Tablet.id.in_(lent.where(Loan.pupil_id.is_not(None))))
            case TabletRole.CART:
                return in_town.where(Tablet.id.not_in(lent))
            case TabletRole.STAFF:
                return in_town.where(Tablet.id.in_(lent.where(Loan.staff_id.is_not(None))))

    def select_any(self, statements: Sequence[Select[UUID]]) -> Select[UUID]:
        """Return a statement that selects the tablets that at least one of these statements selects."""
        return select(Tablet.id).where(or_(false(), *(Tablet.id.in_(each) for each in statements))).order_by(Tablet.id)

    def select_both(self, first: Select[UUID], second: Select[UUID]) -> Select[UUID]:
        """Return a statement that selects the tablets that both statements select."""
        return select(Tablet.id).where(Tablet.id.in_(first), Tablet.id.in_(second)).order_by(Tablet.id)


def _belongs_to(owner: Versioned) -> ColumnElement[bool]:
    if isinstance(owner, PolicyDocument):
        return PolicyVersion.document_id == owner.id
    return PolicyVersion.preset_id == owner.id


def to_content(version: PolicyVersion) -> PolicyContent:
    """Return the content of a stored version."""
    return PolicyContent(version.values, version.locks, tuple(PresetUse.from_json(each) for each in version.presets))


def to_published(version: PolicyVersion) -> PublishedVersion:
    """Return a stored version in force, as the rules read it."""
    rolling = version.state is VersionState.ROLLING
    return PublishedVersion(
        version_id=version.id,
        content=to_content(version),
        stage=version.stage if rolling else None,
        stage_target=version.stage_target if rolling else None,
        author=f"{version.author_name}, v{version.number}",
        until=version.until,
    )
