"""Putting back what the last import found. A field that somebody has changed since keeps their value."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Uuid

from cartable.database import EnumText
from cartable.foreign_keys import find_referenced_ids
from cartable.unit_of_work import UnitOfWork
from enrollment.people.imports.ledger import MODELS, Json, plain
from enrollment.people.imports.repository import ImportRepository
from enrollment.people.models import Guardian, GuardianLink, Pupil, PupilGroup, PupilGroupMember, StaffMember, TeacherAssignment
from enrollment.places.models import SchoolClass
from enrollment.rollover import service as years
from enrollment.rollover.models import Rollover, RolloverState
from enrollment.rollover.repository import YearRepository

#: What an import makes together with a pupil; it goes with the pupil.
_OWN = ("guardian_link", "rollover_line", "pupil_group_member")


def blockers(work: UnitOfWork, notes: Json) -> set[UUID]:
    """The pupils made by the import to whom something else refers by now: a loan, an invitation."""
    return find_referenced_ids(work.session, Pupil, [UUID(each) for each in notes["made"]["pupil"]], besides=_OWN)


def restore(work: UnitOfWork, town_id: UUID, notes: Json) -> set[UUID]:
    """Put everything back. Returns the pupils whose class, level or school is another one now."""
    repository = ImportRepository(work.session)
    _restore_links(work, repository, town_id, notes)
    _restore_lines(work, notes)
    _restore_groups(work, repository, town_id, notes)
    pupils = repository.pupils(UUID(each) for each in notes["before"]["pupil"])
    touched, moved = set(), set()
    for pupil in pupils.values():
        place = pupil.school_id, pupil.class_id, pupil.level
        _restore(pupil, notes["before"]["pupil"][str(pupil.id)])
        if place != (pupil.school_id, pupil.class_id, pupil.level):
            touched.add(pupil.id)
        if place[0] != pupil.school_id:
            moved.add(pupil.id)
    for kind, found in (
        ("class", repository.classes(UUID(each) for each in notes["before"]["class"])),
        ("guardian", repository.guardians(UUID(each) for each in notes["before"]["guardian"])),
        ("staff", repository.staff(UUID(each) for each in notes["before"]["staff"])),
        ("assignment", repository.assignments(UUID(each) for each in notes["before"]["assignment"])),
    ):
        for row in found.values():
            _restore(row, notes["before"][kind][str(row.id)])
    work.session.flush()
    repository.follow_pupils(moved)
    _restore_proposals(work, notes)
    _delete_made(work, repository, notes)
    return touched


def _restore_lines(work: UnitOfWork, notes: Json) -> None:
    """What the roster said of a passage is unsaid, except where the passage is in force by now."""
    if notes.get("passage"):
        told = notes["before"]["line"]
        for pupil_id, line in YearRepository(work.session).lines_of(UUID(notes["passage"]), map(UUID, told)).items():
            if line.applied_at is None:
                _restore(line, told[str(pupil_id)])
        work.session.flush()


def _restore_proposals(work: UnitOfWork, notes: Json) -> None:
    """What the roster proposed is proposed no more; the draft follows the pupils as they are again."""
    rollover = work.session.get(Rollover, UUID(notes["proposed"])) if notes.get("proposed") else None
    if rollover is not None and rollover.state is RolloverState.DRAFT:
        before = notes["before"]["proposal"]
        for pupil_id, line in YearRepository(work.session).lines_of(rollover.id, map(UUID, before)).items():
            _restore(line, before[str(pupil_id)])
        years.bring_up_to_date(work, rollover)


def _restore(row: Any, fields: dict[str, list[object]]) -> None:
    for name, (before, after) in fields.items():
        if plain(getattr(row, name)) == after:
            setattr(row, name, _typed(row, name, before))


def _typed(row: Any, name: str, value: Any) -> Any:
    kind = row.__table__.columns[name].type
    if value is not None and isinstance(kind, Uuid):
        return UUID(value)
    if value is not None and isinstance(kind, Date):
        return date.fromisoformat(value)
    return kind.kind(value) if value is not None and isinstance(kind, EnumText) else value


def _restore_links(work: UnitOfWork, repository: ImportRepository, town_id: UUID, notes: Json) -> None:
    made = {(UUID(guardian), UUID(pupil)) for guardian, pupil in notes["linked"]}
    for link in repository.links_of({guardian for guardian, _ in made}):
        if (link.guardian_id, link.pupil_id) in made:
            work.session.delete(link)
    work.session.flush()
    removed = {(UUID(guardian), UUID(pupil)): court for guardian, pupil, court in notes["unlinked"]}
    present = {(link.guardian_id, link.pupil_id) for link in repository.links_of({guardian for guardian, _ in removed})}
    for guardian_id, pupil_id in sorted(set(removed) - present):
        court = removed[guardian_id, pupil_id]
        work.session.add(GuardianLink(town_id=town_id, guardian_id=guardian_id, pupil_id=pupil_id, court_order=court))
    work.session.flush()


def _restore_groups(work: UnitOfWork, repository: ImportRepository, town_id: UUID, notes: Json) -> None:
    joined = {(UUID(group), UUID(pupil)) for group, pupil in notes["joined"]}
    left = {(UUID(group), UUID(pupil)) for group, pupil in notes["left"]}
    present = {(each.group_id, each.pupil_id): each for each in repository.members({group for group, _ in joined | left})}
    for place in joined & set(present):
        work.session.delete(present[place])
    for group_id, pupil_id in sorted(left - set(present)):
        work.session.add(PupilGroupMember(town_id=town_id, group_id=group_id, pupil_id=pupil_id))
    work.session.flush()


def _delete_made(work: UnitOfWork, repository: ImportRepository, notes: Json) -> None:
    """Delete what the import made, except a class in which somebody has put something since."""
    made = {kind: {UUID(each) for each in notes["made"][kind]} for kind in MODELS}
    repository.delete(Guardian, made["guardian"])
    repository.delete(TeacherAssignment, made["assignment"])
    repository.delete(StaffMember, made["staff"] - find_referenced_ids(work.session, StaffMember, made["staff"]))
    repository.delete(Pupil, made["pupil"])
    repository.delete(PupilGroup, made["group"] - find_referenced_ids(work.session, PupilGroup, made["group"]))
    repository.delete(SchoolClass, made["class"] - find_referenced_ids(work.session, SchoolClass, made["class"]))
    work.session.flush()
    work.session.expire_all()
