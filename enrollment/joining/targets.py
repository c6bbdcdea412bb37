"""Resolving for whom invitations or reservations are, and checking that all targets are in one town. Creates nothing."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cartable.errors import Invalid, NotFound
from cartable.references import require_all_in_town, require_in_town
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.models import InvitationKind
from enrollment.joining.repository import InvitationRepository
from enrollment.people.models import Pupil, StaffMember
from enrollment.people.staff import find_workplace
from enrollment.places.models import School, SchoolClass
from enrollment.tablets.models import CartSlot

TargetColumns = dict[str, UUID | None]


@dataclass(frozen=True, slots=True)
class InvitationSpec:
    """For whom invitations are created.

    PUPIL: `pupil_ids`, or `class_id` for each of its pupils without a tablet. CLASS: one invitation with `max_uses`.
    CART_SLOT: one per slot. STAFF: one per member of staff in `staff_ids`. STOCK: one invitation with `max_uses`, for preparing tablets.
    """

    kind: InvitationKind
    town_id: UUID
    school_id: UUID | None = None
    pupil_ids: tuple[UUID, ...] = ()
    class_id: UUID | None = None
    cart_slot_ids: tuple[UUID, ...] = ()
    staff_ids: tuple[UUID, ...] = ()
    max_uses: int = 1
    valid_days: int = 14


def resolve_targets(work: UnitOfWork, spec: InvitationSpec) -> list[TargetColumns]:
    """Return the columns of each invitation that name its target. Raises `NotFound` and `Invalid`, with the field."""
    match spec.kind:
        case InvitationKind.STOCK:
            return _resolve_stock(work, spec)
        case InvitationKind.CART_SLOT:
            return _resolve_slots(work, spec)
        case InvitationKind.CLASS:
            return _resolve_class(work, spec)
        case InvitationKind.PUPIL:
            return _resolve_pupils(work, spec)
        case InvitationKind.STAFF:
            return _resolve_staff(work, spec)


def _resolve_stock(work: UnitOfWork, spec: InvitationSpec) -> list[TargetColumns]:
    require_in_town(work, School, spec.school_id, spec.town_id, field="school_id")
    return [{"school_id": spec.school_id}]


def _resolve_slots(work: UnitOfWork, spec: InvitationSpec) -> list[TargetColumns]:
    repository = InvitationRepository(work.session)
    require_all_in_town(work, CartSlot, spec.cart_slot_ids, spec.town_id, field="cart_slot_ids")
    slots = repository.list_slots(spec.cart_slot_ids)
    if not slots:
        raise NotFound(field="cart_slot_ids")
    return [{"cart_slot_id": slot.id, "school_id": repository.get_school_id_of_cart(slot.cart_id)} for slot in slots]


def _resolve_class(work: UnitOfWork, spec: InvitationSpec) -> list[TargetColumns]:
    school_class = require_in_town(work, SchoolClass, spec.class_id, spec.town_id, field="class_id")
    if school_class is None:
        raise NotFound(field="class_id")
    return [{"class_id": school_class.id, "school_id": school_class.school_id}]


def _resolve_staff(work: UnitOfWork, spec: InvitationSpec) -> list[TargetColumns]:
    require_all_in_town(work, StaffMember, spec.staff_ids, spec.town_id, field="staff_ids")
    members = InvitationRepository(work.session).list_staff(spec.staff_ids)
    if not members:
        raise NotFound(field="staff_ids")
    return [{"staff_id": member.id, "school_id": find_workplace(work, member)} for member in members]


def _resolve_pupils(work: UnitOfWork, spec: InvitationSpec) -> list[TargetColumns]:
    repository = InvitationRepository(work.session)
    if spec.class_id is not None:
        [target] = _resolve_class(work, spec)
        pupils = repository.list_pupils_without_tablet(spec.class_id)
        if not pupils:
            raise Invalid(field="class_id")
        return [{"pupil_id": pupil.id, "school_id": target["school_id"]} for pupil in pupils]
    require_all_in_town(work, Pupil, spec.pupil_ids, spec.town_id, field="pupil_ids")
    pupils = repository.list_pupils(spec.pupil_ids)
    if not pupils:
        raise NotFound(field="pupil_ids")
    return [{"pupil_id": pupil.id, "school_id": pupil.school_id} for pupil in pupils]
