"""The places that layers and bundles speak to: whether one exists in a town, and which tablets are in it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select

from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Pupil
from enrollment.places.models import Grade, School, SchoolClass
from enrollment.tablets.models import Tablet
from enrollment.tablets.repository import TabletRepository
from profiles.policy.errors import BadTarget
from profiles.policy.kinds import LayerKind, TabletRole
from profiles.policy.models import PolicyGroup
from profiles.policy.repository import LayerRepository


def check_target(work: UnitOfWork, town_id: UUID | None, kind: LayerKind, target: str) -> UUID | None:
    """The school that the target lies in, if it lies in one. Raises `BadTarget`."""
    if (kind is LayerKind.OPERATOR) != (town_id is None):
        raise BadTarget(field="town_id")
    match kind:
        case LayerKind.OPERATOR | LayerKind.TOWN:
            good = target == ""
        case LayerKind.ROLE:
            good = target in {*TabletRole}
        case LayerKind.GRADE:
            good = target in {*Grade}
        case _:
            return _place(work, town_id, kind, target)
    if not good:
        raise BadTarget(field="target")
    return None


_TABLES: dict[LayerKind, Any] = {
    LayerKind.SCHOOL: School,
    LayerKind.CLASS: SchoolClass,
    LayerKind.GROUP: PolicyGroup,
    LayerKind.PUPIL: Pupil,
    LayerKind.TABLET: Tablet,
}


def _place(work: UnitOfWork, town_id: UUID | None, kind: LayerKind, target: str) -> UUID | None:
    try:
        row = work.session.get(_TABLES[kind], UUID(target))
    except ValueError:
        row = None
    if row is None or row.town_id != town_id:
        raise BadTarget(field="target")
    found: UUID | None = row.id if kind is LayerKind.SCHOOL else getattr(row, "school_id", None)
    return found


def tablets_of(work: UnitOfWork, town_id: UUID | None, kind: LayerKind, target: str) -> Select[UUID]:
    """Statement: the tablets of a place."""
    tablets = TabletRepository(work.session)
    match kind:
        case LayerKind.SCHOOL:
            found = tablets.select_by_school(UUID(target))
        case LayerKind.CLASS:
            found = tablets.select_by_class(UUID(target))
        case LayerKind.PUPIL:
            found = tablets.select_by_ids(tablets.list_ids_by_pupils([UUID(target)]))
        case LayerKind.GROUP:
            members = LayerRepository(work.session).members(UUID(target))
            found = tablets.select_by_ids(tablets.list_ids_by_pupils([member.pupil_id for member in members]))
        case LayerKind.TABLET:
            found = tablets.select_by_ids([UUID(target)])
        case LayerKind.GRADE if town_id is not None:
            found = tablets.select_by_grade(town_id, Grade(target))
        case _:
            found = tablets.select_by_town(town_id) if town_id is not None else tablets.select_all()
    return found
