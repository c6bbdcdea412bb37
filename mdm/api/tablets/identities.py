"""Endpoints of identity certificates: the tablets that are about to go silent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from enrollment.tablets.models import TabletState
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.reconcile import renewals
from mdm.reconcile.models import IdentityRenewal, RenewalProblem
from mdm.reconcile.renewal_repository import EndingIdentity

router = APIRouter(tags=["tablets"])


class IdentityRenewalOut(BaseModel):
    """What was ordered to replace a tablet's certificate."""

    model_config = ConfigDict(from_attributes=True)
    attempts: int
    ordered_at: datetime = Field(description="When the last order was given.")
    next_at: datetime = Field(description="When the next order is given if the tablet does not use a new certificate.")
    problem: RenewalProblem | None = Field(
        description="Why the orders so far have had no success; null while the tablet was not in contact."
    )
    problem_detail: str | None = Field(description="The error that the tablet reported.")


class EndingIdentityOut(BaseModel):
    """A tablet that goes silent when its certificate ends."""

    tablet_id: UUID
    town_id: UUID
    school_id: UUID | None
    tag: str = Field(examples=["VAL-00042"])
    serial: str
    state: TabletState
    identity_expires_at: datetime
    last_seen_at: datetime | None
    renewal: IdentityRenewalOut | None


def build_renewal_out(renewal: IdentityRenewal) -> IdentityRenewalOut:
    """Return a renewal for the API."""
    return IdentityRenewalOut.model_validate(renewal)


def _build_ending_out(row: EndingIdentity) -> EndingIdentityOut:
    tablet = row.tablet
    return EndingIdentityOut(
        tablet_id=tablet.id,
        town_id=tablet.town_id,
        school_id=tablet.school_id,
        tag=tablet.tag,
        serial=tablet.serial,
        state=tablet.state,
        identity_expires_at=row.expires_at,
        last_seen_at=row.last_seen_at,
        renewal=build_renewal_out(row.renewal) if row.renewal is not None else None,
    )


@router.get("/ending-identities")
def list_ending_identities(
    work: WorkDep,
    actor: ActorDep,
    page: PageParams,
    town_id: UUID | None = None,
    within_days: Annotated[int, Query(ge=1, le=3650, description="How far ahead a certificate's end is looked for.")] = 30,
) -> PageOut[EndingIdentityOut]:
    """List the tablets that are about to go silent, the first to end first.

    Their certificate ends soon or has ended, or its renewal fails.
    """
    rows = renewals.list_ending_identities(work, actor, within=timedelta(days=within_days), town_id=town_id, page=page)
    return PageOut.of(rows, _build_ending_out)
