"""Invitations: permissions for tablets to join."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from cartable.errors import NotFound
from enrollment.joining import qr, service
from enrollment.joining.models import Invitation, InvitationKind
from enrollment.joining.repository import InvitationRepository
from enrollment.joining.targets import InvitationSpec
from mdm.api.deps import ActorDep, WorkDep

router = APIRouter(prefix="/invitations", tags=["invitations"])


class InvitationIn(BaseModel):
    """For `pupil`: `pupil_ids`, or `class_id` for each of its pupils without a tablet. For `class` and `stock`: `max_uses`."""

    kind: InvitationKind
    town_id: UUID
    school_id: UUID | None = None
    pupil_ids: list[UUID] = Field(default=[], max_length=1000)
    class_id: UUID | None = None
    cart_slot_ids: list[UUID] = Field(default=[], max_length=200)
    max_uses: int = Field(1, ge=1, le=1000)
    valid_days: int = Field(14, ge=1, le=90)


class InvitationOut(BaseModel):
    """An invitation. `url` is what the QR code holds."""

    id: UUID
    kind: InvitationKind
    town_id: UUID
    school_id: UUID | None
    pupil_id: UUID | None
    class_id: UUID | None
    code: str = Field(examples=["7KQ2M9XWAB"])
    url: str
    uses: int
    max_uses: int
    expires_at: datetime
    revoked_at: datetime | None


def _out(work: WorkDep, row: Invitation) -> InvitationOut:
    values = {name: getattr(row, name) for name in InvitationOut.model_fields if name != "url"}
    return InvitationOut(url=service.join_url(work, row), **values)


@router.post("", response_model=list[InvitationOut], status_code=201, operation_id="create_invitations")
def create(body: InvitationIn, work: WorkDep, actor: ActorDep) -> list[InvitationOut]:
    """Invite tablets: one invitation, or one per pupil or slot."""
    values = body.model_dump() | {"pupil_ids": tuple(body.pupil_ids), "cart_slot_ids": tuple(body.cart_slot_ids)}
    return [_out(work, row) for row in service.create_invitations(work, actor, InvitationSpec(**values))]


@router.get("", response_model=list[InvitationOut], operation_id="list_invitations")
def listed(
    work: WorkDep, actor: ActorDep, after: UUID | None = None, limit: int = Query(50, ge=1, le=200)
) -> list[InvitationOut]:
    """Invitations in the caller's reach; page on with the last id as `after`."""
    return [_out(work, row) for row in InvitationRepository(work.session).listed(actor, limit, after)]


@router.get("/{invitation_id}/qr.svg", operation_id="get_invitation_qr", response_class=Response)
def qr_code(invitation_id: UUID, work: WorkDep, actor: ActorDep) -> Response:
    """The QR code of the invitation's address."""
    row = InvitationRepository(work.session).visible(actor, invitation_id)
    if row is None:
        raise NotFound
    return Response(qr.svg(service.join_url(work, row)), media_type="image/svg+xml")


@router.delete("/{invitation_id}", response_model=InvitationOut, operation_id="revoke_invitation")
def revoke(invitation_id: UUID, work: WorkDep, actor: ActorDep) -> InvitationOut:
    """Withdraw an invitation. Tablets that joined by it stay."""
    return _out(work, service.revoke_invitation(work, actor, invitation_id))
