"""Endpoints of the service desk by scan: handovers of a class, returns, breakages with a loaner."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cartable.paging import paginate
from enrollment.people import naming
from enrollment.people.models import Pupil
from enrollment.places.models import Grade
from enrollment.tablets import desk
from enrollment.tablets.incidents import IncidentReport
from enrollment.tablets.models import AccessoryKind, AgreementState, BreakageCause, Condition, Loan, Tablet, TabletState
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.tablets.custody import RequestId, Scan

router = APIRouter(tags=["custody"])


class PupilHandoverOut(BaseModel):
    """A pupil of a class at a handover. `name` is as short as it can be without naming two pupils alike."""

    pupil_id: UUID
    name: str
    grade: Grade
    take_home: bool
    agreement: AgreementState | None
    handed_over: bool
    tag: str | None
    state: TabletState | None


class ReturnScanIn(BaseModel):
    """The return of a scanned tablet. Accessories that are not named did not come back."""

    request_id: RequestId
    scan: Scan
    condition: Condition = Condition.GOOD
    accessories: list[AccessoryKind] = Field(default_factory=list, max_length=10)


class BreakageScanIn(BaseModel):
    """The breakage of a scanned tablet, and the loaner that replaces it."""

    request_id: RequestId
    scan: Scan
    loaner: Scan | None = None
    cause: BreakageCause
    description: str = Field(min_length=3, max_length=1000, description="What happened; no names.")
    intentional: bool | None = None


@router.get("/classes/{class_id}/handovers")
def list_class_handovers(class_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[PupilHandoverOut]:
    """List the pupils of a class with their loan and tablet, for a handover.

    The reading is audited.
    """
    _, rows = desk.list_class_loans(work, actor, class_id)
    names = naming.build_short_names([pupil for pupil, _, _ in rows])
    return PageOut.of(paginate(rows, page, lambda row: (row[0].id,)), lambda row: _build_handover_out(names[row[0].id], *row))


@router.post("/towns/{town_id}/returns")
def return_scanned_tablet(town_id: UUID, body: ReturnScanIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """Take a scanned tablet back from its pupil.

    `lost` names the accessories that did not come with it.
    """
    return desk.take_back_by_scan(work, actor, town_id, body.request_id, body.scan, body.condition, tuple(body.accessories))


@router.post("/towns/{town_id}/breakages")
def report_scanned_breakage(town_id: UUID, body: BreakageScanIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """Report the breakage of a scanned tablet.

    With `loaner` the pupil gets that tablet meanwhile; both happen or neither.
    """
    incident = IncidentReport(body.description, body.cause, body.intentional)
    return desk.report_breakage_by_scan(work, actor, town_id, body.request_id, body.scan, incident, body.loaner)


def _build_handover_out(name: str, pupil: Pupil, loan: Loan | None, tablet: Tablet | None) -> PupilHandoverOut:
    return PupilHandoverOut(
        pupil_id=pupil.id,
        name=name,
        grade=pupil.grade,
        take_home=pupil.take_home,
        agreement=loan.agreement if loan else None,
        handed_over=loan is not None and loan.handed_over_at is not None,
        tag=tablet.tag if tablet else None,
        state=tablet.state if tablet else None,
    )
