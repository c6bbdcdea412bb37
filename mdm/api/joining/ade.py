"""Endpoints of Automated Device Enrollment: the town's servers in Apple's portal, their tokens, devices and alarms; activation lock."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cartable import expiry
from cartable.paging import paginate
from cartable.scope import Permission
from cartable.uploads import hold_upload_slot
from enrollment.joining.ade import service
from enrollment.joining.ade.models import AdeAlarm, AdeDevice, AdeServer, SyncPhase
from enrollment.joining.ade.ports import DeviceResult, ProfileStatus
from enrollment.joining.ade.repository import AdeRepository, InventoryStatus
from enrollment.joining.ade.service import SetupAssistantOptions
from enrollment.joining.ade.token import MAX_FILE, read_token
from enrollment.tablets.service import get_tablet
from mdm.api.deps import ActorDep, EarlyActorDep, RuntimeDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["automated device enrollment"])
ReplaceReason = Annotated[
    str | None, Form(min_length=3, max_length=300, description="Why the token of another portal entry replaces the present one.")
]


class AdeServerIn(BaseModel):
    """A new device management server, named as in the portal."""

    name: str = Field(min_length=1, max_length=60, examples=["Clamart"])


class AdeServerOut(BaseModel):
    """The state of a device management server. `alarm` needs a person; `problem` is how the last sync ended."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    name: str
    has_token: bool
    token_expires_at: datetime | None
    warning: int | None = Field(description="The smallest of 60, 30, 14, 7 days before the token's end that has been reached.")
    server_name: str | None
    org_name: str | None
    phase: SyncPhase
    synced_at: datetime | None
    full_fetch_at: datetime | None = Field(description="When Apple's complete list was last read.")
    paused_until: datetime | None
    alarm: AdeAlarm | None
    alarm_since: datetime | None
    last_error: str | None
    department: str
    support_phone: str
    support_email: str
    skip_setup_items: list[str]
    school_id: UUID | None = Field(description="The school to which new tablets of this server go.")
    devices: dict[InventoryStatus, int] = Field(description="Numbers of devices by their inventory status.")
    waiting: int = Field(description="How many tablets of the inventory do not have their enrollment profile yet.")


class SetupAssistantIn(BaseModel):
    """What the Setup Assistant shows. An empty field shows the town's own."""

    department: str = Field("", max_length=80)
    support_phone: str = Field("", max_length=40)
    support_email: str = Field("", max_length=120)
    skip_setup_items: list[Annotated[str, Field(pattern=r"^[A-Za-z]{2,40}$")]] = Field(
        max_length=100, description="Panes left out (Apple: skip keys)."
    )
    school_id: UUID | None = Field(None, description="The school to which new tablets of this server go.")


class AdeDeviceOut(BaseModel):
    """A device of Apple's list."""

    serial: str
    tablet_id: UUID | None
    status: InventoryStatus = Field(description="What the device is to the inventory.")
    model: str | None
    description: str | None
    color: str | None
    family: str | None
    profile_status: ProfileStatus | None
    assigned_at: datetime | None
    removed_at: datetime | None
    migrate_before: datetime | None
    result: DeviceResult | None = Field(description="The last result of assigning its enrollment profile.")
    retry_at: datetime | None


class ActivationLockIn(BaseModel):
    """The reason for turning on activation lock."""

    reason: str = Field(min_length=3, max_length=300, description="No names.")


class ActivationLockOut(BaseModel):
    """The bypass code, as a person types it on the tablet."""

    bypass_code: str = Field(examples=["3UM43-PUYVY-QYD1-UVCC-HEHJ-FKA4"])


@router.post("/towns/{town_id}/ade-servers", status_code=201)
def create_ade_server(town_id: UUID, body: AdeServerIn, work: WorkDep, actor: ActorDep) -> AdeServerOut:
    """Create a device management server for Automated Device Enrollment, with its key.

    Upload its certificate when you add the server in Apple School Manager.
    """
    return _load_server_out(work, service.create_server(work, actor, town_id, body.name))


@router.get("/ade-servers")
def list_ade_servers(work: WorkDep, actor: ActorDep, page: PageParams, town_id: UUID | None = None) -> PageOut[AdeServerOut]:
    """List the device management servers of a town, or of all towns that the caller may see, with their alarms and warnings."""
    rows = paginate(AdeRepository(work.session).list_servers(actor, town_id), page, lambda row: (row.id,))
    counts = AdeRepository(work.session).count_devices([row.id for row in rows.items])
    return PageOut.of(rows, lambda row: _build_server_out(row, counts.get(row.id, {}), work.now))


