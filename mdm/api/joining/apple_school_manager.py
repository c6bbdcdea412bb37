"""Endpoints of Apple School Manager: the key for its API, and the devices that the organisation owns."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cartable.scope import Permission
from enrollment.joining.apple_school_manager import service
from enrollment.joining.apple_school_manager.client import ApiKey
from enrollment.joining.apple_school_manager.models import KeyKind, OrganisationDevice, OrganisationKey
from enrollment.joining.apple_school_manager.repository import AssignmentStatus, OrganisationRepository
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["Apple School Manager"])


class AppleSchoolManagerKeyIn(BaseModel):
    """A key from the portal's preferences."""

    kind: KeyKind = KeyKind.SCHOOL
    client_id: str = Field(min_length=10, max_length=120, pattern=r"^[A-Za-z]+API\.[A-Za-z0-9-]+$")
    key_id: str = Field(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9._-]+$")
    private_key: str = Field(min_length=50, max_length=4096, description="PEM.")


class AppleSchoolManagerKeyOut(BaseModel):
    """The state of a key and the counts of the last complete reading. The key itself is never shown."""

    kind: KeyKind
    client_id: str
    key_id: str
    synced_at: datetime | None
    last_error: str | None
    needs_new_key: bool = Field(description="The key was refused: a new one is needed.")
    devices: dict[AssignmentStatus, int]


class OrganisationDeviceOut(BaseModel):
    """A device that the organisation owns."""

    serial: str
    model: str | None
    family: str | None
    server_name: str | None = Field(description="The name of the server it is assigned to.")
    status: AssignmentStatus


@router.put("/towns/{town_id}/apple-school-manager/key")
def install_apple_school_manager_key(
    town_id: UUID, body: AppleSchoolManagerKeyIn, work: WorkDep, actor: ActorDep
) -> AppleSchoolManagerKeyOut:
    """Install the town's key for the API of Apple School Manager or Apple Business Manager.

    The list of devices is read at once.
    """
    return _load_key_out(work, service.install_key(work, actor, town_id, ApiKey(**body.model_dump())))


@router.get("/towns/{town_id}/apple-school-manager/key")
def get_apple_school_manager_key(town_id: UUID, work: WorkDep, actor: ActorDep) -> AppleSchoolManagerKeyOut | None:
    """Get the state of the town's key for Apple School Manager, and how the organisation's devices compare with our servers."""
    actor.require_permission(Permission.SEE, town_id)
    row = OrganisationRepository(work.session).get_key(town_id)
    return None if row is None else _load_key_out(work, row)


@router.post("/towns/{town_id}/apple-school-manager/sync", status_code=202)
def sync_apple_school_manager(town_id: UUID, work: WorkDep, actor: ActorDep) -> AppleSchoolManagerKeyOut:
    """Read the organisation's list of devices now."""
    return _load_key_out(work, service.request_sync(work, actor, town_id))


@router.get("/towns/{town_id}/apple-school-manager/devices")
def list_apple_school_manager_devices(
    town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams, status: AssignmentStatus = AssignmentStatus.NO_SERVER
) -> PageOut[OrganisationDeviceOut]:
    """List the devices that the organisation owns, by serial number: those that compare with our servers in one way."""
    actor.require_permission(Permission.SEE, town_id)
    rows = OrganisationRepository(work.session).list_devices(actor, town_id, status, page)
    return PageOut.of(rows, lambda row: _build_device_out(*row))


def _build_device_out(row: OrganisationDevice, status: str) -> OrganisationDeviceOut:
    return OrganisationDeviceOut(
        serial=row.serial, model=row.model, family=row.family, server_name=row.server_name, status=AssignmentStatus(status)
    )


def _load_key_out(work: WorkDep, row: OrganisationKey) -> AppleSchoolManagerKeyOut:
    own = {name: getattr(row, name) for name in AppleSchoolManagerKeyOut.model_fields if name != "devices"}
    return AppleSchoolManagerKeyOut(devices=OrganisationRepository(work.session).count_devices(row.town_id), **own)
