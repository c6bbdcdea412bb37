"""Merges a school into another one of its town, at any time of the year. At the end of a year the rollover does it. Never commits.

See docs/domain/schools.md#mergers.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Conflict, Invalid
from cartable.i18n import Message
from cartable.outbox import Topic
from cartable.references import require_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School
from enrollment.places.service import get_school_date, require_school
from enrollment.rollover.models import SchoolSuccession
from mdm.places.repository import SchoolMergeRepository


class SchoolClosed(Conflict):
    """One of the schools is closed."""

    code = "school_closed"
    message = Message("The school {uai} is closed.")


class SchoolInRollover(Conflict):
    """A rollover that is not closed moves pupils of one of the schools."""

    code = "school_in_rollover"
    message = Message(
        "The change of school year of these schools is not closed. Say there as which school one goes on, or close it first."
    )


@dataclass(frozen=True, slots=True)
class SchoolMerge:
    """Two schools and what moves from the first to the second: numbers by what is counted."""

    old: School
    new: School
    counts: dict[str, int]


def preview_merge(work: UnitOfWork, actor: Actor, old_school_id: UUID, new_school_id: UUID) -> SchoolMerge:
    """Return what a merge would move. Raises `NotFound`, `Forbidden`, `Invalid`, `SchoolClosed`, `SchoolInRollover`."""
    old = require_school(work, actor, old_school_id, Permission.GOVERN)
    new = require_in_town(work, School, new_school_id, old.town_id, field="new_school_id")
    actor.require_permission(Permission.GOVERN, old.town_id)
    if old.id == new.id:
        raise Invalid(field="new_school_id")
    return _check_merge(work, old, new)


def merge_schools(work: UnitOfWork, actor: Actor, old_school_id: UUID, new_school_id: UUID) -> SchoolMerge:
    """Move everything that is in a school to another one of its town, close it, and return what was moved.

    The roles of its people move too, so only who governs the whole town may do it, with the password once more. Tablets stay with
    their pupils; each is reconciled, so that the rules of its new school apply.
    Raises what `preview_merge` raises, and `ReauthenticationRequired`.
    """
    merge = preview_merge(work, actor, old_school_id, new_school_id)
    actor.require_reauthentication()
    old, new = merge.old, merge.new
    locks.lock_town(work, old.town_id)
    repository = SchoolMergeRepository(work.session)
    repository.lock_schools((old.id, new.id))
    work.session.refresh(old)
    work.session.refresh(new)
    merge = _check_merge(work, old, new)
    audit.record_event(
        work, actor, "school.merge", "school", old.id, town_id=old.town_id, new=str(new.id), new_uai=new.uai, **merge.counts
    )
    tablet_ids = repository.move_content(old, new)
    work.session.add(SchoolSuccession(town_id=old.town_id, old_school_id=old.id, new_school_id=new.id))
    old.closed_on = get_school_date(work, old)
    work.session.flush()
    if tablet_ids:
        work.enqueue_job(Topic.RECONCILE, *tablet_ids)
    return merge


def _check_merge(work: UnitOfWork, old: School, new: School) -> SchoolMerge:
    for school in (old, new):
        if school.closed_on is not None:
            raise SchoolClosed(uai=school.uai)
    repository = SchoolMergeRepository(work.session)
    if repository.has_open_rollover((old.id, new.id)):
        raise SchoolInRollover
    return SchoolMerge(old, new, repository.count_content(old.id, new.id, work.now))
