"""Verbs of the school year: preview, tick, classes of next year, apply, undo, close. Never commits.

Tablets stay with the pupils and are not wiped; their apps follow the level by the decision that each change asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row

from enrollment.people.files.cells import label_key
from enrollment.people.models import Pupil
from enrollment.places.models import School, SchoolClass, Town
from enrollment.places.rules import school_year_of
from enrollment.tablets.models import Tablet
from enrollment.tablets.repository import TabletRepository
from enrollment.years.errors import NotApplied, RolloverClosed, RolloverUnknown, TooEarly
from enrollment.years.models import Decision, Rollover, RolloverLine, RolloverState, SchoolSuccession
from enrollment.years.repository import YearRepository
from enrollment.years.rules import after, is_ulis, may_apply_from, next_year, usual
from mdm.kit import audit
from mdm.kit.errors import Invalid, NotFound
from mdm.kit.outbox import Topic
from mdm.kit.scope import Actor, Permission
from mdm.kit.work import Work

PART = 1000


def preview(work: Work, actor: Actor, town_id: UUID, from_year: str | None = None) -> Rollover:
    """Make the draft of a town's passage, or bring it up to date with the roster. What a head ticked stays.

    Raises `RolloverClosed`, `Forbidden`.
    """
    actor.require(Permission.AUTHOR, town_id)
    repository = YearRepository(work.session)
    audit.hold(work, town_id)
    year = from_year or school_year_of(work.now.date())
    rollover = repository.of_town(town_id, year)
    if rollover is None:
        rollover = Rollover(
            town_id=town_id, from_year=year, to_year=next_year(year), state=RolloverState.DRAFT,
            made_by=actor.account_id, made_at=work.now,
        )  # fmt: skip
        work.session.add(rollover)
        work.session.flush()
    _still_open(rollover)
    audit.record(work, actor, "rollover.preview", "rollover", rollover.id, town_id=town_id)
    lines, successors = repository.lines(rollover.id), repository.successors(town_id)
    for pupil, key in repository.pupils(town_id):
        line = lines.get(pupil.id)
        if line is None:
            line = RolloverLine(rollover_id=rollover.id, pupil_id=pupil.id, town_id=town_id, ticked=False)
            work.session.add(line)
        elif line.applied_at is not None:
            continue
        line.level_before, line.class_before, line.school_id = pupil.level, pupil.class_id, pupil.school_id
        line.school_after = successors.get(pupil.school_id, pupil.school_id)
        line.ulis = is_ulis(key)
        if not line.ticked:
            line.decision = usual(pupil.level, pupil.state)
        line.level_after = after(pupil.level, line.decision)
    work.session.flush()
    return rollover


def tick(work: Work, actor: Actor, rollover_id: UUID, pupil_ids: Sequence[UUID], decision: Decision) -> int:
    """Note what a head decided for some pupils. Raises `RolloverUnknown`, `RolloverClosed`, `NotFound`."""
    rollover = _open(work, actor, rollover_id)
    lines = YearRepository(work.session).lines(rollover.id)
    if not pupil_ids or any(pupil_id not in lines or lines[pupil_id].applied_at for pupil_id in pupil_ids):
        raise NotFound(field="pupil_ids")
    audit.record(
        work, actor, "rollover.tick", "rollover", rollover.id, town_id=rollover.town_id, decision=decision.value,
        pupils=[str(pupil_id) for pupil_id in pupil_ids],
    )  # fmt: skip
    for pupil_id in pupil_ids:
        line = lines[pupil_id]
        line.decision, line.ticked, line.level_after = decision, True, after(line.level_before, decision)
    return len(pupil_ids)


def make_class(
    work: Work, actor: Actor, rollover_id: UUID, school_id: UUID, label: str, pupil_ids: Sequence[UUID]
) -> SchoolClass:
    """Make a class of next year, a new one even under an old name, and place pupils in it. Raises as `tick` does."""
    rollover = _open(work, actor, rollover_id)
    repository = YearRepository(work.session)
    school = work.session.get(School, school_id)
    if school is None or school.town_id != rollover.town_id:
        raise NotFound(field="school_id")
    lines = repository.lines(rollover.id)
    if any(pupil_id not in lines or lines[pupil_id].applied_at for pupil_id in pupil_ids):
        raise NotFound(field="pupil_ids")
    key = label_key(label)
    found = repository.class_by_key(school_id, rollover.to_year, key)
    if found is None:
        found = SchoolClass(
            town_id=rollover.town_id, school_id=school_id, school_year=rollover.to_year, label=label, label_key=key
        )
        work.session.add(found)
        work.session.flush()
    audit.record(
        work,
        actor,
        "rollover.class",
        "school_class",
        found.id,
        town_id=rollover.town_id,
        pupils=[str(each) for each in pupil_ids],
    )
    for pupil_id in pupil_ids:
        lines[pupil_id].class_after, lines[pupil_id].school_after = found.id, school_id
    return found


def succeed(work: Work, actor: Actor, old_school_id: UUID, new_school_id: UUID) -> SchoolSuccession:
    """Say that a school goes on as another: its pupils follow at the next passage. Raises `NotFound`, `Invalid`."""
    old, new = work.session.get(School, old_school_id), work.session.get(School, new_school_id)
    if old is None or new is None or old.town_id != new.town_id:
        raise NotFound(field="new_school_id")
    actor.require(Permission.AUTHOR, old.town_id)
    if old.id == new.id or YearRepository(work.session).successors(old.town_id).get(new.id) == old.id:
        raise Invalid(field="new_school_id")
    audit.record(work, actor, "school.succession", "school", old.id, town_id=old.town_id, new=str(new.id))
    row = work.session.get(SchoolSuccession, old.id)
    if row is None:
        row = SchoolSuccession(town_id=old.town_id, old_school_id=old.id, new_school_id=new.id)
        work.session.add(row)
    row.new_school_id = new.id
    work.session.flush()
    return row


def apply(work: Work, actor: Actor, rollover_id: UUID, limit: int = PART) -> int:
    """Apply the next part of a passage, from 1 September on. Returns how many lines: call again until 0.

    A pupil whom a roster has moved meanwhile is left as the roster says. Raises `TooEarly`, and as `tick` does.
    """
    rollover = _open(work, actor, rollover_id)
    town = work.session.get_one(Town, rollover.town_id)
    if work.now < may_apply_from(rollover.to_year, town.time_zone):
        raise TooEarly
    repository = YearRepository(work.session)
    rows = repository.part(rollover.id, applied=False, limit=limit)
    audit.record(work, actor, "rollover.apply", "rollover", rollover.id, town_id=rollover.town_id, lines=len(rows))
    for line, pupil in rows:
        line.applied_at = work.now
        if line.decision is not Decision.LEAVER and _is_as(pupil, line.level_before, line.class_before, line.school_id):
            pupil.level, pupil.class_id, pupil.school_id = line.level_after, line.class_after, line.school_after
    rollover.state, rollover.applied_at = RolloverState.APPLIED, work.now
    _decide_again(work, [pupil.id for _, pupil in rows])
    return len(rows)


def undo(work: Work, actor: Actor, rollover_id: UUID, limit: int = PART) -> int:
    """Take back the next part of what was applied. Pupils who have changed since stay as they are. Call again until 0.

    Raises as `tick` does.
    """
    rollover = _open(work, actor, rollover_id)
    rows = YearRepository(work.session).part(rollover.id, applied=True, limit=limit)
    audit.record(work, actor, "rollover.undo", "rollover", rollover.id, town_id=rollover.town_id, lines=len(rows))
    for line, pupil in rows:
        line.applied_at = None
        if line.decision is not Decision.LEAVER and _is_as(pupil, line.level_after, line.class_after, line.school_after):
            pupil.level, pupil.class_id, pupil.school_id = line.level_before, line.class_before, line.school_id
    if len(rows) < limit:
        rollover.state, rollover.applied_at = RolloverState.DRAFT, None
    _decide_again(work, [pupil.id for _, pupil in rows])
    return len(rows)


def close(work: Work, actor: Actor, rollover_id: UUID) -> Rollover:
    """End a passage for good. Raises `NotApplied`, `RolloverUnknown`, `Forbidden`."""
    rollover = _open(work, actor, rollover_id)
    actor.require(Permission.GOVERN, rollover.town_id)
    if rollover.state is not RolloverState.APPLIED or YearRepository(work.session).part(rollover.id, applied=False, limit=1):
        raise NotApplied
    audit.record(work, actor, "rollover.close", "rollover", rollover.id, town_id=rollover.town_id)
    rollover.state, rollover.closed_at = RolloverState.CLOSED, work.now
    return rollover


def to_return(work: Work, actor: Actor, rollover_id: UUID) -> Sequence[Row[Tablet, UUID]]:
    """The tablets that leavers still hold: tags and schools, no names. Raises `RolloverUnknown`."""
    rollover = get(work, actor, rollover_id)
    return YearRepository(work.session).to_return(rollover.id)


def get(work: Work, actor: Actor, rollover_id: UUID) -> Rollover:
    """A passage that the actor may see. Raises `RolloverUnknown`."""
    rollover = YearRepository(work.session).visible(actor, rollover_id)
    if rollover is None:
        raise RolloverUnknown
    return rollover


def _open(work: Work, actor: Actor, rollover_id: UUID) -> Rollover:
    rollover = get(work, actor, rollover_id)
    actor.require(Permission.AUTHOR, rollover.town_id)
    audit.hold(work, rollover.town_id)
    work.session.refresh(rollover)
    _still_open(rollover)
    return rollover


def _still_open(rollover: Rollover) -> None:
    if rollover.state is RolloverState.CLOSED:
        raise RolloverClosed


def _is_as(pupil: Pupil, level: object, class_id: UUID | None, school_id: UUID) -> bool:
    return (pupil.level, pupil.class_id, pupil.school_id) == (level, class_id, school_id)


def _decide_again(work: Work, pupil_ids: Sequence[UUID]) -> None:
    work.session.flush()
    tablet_ids = TabletRepository(work.session).of_pupils(pupil_ids)
    if tablet_ids:
        work.later(Topic.DECIDE, *tablet_ids)
