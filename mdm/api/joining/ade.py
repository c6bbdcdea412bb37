"""Device assignment: the town's servers in Apple's portal, their tokens, what they assign, alarms, activation lock."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cartable import expiry
from cartable.scope import Permission
from enrollment.joining.ade import service
from enrollment.joining.ade.models import Alarm, AssignmentServer, Phase
from enrollment.joining.ade.ports import ProfileStatus, Result
from enrollment.joining.ade.repository import AssignmentRepository, Standing
from enrollment.joining.ade.service import Appearance
from enrollment.joining.ade.token import MAX_FILE
from enrollment.tablets.service import get as get_tablet
from mdm.api.deps import ActorDep, WorkDep

router = APIRouter(tags=["device assignment"])
Reason = Annotated[
    str | None, Form(min_length=3, max_length=300, description="Why another portal entry's token shall replace it.")
]


class ServerIn(BaseModel):
    """A server to make; its name is as in the portal."""

    name: str = Field(min_length=1, max_length=60, examples=["Clamart"])


class ServerOut(BaseModel):
    """How a server stands. `alarm` is what only a person can mend; `problem` what the last talk ended with."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    name: str
    has_token: bool
    expires: datetime | None
    warning: int | None = Field(description="The smallest of 60, 30, 14, 7 days before the token's end that has been reached.")
    server_name: str | None
    org_name: str | None
    phase: Phase
    synced_at: datetime | None
    whole_at: datetime | None = Field(description="When the whole list was last read to its end.")
    rest_until: datetime | None
    alarm: Alarm | None
    alarm_since: datetime | None
    problem: str | None
    department: str
    support_phone: str
    support_email: str
    skipped: list[str]
    devices: dict[Standing, int] = Field(description="Devices by what they are to the inventory.")
    waiting: int = Field(description="Tablets of ours that do not carry their profile yet.")


class AppearanceIn(BaseModel):
    """What the Setup Assistant shows. Empty: what the town says of itself."""

    department: str = Field("", max_length=80)
    support_phone: str = Field("", max_length=40)
    support_email: str = Field("", max_length=120)
    skipped: list[Annotated[str, Field(pattern=r"^[A-Za-z]{2,40}$")]] = Field(
        max_length=100, description="Panes left out (Apple: skip keys)."
    )


class DeviceOut(BaseModel):
    """A device as Apple's list tells it."""

    serial: str
    tablet_id: UUID | None
    standing: Standing
    model: str | None
    description: str | None
    color: str | None
    family: str | None
    profile_status: ProfileStatus | None
    assigned_at: datetime | None
    removed_at: datetime | None
    migrate_before: datetime | None
    result: Result | None = Field(description="How assigning its profile went last.")
    retry_at: datetime | None


class LockIn(BaseModel):
    """Why activation lock is turned on."""

    reason: str = Field(min_length=3, max_length=300, description="No names.")


class LockOut(BaseModel):
    """The code that lifts the lock, as it is typed on the tablet."""

    bypass_code: str = Field(examples=["3UM43-PUYVY-QYD1-UVCC-HEHJ-FKA4"])


@router.post("/towns/{town_id}/assignment-servers", status_code=201, operation_id="create_assignment_server")
def create(town_id: UUID, body: ServerIn, work: WorkDep, actor: ActorDep) -> ServerOut:
    """Make a server and its key. Upload its certificate when you add the server in Apple School Manager."""
    return _out(work, service.create_server(work, actor, town_id, body.name))


@router.get("/assignment-servers", operation_id="list_assignment_servers")
def listed(work: WorkDep, actor: ActorDep, town_id: UUID | None = None) -> list[ServerOut]:
    """The servers of a town, or of all towns in the caller's reach, with their alarms and warnings."""
    rows = AssignmentRepository(work.session).servers(actor, town_id)
    counts = AssignmentRepository(work.session).counts([row.id for row in rows])
    return [_with(row, counts.get(row.id, {}), work.now) for row in rows]


