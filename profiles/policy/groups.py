"""Groups of pupils across classes, which a policy document may be written for: a club, a need. Never commits.

Groups that a school's roster names are people, in `enrollment.people`; they carry no policy.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from cartable import audit, locks
from cartable.outbox import Topic
from cartable.paging import Page, PageRequest
from cartable.references import require_all_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.models import AccessKind, Pupil
from enrollment.tablets.repository import TabletRepository
from profiles.policy.content import PolicyContent
from profiles.policy.errors import GroupExists, GroupInUse, GroupNotFound
from profiles.policy.kinds import PlaceKind
from profiles.policy.models import PolicyGroup, PolicyGroupMember
from profiles.policy.repository import PolicyRepository, to_content


def create_group(work: UnitOfWork, actor: Actor, town_id: UUID, name: str, pupil_ids: Collection[UUID]) -> PolicyGroup:
    """Return a new group of pupils across classes; their tablets are decided again. Raises `GroupExists`, `NotFound`, `Forbidden`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    locks.lock_town(work, town_id)
    require_all_in_town(work, Pupil, list(pupil_ids), town_id, field="pupil_ids")
    _check_name(work, town_id, name, None)
    group = PolicyGroup(town_id=town_id, name=name)
    work.session.add(group)
    work.session.flush()
    audit.record_event(work, actor, "group.create", "group", group.id, town_id=town_id, pupils=len(set(pupil_ids)))
    _add_members(work, group, set(pupil_ids))
    _reevaluate(work, set(pupil_ids))
    return group


def get_group(work: UnitOfWork, actor: Actor, group_id: UUID) -> PolicyGroup:
    """Return a group whose policy the actor writes. Raises `GroupNotFound`."""
    group = PolicyRepository(work.session).get_group(actor, group_id)
    if group is None or not actor.has_permission(Permission.AUTHOR, group.town_id):
        raise GroupNotFound
    return group


def list_groups(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest) -> Page[PolicyGroup]:
    """Return one page of the groups of a town."""
    return PolicyRepository(work.session).list_groups(actor, town_id, page)


def count_members(work: UnitOfWork, groups: Collection[PolicyGroup]) -> dict[UUID, int]:
    """Return how many pupils each of these groups has."""
    return PolicyRepository(work.session).count_group_members([group.id for group in groups])


def list_members(work: UnitOfWork, actor: Actor, group: PolicyGroup) -> list[Pupil]:
    """Return the pupils of a group. The reading is audited."""
    audit.record_reading(work, actor, "group.read", "group", group.id, town_id=group.town_id)
    pupils = PolicyRepository(work.session).list_group_pupils(group.id)
    access.record_access(work, actor, pupils, AccessKind.CLASS_LIST)
    return pupils


def change_group(
    work: UnitOfWork, actor: Actor, group: PolicyGroup, *, name: str | None = None, pupil_ids: Collection[UUID] | None = None
) -> None:
    """Give a group another name, or exactly these pupils; the tablets of those who came or left are decided again.

    Raises `GroupExists`, `NotFound`, `Forbidden`.
    """
    actor.require_permission(Permission.AUTHOR, group.town_id)
    locks.lock_town(work, group.town_id)
    if name is not None and name != group.name:
        _check_name(work, group.town_id, name, group.id)
        group.name = name
    repository = PolicyRepository(work.session)
    before = repository.list_group_pupil_ids(group.id)
    after = before if pupil_ids is None else frozenset(pupil_ids)
    require_all_in_town(work, Pupil, list(after - before), group.town_id, field="pupil_ids")
    repository.remove_group_members(group.id, before - after)
    _add_members(work, group, after - before)
    audit.record_event(
        work, actor, "group.change", "group", group.id, town_id=group.town_id, came=len(after - before), left=len(before - after)
    )
    _reevaluate(work, before.symmetric_difference(after))


def delete_group(work: UnitOfWork, actor: Actor, group: PolicyGroup) -> None:
    """Delete a group. Raises `GroupInUse` while rules are in force for it, and `Forbidden`."""
    actor.require_permission(Permission.AUTHOR, group.town_id)
    locks.lock_town(work, group.town_id)
    repository = PolicyRepository(work.session)
    document = repository.get_document_of_place(group.town_id, PlaceKind.GROUP, str(group.id))
    versions = repository.load_versions_in_force(document).values() if document is not None else ()
    if any(to_content(version) != PolicyContent() for version in versions):
        raise GroupInUse
    pupil_ids = repository.list_group_pupil_ids(group.id)
    audit.record_event(work, actor, "group.delete", "group", group.id, town_id=group.town_id, pupils=len(pupil_ids))
    repository.remove_group_members(group.id, pupil_ids)
    work.session.delete(group)
    work.session.flush()


def _check_name(work: UnitOfWork, town_id: UUID, name: str, group_id: UUID | None) -> None:
    if PolicyRepository(work.session).find_group_id(town_id, name) not in (None, group_id):
        raise GroupExists(field="name")


def _add_members(work: UnitOfWork, group: PolicyGroup, pupil_ids: Collection[UUID]) -> None:
    work.session.add_all(PolicyGroupMember(group_id=group.id, pupil_id=pupil_id) for pupil_id in pupil_ids)
    work.session.flush()


def _reevaluate(work: UnitOfWork, pupil_ids: Collection[UUID]) -> None:
    tablets = TabletRepository(work.session)
    work.enqueue_selected_jobs(Topic.RECONCILE, tablets.select_by_ids(tablets.list_ids_by_pupils(sorted(pupil_ids, key=str))))
