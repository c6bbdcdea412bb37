"""Whom a set of invitations is for, checked to lie in one town. Makes no invitation itself."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cartable.errors import Invalid, NotFound
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.models import InvitationKind
from enrollment.joining.repository import InvitationRepository

Target = dict[str, UUID | None]


@dataclass(frozen=True, slots=True)
class InvitationSpec:
    """What is invited. For `PUPIL`: `pupil_ids`, or `class_id` for every pupil of it who holds no tablet. For `CLASS`:
    one invitation with `max_uses`. For `CART_SLOT`: one per slot. For `STOCK`: a bench, with `max_uses`.
    """

    kind: InvitationKind
    town_id: UUID
    school_id: UUID | None = None
    pupil_ids: tuple[UUID, ...] = ()
    class_id: UUID | None = None
    cart_slot_ids: tuple[UUID, ...] = ()
    max_uses: int = 1
    valid_days: int = 14


def targets_of(work: UnitOfWork, spec: InvitationSpec) -> list[Target]:
    """Return the columns that point each invitation at its target. Raises `NotFound`, `Invalid` with the field."""
    repository = InvitationRepository(work.session)
    match spec.kind:
        case InvitationKind.STOCK:
            return _stock(repository, spec)
        case InvitationKind.CART_SLOT:
            return _slots(repository, spec)
        case InvitationKind.CLASS:
            return _class(repository, spec)
        case InvitationKind.PUPIL:
            return _pupils(repository, spec)


def _stock(repository: InvitationRepository, spec: InvitationSpec) -> list[Target]:
    if spec.school_id is not None:
        school = repository.school(spec.school_id)
        if school is None or school.town_id != spec.town_id:
            raise NotFound(field="school_id")
    return [{"school_id": spec.school_id}]


def _slots(repository: InvitationRepository, spec: InvitationSpec) -> list[Target]:
    slots = repository.slots(spec.cart_slot_ids)
    if not slots or len(slots) != len(set(spec.cart_slot_ids)) or any(slot.town_id != spec.town_id for slot in slots):
        raise NotFound(field="cart_slot_ids")
    return [{"cart_slot_id": slot.id, "school_id": repository.school_of_cart(slot.cart_id)} for slot in slots]


def _class(repository: InvitationRepository, spec: InvitationSpec) -> list[Target]:
    school_class = repository.school_class(spec.class_id) if spec.class_id else None
    if school_class is None or school_class.town_id != spec.town_id:
        raise NotFound(field="class_id")
    return [{"class_id": school_class.id, "school_id": school_class.school_id}]


def _pupils(repository: InvitationRepository, spec: InvitationSpec) -> list[Target]:
    if spec.class_id is not None:
        [target] = _class(repository, spec)
        pupils = repository.pupils_without_tablet(spec.class_id)
        if not pupils:
            raise Invalid(field="class_id")
        return [{"pupil_id": pupil.id, "school_id": target["school_id"]} for pupil in pupils]
    pupils = repository.pupils(spec.pupil_ids)
    if not pupils or len(pupils) != len(set(spec.pupil_ids)) or any(p.town_id != spec.town_id for p in pupils):
        raise NotFound(field="pupil_ids")
    return [{"pupil_id": pupil.id, "school_id": pupil.school_id} for pupil in pupils]
