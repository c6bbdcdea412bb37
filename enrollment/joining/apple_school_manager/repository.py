"""All SQL of organisations, and the comparison of their devices with those assigned to our ADE servers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from cartable.database import get_insert
from cartable.keyset import fetch_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor
from enrollment.joining.ade.models import AdeDevice
from enrollment.joining.apple_school_manager.models import OrganisationDevice, OrganisationKey
from enrollment.joining.apple_school_manager.ports import OwnedDevice


class AssignmentStatus(StrEnum):
    """Whether a device of the organisation is assigned to one of our ADE servers."""

    OURS = "ours"
    NO_SERVER = "no_server"
    OTHER_SERVER = "other_server"


_is_ours = exists().where(
    AdeDevice.serial == OrganisationDevice.serial,
    AdeDevice.town_id == OrganisationDevice.town_id,
    AdeDevice.removed_at.is_(None),
)
#: Decided by the devices of our ADE servers and not by the server's name: two servers may have the same name.
_assignment_status: ColumnElement[str] = case(
    (_is_ours, AssignmentStatus.OURS.value),
    (OrganisationDevice.server_name.is_(None), AssignmentStatus.NO_SERVER.value),
    else_=AssignmentStatus.OTHER_SERVER.value,
)


class OrganisationRepository:
    """Reads and writes keys and devices of organisations."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_key(self, town_id: UUID) -> OrganisationKey | None:
        return self.session.get(OrganisationKey, town_id)

    def list_towns_not_synced_since(self, before: datetime) -> list[UUID]:
        """Return the towns without a complete synchronisation since an instant."""
        is_due = or_(OrganisationKey.synced_at.is_(None), OrganisationKey.synced_at < before)
        return list(self.session.scalars(select(OrganisationKey.town_id).where(is_due).order_by(OrganisationKey.town_id)))

    def store_devices(self, town_id: UUID, devices: Sequence[OwnedDevice], generation: int) -> None:
        """Insert or update a page of devices, in one statement."""
        rows: dict[str, dict[str, Any]] = {
            device.serial: {
                "town_id": town_id, "serial": device.serial, "model": device.model, "family": device.family, "generation": generation,
                "server_name": None, "server_generation": 0,
            }
            for device in devices
        }  # fmt: skip
        if not rows:
            return
        insert = get_insert(self.session.get_bind().dialect.name)(OrganisationDevice).values(list(rows.values()))
        updated = {name: getattr(insert.excluded, name) for name in ("model", "family", "generation")}
        self.session.execute(insert.on_conflict_do_update(index_elements=["town_id", "serial"], set_=updated))

    def set_server(self, town_id: UUID, serials: Sequence[str], server_name: str, generation: int) -> None:
        """Store to which server devices are assigned."""
        is_listed = (OrganisationDevice.town_id == town_id, OrganisationDevice.serial.in_(serials))
        self.session.execute(
            update(OrganisationDevice).where(*is_listed).values(server_name=server_name, server_generation=generation)
        )

    def delete_unseen(self, town_id: UUID, generation: int) -> None:
        """Delete devices that a complete synchronisation has not listed; clear the server of those that no server has listed."""
        of_town = OrganisationDevice.town_id == town_id
        self.session.execute(delete(OrganisationDevice).where(of_town, OrganisationDevice.generation < generation))
        unassigned = update(OrganisationDevice).where(of_town, OrganisationDevice.server_generation < generation)
        self.session.execute(unassigned.values(server_name=None))

    def count_devices(self, town_id: UUID) -> dict[AssignmentStatus, int]:
        rows = self.session.execute(
            select(_assignment_status, func.count()).where(OrganisationDevice.town_id == town_id).group_by(_assignment_status)
        )
        return {AssignmentStatus(status): number for status, number in rows}

    def list_devices(
        self, actor: Actor, town_id: UUID, status: AssignmentStatus, page: PageRequest
    ) -> Page[tuple[OrganisationDevice, str]]:
        """Return the devices of one status, ordered by serial number."""
        statement = select(OrganisationDevice, _assignment_status).where(
            OrganisationDevice.town_id == town_id, _assignment_status == status.value
        )
        statement = actor.restrict(statement, OrganisationDevice)
        return fetch_page(self.session, statement, page, OrganisationDevice.serial)
