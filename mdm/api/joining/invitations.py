"""Endpoints of invitations, which permit tablets to join."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cartable.errors import NotFound
from enrollment.joining import qr, service
from enrollment.joining.errors import EnrollmentRefusal
from enrollment.joining.models import Invitation, InvitationKind
from enrollment.joining.refusals import LastRefusal, load_last_refusals
from enrollment.joining.repository import InvitationRepository
from enrollment.joining.targets import InvitationSpec
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(prefix="/invitations", tags=["invitations"])


class InvitationIn(BaseModel):
    """For `pupil`: `pupil_ids`, or `class_id` for each of its pupils without a tablet. For `class` and `stock`: `max_uses`."""

    kind: InvitationKind
    town_id: UUID
    school_id: UUID | None = None
    pupil_ids: list[UUID] = Field(default=[], max_length=1000)
    staff_ids: list[UUID] = Field(default=[], max_length=1000)
    class_id: UUID | None = None
    cart_slot_ids: list[UUID] = Field(default=[], max_length=200)
    max_uses: int = Field(1, ge=1, le=1000)
    valid_days: int = Field(14, ge=1, le=90)


class LastRefusalOut(BaseModel):
    """The last device that followed the invitation and was refused."""

    model_config = ConfigDict(from_attributes=True)
    at: datetime
    reason: EnrollmentRefusal
    device: str = Field(description="What the device said it is; empty when that is not known.", examples=["iPhone14,5 18.1"])


class InvitationOut(BaseModel):
    """An invitation. Its QR code holds `url`."""

    id: UUID
    kind: InvitationKind
    town_id: UUID
    school_id: UUID | None
    pupil_id: UUID | None
    staff_id: UUID | None
    class_id: UUID | None
    code: str = Field(examples=["7KQ2M9XWAB"])
    url: str
    uses: int
    max_uses: int
    expires_at: datetime
    revoked_at: datetime | None
    last_refusal: LastRefusalOut | None


def _build_invitation_out(work: WorkDep, row: Invitation, refusal: LastRefusal | None) -> InvitationOut:
    values = {name: getattr(row, name) for name in InvitationOut.model_fields if name not in ("url", "last_refusal")}
    last_refusal = LastRefusalOut.model_validate(refusal) if refusal is not None else None
    return InvitationOut(url=service.build_join_url(work, row), last_refusal=last_refusal, **values)


@router.post("", response_model=list[InvitationOut], status_code=201)
def create_invitations(body: InvitationIn, work: WorkDep, actor: ActorDep) -> list[InvitationOut]:
    """Create invitations for tablets to join: one invitation, or one per pupil or cart slot."""
    values = body.model_dump() | {
        "pupil_ids": tuple(body.pupil_ids), "cart_slot_ids": tuple(body.cart_slot_ids), "staff_ids": tuple(body.staff_ids),
    }  # fmt: skip
    return [_build_invitation_out(work, row, None) for row in service.create_invitations(work, actor, InvitationSpec(**values))]


@router.get("")
def list_invitations(work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[InvitationOut]:
    """List the invitations that the caller may see."""
    rows = InvitationRepository(work.session).list_invitations(actor, page)
    refusals = load_last_refusals(work, rows.items)
    return PageOut.of(rows, lambda row: _build_invitation_out(work, row, refusals.get(row.id)))


@router.get("/{invitation_id}/qr.svg", response_class=Response)
def get_invitation_qr_code(invitation_id: UUID, work: WorkDep, actor: ActorDep) -> Response:
    """Get the QR code of an invitation as an SVG image.

    It holds the invitation's address.
    """
    row = InvitationRepository(work.session).get_visible(actor, invitation_id)
    if row is None:
        raise NotFound
    return Response(qr.render_svg(service.build_join_url(work, row)), media_type="image/svg+xml")


@router.delete("/{invitation_id}", response_model=InvitationOut)
def revoke_invitation(invitation_id: UUID, work: WorkDep, actor: ActorDep) -> InvitationOut:
    """Revoke an invitation.

    Tablets that have joined by it stay.
    """
    row = service.revoke_invitation(work, actor, invitation_id)
    return _build_invitation_out(work, row, load_last_refusals(work, [row]).get(row.id))
