"""The organisation's own list: the key for Apple's newer API, and what it owns that no server of ours is assigned."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cartable.scope import Permission
from enrollment.joining.apple_school_manager import service
from enrollment.joining.apple_school_manager.client import Key
from enrollment.joining.apple_school_manager.models import KeyKind, OrganisationKey
from enrollment.joining.apple_school_manager.repository import Finding, OrganisationRepository
from mdm.api.deps import ActorDep, WorkDep

router = APIRouter(tags=["organisation"])


class KeyIn(BaseModel):
    """A key from the portal's preferences."""

    kind: KeyKind = KeyKind.SCHOOL
    client_id: str = Field(min_length=10, max_length=120, pattern=r"^[A-Za-z]+API\.[A-Za-z0-9-]+$")
    key_id: str = Field(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9._-]+$")
    private_key: str = Field(min_length=50, max_length=4096, description="PEM.")


class KeyOut(BaseModel):
    """How a key stands, and what the last whole reading showed. The key itself is never shown."""

    kind: KeyKind
    client_id: str
    key_id: str
    read_at: datetime | None
    problem: str | None
    needs_person: bool = Field(description="The key was refused: a new one is needed.")
    devices: dict[Finding, int]


class OwnedOut(BaseModel):
    """A device that the organisation owns."""

    serial: str
    model: str | None
    family: str | None
    server: str | None = Field(description="The name of the server it is assigned to.")
    finding: Finding


@router.put("/towns/{town_id}/organisation-key", operation_id="put_organisation_key")
def put_key(town_id: UUID, body: KeyIn, work: WorkDep, actor: ActorDep) -> KeyOut:
    """Install the town's key for the School or Business Manager API; the list is read at once."""
    return _out(work, service.install_key(work, actor, town_id, Key(**body.model_dump())))


@router.get("/towns/{town_id}/organisation-key", operation_id="get_organisation_key")
def get_key(town_id: UUID, work: WorkDep, actor: ActorDep) -> KeyOut | None:
    """How the key stands, and how the organisation's devices compare with our servers."""
    actor.require_permission(Permission.SEE, town_id)
    row = OrganisationRepository(work.session).key(town_id)
    return None if row is None else _out(work, row)


@router.post("/towns/{town_id}/organisation-key/read", status_code=202, operation_id="read_organisation")
def read(town_id: UUID, work: WorkDep, actor: ActorDep) -> KeyOut:
    """Read the list now."""
    return _out(work, service.ask(work, actor, town_id))


@router.get("/towns/{town_id}/organisation-devices", operation_id="list_organisation_devices")
def devices(
    town_id: UUID, work: WorkDep, actor: ActorDep, finding: Finding = Finding.NO_SERVER, after: str = Query("", max_length=64),
    limit: int = Query(100, ge=1, le=1000),
) -> list[OwnedOut]:  # fmt: skip
    """Devices that the organisation owns and that no server of ours is assigned; page on with the last serial number."""
    actor.require_permission(Permission.SEE, town_id)
    rows = OrganisationRepository(work.session).listed(actor, town_id, finding, after, limit)
    return [
        OwnedOut(serial=row.serial, model=row.model, family=row.family, server=row.server, finding=Finding(found))
        for row, found in rows
    ]


def _out(work: WorkDep, row: OrganisationKey) -> KeyOut:
    own = {name: getattr(row, name) for name in KeyOut.model_fields if name != "devices"}
    return KeyOut(devices=OrganisationRepository(work.session).counts(row.town_id), **own)