@router.get("/ade-servers/{server_id}")
def get_ade_server(server_id: UUID, work: WorkDep, actor: ActorDep) -> AdeServerOut:
    """Get the state of a device management server."""
    return _load_server_out(work, service.get_server(work, actor, server_id))


@router.get("/ade-servers/{server_id}/certificate", response_class=Response)
def download_ade_certificate(server_id: UUID, work: WorkDep, actor: ActorDep) -> Response:
    """Download the certificate of a device management server (PEM) for Apple's portal."""
    row = service.get_server(work, actor, server_id, Permission.GOVERN)
    headers = {"Content-Disposition": 'attachment; filename="cartable-assignment.pem"'}
    return Response(row.certificate, media_type="application/x-pem-file", headers=headers)


@router.put("/ade-servers/{server_id}/token")
def install_ade_token(
    server_id: UUID, file: UploadFile, runtime: RuntimeDep, actor: EarlyActorDep, reason: ReplaceReason = None
) -> AdeServerOut:
    """Install the token file (`…_smime.p7m`) from Apple's portal.

    The list of devices is compared at once.
    """
    with runtime.open_unit_of_work() as work:
        key = service.load_token_key(work, actor, server_id)
    with hold_upload_slot():
        token = read_token(file.file.read(MAX_FILE + 1), *key)
    with runtime.open_unit_of_work() as work:
        return _load_server_out(work, service.store_token(work, actor, server_id, token, reason))


@router.put("/ade-servers/{server_id}/profile")
def set_ade_profile(server_id: UUID, body: SetupAssistantIn, work: WorkDep, actor: ActorDep) -> AdeServerOut:
    """Set what the Setup Assistant shows, and to which school new tablets go.

    Tablets follow at their next activation.
    """
    options = SetupAssistantOptions(
        body.department, body.support_phone, body.support_email, tuple(body.skip_setup_items), body.school_id
    )
    return _load_server_out(work, service.update_setup_assistant(work, actor, server_id, options))


@router.post("/ade-servers/{server_id}/sync", status_code=202)
def sync_ade_server(server_id: UUID, work: WorkDep, actor: ActorDep) -> AdeServerOut:
    """Compare with Apple's list of devices now.

    At most once a minute.
    """
    return _load_server_out(work, service.request_sync(work, actor, server_id))


@router.get("/ade-servers/{server_id}/devices")
def list_ade_devices(
    server_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams, status: InventoryStatus | None = None
) -> PageOut[AdeDeviceOut]:
    """List the devices that Apple assigns to a device management server, by serial number."""
    server = service.get_server(work, actor, server_id)
    rows = AdeRepository(work.session).list_devices(actor, server.id, status, page)
    return PageOut.of(rows, lambda row: _build_device_out(*row))


@router.post("/tablets/{tablet_id}/activation-lock", status_code=202)
def enable_activation_lock(tablet_id: UUID, body: ActivationLockIn, work: WorkDep, actor: ActorDep) -> ActivationLockOut:
    """Ask Apple to turn on activation lock for a tablet, with a bypass code of ours.

    A repeated call answers with the same code.
    """
    tablet = get_tablet(work, actor, tablet_id)
    return ActivationLockOut(bypass_code=service.enable_activation_lock(work, actor, tablet, reason=body.reason))


def _load_server_out(work: WorkDep, row: AdeServer) -> AdeServerOut:
    return _build_server_out(row, AdeRepository(work.session).count_devices([row.id]).get(row.id, {}), work.now)


def _build_server_out(row: AdeServer, counts: dict[str, int], now: datetime) -> AdeServerOut:
    own = {name: getattr(row, name) for name in AdeServerOut.model_fields if hasattr(row, name)}
    return AdeServerOut(
        has_token=row.token_secrets is not None,
        warning=expiry.get_warning_days(now, row.token_expires_at) if row.token_expires_at is not None else None,
        devices={standing: counts[standing.value] for standing in InventoryStatus if standing.value in counts},
        waiting=counts.get("waiting", 0),
        **own,
    )


def _build_device_out(row: AdeDevice, tablet_id: UUID | None, status: str) -> AdeDeviceOut:
    names = AdeDeviceOut.model_fields.keys() - {"tablet_id", "status"}
    return AdeDeviceOut(tablet_id=tablet_id, status=InventoryStatus(status), **{name: getattr(row, name) for name in names})
