"""Carrying a confirmed plan out: the groups that pupils' lines name. What a file does not tell of a pupil's groups stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from cartable.ids import new_id
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import GroupKind, PupilGroup, PupilGroupMember
from enrollment.people.text import label_key
from enrollment.people.undo_log import Json, UndoLog
from enrollment.rosters.imports.changes import GROUP_FIELDS, build_group_key
from enrollment.rosters.imports.repository import ImportRepository


def write_groups(
    work: UnitOfWork, town_id: UUID, year: str, changes: Sequence[Json], pupil_by_line: Mapping[int, UUID], undo_log: UndoLog
) -> None:
    """Write who is in which group; `lines` tells which pupil a line of the file became."""
    telling = [change for change in changes if any(change["row"].get(name) is not None for name in GROUP_FIELDS)]
    if not telling:
        return
    repository = ImportRepository(work.session)
    known = {
        (group.school_id, f"{group.kind.value}:{group.label_key}"): group
        for group in repository.list_groups_of_schools({UUID(change["school_id"]) for change in telling}, year)
    }
    held: dict[UUID, dict[UUID, PupilGroupMember]] = defaultdict(dict)
    for member in repository.list_group_members(group.id for group in known.values()):
        held[member.pupil_id][member.group_id] = member
    kinds = {group.id: group.kind for group in known.values()}
    for change in telling:
        school_id, pupil_id = UUID(change["school_id"]), pupil_by_line[change["line"]]
        for name, kind in GROUP_FIELDS.items():
            if change["row"].get(name) is None:
                continue
            wanted = {
                _get_or_create_group(work, town_id, school_id, year, kind, label, known, undo_log).id
                for label in change["row"][name]
            }
            present = {group_id for group_id in held[pupil_id] if kinds[group_id] is kind}
            for group_id in sorted(wanted - present):
                work.session.add(PupilGroupMember(town_id=town_id, group_id=group_id, pupil_id=pupil_id))
                undo_log.joined_groups.append([str(group_id), str(pupil_id)])
            for group_id in sorted(present - wanted):
                work.session.delete(held[pupil_id][group_id])
                undo_log.left_groups.append([str(group_id), str(pupil_id)])
    work.session.flush()


def _get_or_create_group(
    work: UnitOfWork,
    town_id: UUID,
    school_id: UUID,
    year: str,
    kind: GroupKind,
    label: str,
    known: dict[tuple[UUID, str], PupilGroup],
    ledger: UndoLog,
) -> PupilGroup:
    key = build_group_key(kind, label)
    if (school_id, key) not in known:
        made = PupilGroup(
            id=new_id(),
            town_id=town_id,
            school_id=school_id,
            school_year=year,
            kind=kind,
            label=label,
            label_key=label_key(label),
        )
        work.session.add(made)
        work.session.flush()
        ledger.created["group"].append(str(made.id))
        known[school_id, key] = made
    return known[school_id, key]