@router.get("/assignment-servers/{server_id}", operation_id="get_assignment_server")
def one(server_id: UUID, work: WorkDep, actor: ActorDep) -> ServerOut:
    """How a server stands."""
    return _out(work, service.get_server(work, actor, server_id))


@router.get("/assignment-servers/{server_id}/certificate", operation_id="get_assignment_certificate", response_class=Response)
def certificate(server_id: UUID, work: WorkDep, actor: ActorDep) -> Response:
    """The server's certificate (PEM) for Apple's portal."""
    row = service.get_server(work, actor, server_id, Permission.GOVERN)
    headers = {"Content-Disposition": 'attachment; filename="cartable-assignment.pem"'}
    return Response(row.certificate, media_type="application/x-pem-file", headers=headers)


@router.put("/assignment-servers/{server_id}/token", operation_id="put_assignment_token")
def put_token(server_id: UUID, file: UploadFile, work: WorkDep, actor: ActorDep, reason: Reason = None) -> ServerOut:
    """Install the token file (`…_smime.p7m`) from the portal; the list is compared at once."""
    return _out(work, service.install_token(work, actor, server_id, file.file.read(MAX_FILE + 1), reason))


@router.put("/assignment-servers/{server_id}/profile", operation_id="put_assignment_profile")
def put_profile(server_id: UUID, body: AppearanceIn, work: WorkDep, actor: ActorDep) -> ServerOut:
    """Change what the Setup Assistant shows: tablets follow at their next activation."""
    said = Appearance(body.department, body.support_phone, body.support_email, tuple(body.skipped))
    return _out(work, service.present(work, actor, server_id, said))


@router.post("/assignment-servers/{server_id}/sync", status_code=202, operation_id="sync_assignment_server")
def sync(server_id: UUID, work: WorkDep, actor: ActorDep) -> ServerOut:
    """Compare with Apple's list now, or a minute after the last time."""
    return _out(work, service.ask(work, actor, server_id))


@router.get("/assignment-servers/{server_id}/devices", operation_id="list_assigned_devices")
def devices(
    server_id: UUID, work: WorkDep, actor: ActorDep, standing: Standing | None = None, after: str = Query("", max_length=64),
    limit: int = Query(100, ge=1, le=1000),
) -> list[DeviceOut]:  # fmt: skip
    """What Apple assigns to a server; page on with the last serial number as `after`."""
    server = service.get_server(work, actor, server_id)
    rows = AssignmentRepository(work.session).listed(actor, server.id, standing, after, limit)
    told = set(DeviceOut.model_fields) - {"tablet_id", "standing"}
    return [
        DeviceOut(tablet_id=tablet_id, standing=Standing(where), **{name: getattr(row, name) for name in told})
        for row, tablet_id, where in rows
    ]


@router.post("/tablets/{tablet_id}/activation-lock", status_code=202, operation_id="lock_activation")
def lock(tablet_id: UUID, body: LockIn, work: WorkDep, actor: ActorDep) -> LockOut:
    """Ask Apple to turn on activation lock, with a bypass code of ours. Asked again: the same code."""
    tablet = get_tablet(work, actor, tablet_id)
    return LockOut(bypass_code=service.lock_tablet(work, actor, tablet, reason=body.reason))


def _out(work: WorkDep, row: AssignmentServer) -> ServerOut:
    return _with(row, AssignmentRepository(work.session).counts([row.id]).get(row.id, {}), work.now)


def _with(row: AssignmentServer, counts: dict[str, int], now: datetime) -> ServerOut:
    own = {name: getattr(row, name) for name in ServerOut.model_fields if hasattr(row, name)}
    return ServerOut(
        has_token=row.secrets is not None,
        warning=expiry.get_warning_days(now, row.expires) if row.expires is not None else None,
        devices={standing: counts[standing.value] for standing in Standing if standing.value in counts},
        waiting=counts.get("waiting", 0),
        **own,
    )
