"""The desk by scan, for programs that do what its pages do: a class at the table, returns, breakages with a loaner."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from enrollment.people import naming
from enrollment.places.models import Level
from enrollment.tablets import desk
from enrollment.tablets.incidents import Account
from enrollment.tablets.models import AccessoryKind, Agreement, Cause, Condition, TabletState
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.tablets.custody import RequestId, Scan

router = APIRouter(tags=["custody"])


class TableRow(BaseModel):
    """One child of a class at the table. `name` is as short as tells the children of the class apart."""

    pupil_id: UUID
    name: str
    level: Level
    take_home: bool
    agreement: Agreement | None
    handed_over: bool
    tag: str | None
    state: TabletState | None


class ReturnScanIn(BaseModel):
    """One scan and the checklist: what is not in `accessories` did not come back."""

    request_id: RequestId
    scan: Scan
    condition: Condition = Condition.GOOD
    accessories: list[AccessoryKind] = Field(default_factory=list, max_length=10)


class BreakageScanIn(BaseModel):
    """A broken tablet, and the one that stands in."""

    request_id: RequestId
    scan: Scan
    loaner: Scan | None = None
    cause: Cause
    account: str = Field(min_length=3, max_length=1000, description="No names.")
    intentional: bool | None = None


@router.get("/classes/{class_id}/table", operation_id="class_at_the_table")
def table(class_id: UUID, work: WorkDep, actor: ActorDep) -> list[TableRow]:
    """A class at handover: who has what, who is missing. The reading is noted."""
    _, rows = desk.table_of(work, actor, class_id)
    names = naming.short_names([pupil for pupil, _, _ in rows])
    return [
        TableRow(
            pupil_id=pupil.id, name=names[pupil.id], level=pupil.level, take_home=pupil.take_home,
            agreement=loan.agreement if loan else None, handed_over=loan is not None and loan.handed_over_at is not None,
            tag=tablet.tag if tablet else None, state=tablet.state if tablet else None,
        )
        for pupil, loan, tablet in rows
    ]  # fmt: skip


@router.post("/towns/{town_id}/returns", operation_id="return_scanned")
def give_back(town_id: UUID, body: ReturnScanIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """A tablet is given back: one scan. `lost` names the accessories that did not come with it."""
    return desk.take_back_scanned(work, actor, town_id, body.request_id, body.scan, body.condition, tuple(body.accessories))


@router.post("/towns/{town_id}/breakages", operation_id="break_scanned")
def breakage(town_id: UUID, body: BreakageScanIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """A broken tablet comes to the desk; with `loaner` the child leaves with another. Both or neither."""
    told = Account(body.account, body.cause, body.intentional)
    return desk.break_(work, actor, town_id, body.request_id, body.scan, told, body.loaner)
