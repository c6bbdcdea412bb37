"""Writes the groups of a confirmed plan. Groups of a kind for which the file has no column stay as they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from cartable.ids import new_id
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import GroupKind, PupilGroup, PupilGroupMember
from enrollment.people.text import make_label_key
from enrollment.people.undo_log import Json, UndoLog
from enrollment.rosters.imports.changes import GROUP_FIELDS, build_group_key
from enrollment.rosters.imports.repository import ImportRepository


def write_groups(
    work: UnitOfWork, town_id: UUID, year: str, changes: Sequence[Json], pupil_by_line: Mapping[int, UUID], undo_log: UndoLog
) -> None:
    """Write the group memberships that lines of pupils name. `pupil_by_line`: the pupil whom each line of the file is about."""
    changes = [change for change in changes if any(change["row"].get(name) is not None for name in GROUP_FIELDS)]
    if not changes:
        return
    repository = ImportRepository(work.session)
    groups = {
        (group.school_id, f"{group.kind.value}:{group.label_key}"): group
        for group in repository.list_groups_of_schools({UUID(change["school_id"]) for change in changes}, year)
    }
    memberships: dict[UUID, dict[UUID, PupilGroupMember]] = defaultdict(dict)
    for member in repository.list_group_members(group.id for group in groups.values()):
        memberships[member.pupil_id][member.group_id] = member
    kinds = {group.id: group.kind for group in groups.values()}
    for change in changes:
        school_id, pupil_id = UUID(change["school_id"]), pupil_by_line[change["line"]]
        for name, kind in GROUP_FIELDS.items():
            if change["row"].get(name) is None:
                continue
            named = {
                _get_or_create_group(work, town_id, school_id, year, kind, label, groups, undo_log).id
                for label in change["row"][name]
            }
            present = {group_id for group_id in memberships[pupil_id] if kinds[group_id] is kind}
            for group_id in sorted(named - present):
                work.session.add(PupilGroupMember(town_id=town_id, group_id=group_id, pupil_id=pupil_id))
                undo_log.joined_groups.append([str(group_id), str(pupil_id)])
            for group_id in sorted(present - named):
                work.session.delete(memberships[pupil_id][group_id])
                undo_log.left_groups.append([str(group_id), str(pupil_id)])
    work.session.flush()


def _get_or_create_group(
    work: UnitOfWork,
    town_id: UUID,
    school_id: UUID,
    year: str,
    kind: GroupKind,
    label: str,
    groups: dict[tuple[UUID, str], PupilGroup],
    undo_log: UndoLog,
) -> PupilGroup:
    key = build_group_key(kind, label)
    if (school_id, key) not in groups:
        group = PupilGroup(
            id=new_id(),
            town_id=town_id,
            school_id=school_id,
            school_year=year,
            kind=kind,
            label=label,
            label_key=make_label_key(label),
        )
        work.session.add(group)
        work.session.flush()
        undo_log.created["group"].append(str(group.id))
        groups[school_id, key] = group
    return groups[school_id, key]
