"""The endpoint that erases one tablet. Erases in bulk are in `bulk_erases`, the stop switch is in `safeguards`."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.tablets.custody import ReasonIn
from mdm.care.erasing import service as erasing

router = APIRouter(tags=["care"])


class TabletEraseIn(ReasonIn):
    """The reason for an erase, and the ticket that asked for it."""

    ticket: str = Field(pattern=r"^[A-Za-z0-9#/_.-]{1,40}$", examples=["INC-2026-0412"], description="Its number; no names.")


@router.post("/tablets/{tablet_id}/erase", status_code=202)
def erase_tablet(tablet_id: UUID, body: TabletEraseIn, work: WorkDep, actor: ActorDep) -> None:
    """Erase one tablet, within the budget.

    A repeated call while the command waits changes nothing.
    """
    erasing.erase_tablet(work, actor, tablet_id, body.reason, body.ticket)
