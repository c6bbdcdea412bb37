"""The places that documents are written for: whether one exists in a town, and which tablets are in it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Select

from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Grade
from enrollment.tablets.repository import TabletRepository
from profiles.policy.errors import BadStage, UnknownPlace
from profiles.policy.kinds import PlaceKind, StageKind, TabletRole
from profiles.policy.models import PolicyDocument
from profiles.policy.repository import PolicyRepository


def check_place(work: UnitOfWork, town_id: UUID | None, place: PlaceKind, target: str) -> UUID | None:
    """Return the school that a place lies in, if it lies in one. Raises `UnknownPlace`."""
    if (place is PlaceKind.OPERATOR) != (town_id is None):
        raise UnknownPlace(field="town_id")
    match place:
        case PlaceKind.OPERATOR | PlaceKind.TOWN:
            exists = target == ""
        case PlaceKind.ROLE:
            exists = target in {*TabletRole}
        case PlaceKind.GRADE:
            exists = target in {*Grade}
        case _:
            return _check_row(work, town_id, place, target)
    if not exists:
        raise UnknownPlace(field="target")
    return None


def _check_row(work: UnitOfWork, town_id: UUID | None, place: PlaceKind, target: str) -> UUID | None:
    try:
        row = PolicyRepository(work.session).get_place(place, UUID(target))
    except ValueError:
        row = None
    if row is None or row.town_id != town_id:
        raise UnknownPlace(field="target")
    school_id: UUID | None = row.id if place is PlaceKind.SCHOOL else getattr(row, "school_id", None)
    return school_id


def select_tablets(work: UnitOfWork, town_id: UUID | None, place: PlaceKind, target: str) -> Select[UUID]:
    """Return a statement: the tablets of a place."""
    tablets, repository = TabletRepository(work.session), PolicyRepository(work.session)
    with_id: dict[PlaceKind, Callable[[UUID], Select[UUID]]] = {
        PlaceKind.SCHOOL: tablets.select_by_school,
        PlaceKind.CLASS: tablets.select_by_class,
        PlaceKind.GROUP: repository.select_group,
        PlaceKind.PUPIL: repository.select_pupil,
        PlaceKind.TABLET: lambda tablet_id: tablets.select_by_ids([tablet_id]),
    }
    if place in with_id:
        return with_id[place](UUID(target))
    if town_id is None:
        return tablets.select_all()
    if place is PlaceKind.GRADE:
        return tablets.select_by_grade(town_id, Grade(target))
    return repository.select_role(town_id, TabletRole(target)) if place is PlaceKind.ROLE else tablets.select_by_town(town_id)


def count_tablets(work: UnitOfWork, town_id: UUID | None, place: PlaceKind, target: str) -> int:
    """Return how many tablets are in a place."""
    return PolicyRepository(work.session).count_tablets(select_tablets(work, town_id, place, target))


def select_document_tablets(work: UnitOfWork, document: PolicyDocument) -> Select[UUID]:
    """Return a statement: the tablets that a document concerns."""
    return select_tablets(work, document.town_id, document.place, document.target)


_STAGE_PLACES = {
    StageKind.TABLET: PlaceKind.TABLET,
    StageKind.CLASS: PlaceKind.CLASS,
    StageKind.SCHOOL: PlaceKind.SCHOOL,
}


def select_stage_tablets(work: UnitOfWork, stage: StageKind, target: UUID) -> Select[UUID]:
    """Return a statement: the tablets of a stage of a roll-out, other than the last, which is all."""
    return select_tablets(work, None, _STAGE_PLACES[stage], str(target))


def check_stage(work: UnitOfWork, town_id: UUID | None, concerned: Select[UUID], stage: StageKind, target: UUID) -> Select[UUID]:
    """Return a statement: the tablets of a stage among those concerned. Raises `BadStage` when there are none."""
    repository = PolicyRepository(work.session)
    place = repository.get_place(_STAGE_PLACES[stage], target)
    if place is None or (town_id is not None and place.town_id != town_id):
        raise BadStage(field="target", why="unknown_target")
    tablets = select_stage_tablets(work, stage, target)
    reached = repository.select_both(tablets, concerned)
    if not repository.count_tablets(reached):
        reason = "not_concerned" if repository.count_tablets(tablets) else "no_tablets"
        raise BadStage(field="target", why=reason)
    return reached
