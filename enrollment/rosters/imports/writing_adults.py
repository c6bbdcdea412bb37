"""Writes the adults of a confirmed plan: staff with their assignments, guardians with their children."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from cartable.ids import new_id
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import AssignmentKind, Guardian, GuardianLink, RosterState, StaffMember, TeacherAssignment
from enrollment.people.text import compute_email_hash, compute_name_hash
from enrollment.people.undo_log import Json, UndoLog
from enrollment.rosters.imports.changes import WRITTEN_KINDS, ChangeKind, build_class_key
from enrollment.rosters.imports.repository import ImportRepository

_WRITTEN_VALUES = {kind.value for kind in WRITTEN_KINDS}


def write_staff(work: UnitOfWork, town_id: UUID, year: str, changes: Sequence[Json], undo_log: UndoLog) -> None:
    """Write staff and their assignments. An assignment that the file no longer lists ends today."""
    _StaffWriter(work, town_id, undo_log).write(changes, year)


def write_guardians(
    work: UnitOfWork, town_id: UUID, changes: Sequence[Json], pupil_by_line: dict[int, UUID], undo_log: UndoLog
) -> None:
    """Write guardians and their links to children. `pupil_by_line`: the pupil whom each line of the same file is about."""
    _GuardianWriter(work, town_id, undo_log).write(changes, pupil_by_line)


class _AdultWriter:
    """The part that both writers share."""

    def __init__(self, work: UnitOfWork, town_id: UUID, undo_log: UndoLog) -> None:
        self.work = work
        self.town_id = town_id
        self.undo_log = undo_log
        self.repository = ImportRepository(work.session)

    def _build_adult_values(self, row: Json) -> Json:
        """Return the values that every adult has."""
        return {
            "last_name": row["last_name"],
            "first_name": row["first_name"],
            "name_hash": compute_name_hash(self.work.keyring, self.town_id, row["last_name"], row["first_name"]),
            "state": RosterState.ACTIVE,
            "absent_since": None,
        }


class _StaffWriter(_AdultWriter):
    """Writes adults with their assignments."""

    def write(self, changes: Sequence[Json], year: str) -> None:
        """Write the changes of staff."""
        leavers = [change for change in changes if change["kind"] == ChangeKind.LEFT_FILE.value]
        written = [change for change in changes if change["kind"] in _WRITTEN_VALUES]
        identified = [each for each in changes if each["kind"] == ChangeKind.UNCHANGED.value and each["row"].get("source_id")]
        self._write_source_ids(identified)
        if not written and not leavers:
            return
        school_ids = {UUID(change["school_id"]) for change in (*written, *leavers)}
        class_ids = {
            (each.school_id, build_class_key(each.label, each.onde_id)): each.id
            for each in self.repository.list_classes_of_schools(school_ids, year)
        }
        open_assignments: dict[tuple[UUID, UUID], list[TeacherAssignment]] = defaultdict(list)
        for each in self.repository.list_open_assignments(sorted(school_ids)):
            open_assignments[each.school_id, each.staff_id].append(each)
        known = self.repository.get_staff(UUID(change["target_id"]) for change in (*written, *leavers) if change["target_id"])
        member_by_person: dict[str, StaffMember] = {}
        for change in written:
            school_id, row = UUID(change["school_id"]), change["row"]
            member = known.get(UUID(change["target_id"])) if change["target_id"] else member_by_person.get(row["person"])
            member = self._write_member(member, row)
            member_by_person[row["person"]] = member
            listed_assignments = {(class_ids.get((school_id, key)), AssignmentKind(kind)) for key, kind in row["assignments"]}
            self._update_assignments(member.id, school_id, listed_assignments, open_assignments[school_id, member.id])
        for change in leavers:
            self._end_assignments(open_assignments[UUID(change["school_id"]), UUID(change["target_id"])])
        self.work.session.flush()
        leaver_ids = {UUID(change["target_id"]) for change in leavers}
        for member_id in leaver_ids - self.repository.find_assigned_staff(leaver_ids):
            self.undo_log.set_fields(
                "staff", known[member_id], {"state": RosterState.ABSENT_FROM_ROSTER, "absent_since": self.work.now.date()}
            )

    def _write_source_ids(self, changes: Sequence[Json]) -> None:
        """Store the numbers of adults of whom nothing else changes, so that the next file finds them by it."""
        known = self.repository.get_staff(UUID(change["target_id"]) for change in changes)
        for change in changes:
            self.undo_log.set_fields("staff", known[UUID(change["target_id"])], {"source_id": change["row"]["source_id"]})

    def _write_member(self, member: StaffMember | None, row: Json) -> StaffMember:
        email = row["email"] or None
        values = self._build_adult_values(row)
        if email is not None:
            values |= {"email": email, "email_hash": compute_email_hash(self.work.keyring, self.town_id, email)}
        if row.get("source_id"):
            values |= {"source_id": row["source_id"]}
        if member is None:
            member = StaffMember(id=new_id(), town_id=self.town_id, **values)
            self.work.session.add(member)
            self.undo_log.created["staff"].append(str(member.id))
        else:
            self.undo_log.set_fields("staff", member, values)
        return member

    def _update_assignments(
        self,
        staff_id: UUID,
        school_id: UUID,
        listed_assignments: set[tuple[UUID | None, AssignmentKind]],
        open_assignments: list[TeacherAssignment],
    ) -> None:
        present = {(each.class_id, each.kind): each for each in open_assignments}
        self._end_assignments(each for key, each in present.items() if key not in listed_assignments)
        for class_id, kind in sorted(listed_assignments - set(present), key=str):
            assignment = TeacherAssignment(
                id=new_id(), town_id=self.town_id, staff_id=staff_id, school_id=school_id, class_id=class_id, kind=kind,
                starts_on=self.work.now.date(),
            )  # fmt: skip
            self.work.session.add(assignment)
            self.undo_log.created["assignment"].append(str(assignment.id))

    def _end_assignments(self, assignments: Iterable[TeacherAssignment]) -> None:
        for assignment in assignments:
            self.undo_log.set_fields("assignment", assignment, {"ends_on": self.work.now.date()})


class _GuardianWriter(_AdultWriter):
    """Writes guardians with their children."""

    def write(self, changes: Sequence[Json], pupil_by_line: dict[int, UUID]) -> None:
        """Write the changes of guardians."""
        target_ids = {UUID(change["target_id"]) for change in changes if change["target_id"]}
        known = self.repository.get_guardians(target_ids)
        links: dict[UUID, dict[UUID, GuardianLink]] = defaultdict(dict)
        for link in self.repository.list_links_of_guardians(target_ids):
            links[link.guardian_id][link.pupil_id] = link
        self.work.session.flush()
        for change in changes:
            row, target = change["row"], known.get(UUID(change["target_id"])) if change["target_id"] else None
            if change["kind"] == ChangeKind.LEFT_FILE.value and target is not None:
                self.undo_log.set_fields(
                    "guardian", target, {"state": RosterState.ABSENT_FROM_ROSTER, "absent_since": self.work.now.date()}
                )
            elif change["kind"] in _WRITTEN_VALUES:
                guardian = self._write_guardian(target, UUID(change["school_id"]), row)
                pupil_ids = (_resolve_child(reference, pupil_by_line) for reference in row["children"])
                child_ids = {pupil_id for pupil_id in pupil_ids if pupil_id is not None}
                self._update_links(guardian.id, child_ids, links[guardian.id], is_complete=row["children_complete"])

    def _write_guardian(self, guardian: Guardian | None, school_id: UUID, row: Json) -> Guardian:
        values: Json = {
            **self._build_adult_values(row),
            **{name: row[name] for name in ("email", "mobile") if row[name]},
        }
        if guardian is None:
            guardian = Guardian(id=new_id(), town_id=self.town_id, school_id=school_id, **values)
            self.work.session.add(guardian)
            self.work.session.flush()
            self.undo_log.created["guardian"].append(str(guardian.id))
        else:
            self.undo_log.set_fields("guardian", guardian, values)
        return guardian

    def _update_links(
        self, guardian_id: UUID, child_ids: set[UUID], links: dict[UUID, GuardianLink], *, is_complete: bool
    ) -> None:
        """Add missing links; remove links to other pupils only when all children in the file were matched."""
        for pupil_id in sorted(child_ids - set(links)):
            self.work.session.add(GuardianLink(town_id=self.town_id, guardian_id=guardian_id, pupil_id=pupil_id))
            self.undo_log.linked_guardians.append([str(guardian_id), str(pupil_id)])
        for pupil_id in sorted(set(links) - child_ids) if is_complete else ():
            self.work.session.delete(links[pupil_id])
            self.undo_log.unlinked_guardians.append([str(guardian_id), str(pupil_id), links[pupil_id].court_order])


def _resolve_child(reference: str, pupil_by_line: dict[int, UUID]) -> UUID | None:
    return pupil_by_line.get(int(reference[5:])) if reference.startswith("line:") else UUID(reference)
