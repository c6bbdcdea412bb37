"""All SQL of the organisation's list, and its comparison with what is assigned to our servers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, case, delete, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cartable.scope import Actor
from enrollment.joining.ade.models import AssignedDevice
from enrollment.joining.apple_school_manager.models import OrganisationDevice, OrganisationKey
from enrollment.joining.apple_school_manager.ports import Owned


class Finding(StrEnum):
    """How a device of the organisation stands to our servers."""

    OURS = "ours"
    NO_SERVER = "no_server"
    OTHER_SERVER = "other_server"


_ours = exists().where(
    AssignedDevice.serial == OrganisationDevice.serial,
    AssignedDevice.town_id == OrganisationDevice.town_id,
    AssignedDevice.removed_at.is_(None),
)
#: Whether a device is ours is asked of the list that the server's own token shows: names of servers can be equal.
_finding: ColumnElement[str] = case(
    (_ours, Finding.OURS.value),
    (OrganisationDevice.server.is_(None), Finding.NO_SERVER.value),
    else_=Finding.OTHER_SERVER.value,
)


class OrganisationRepository:
    """Reads and writes keys and devices of organisations."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def key(self, town_id: UUID) -> OrganisationKey | None:
        return self.session.get(OrganisationKey, town_id)

    def unread_since(self, before: datetime) -> list[UUID]:
        """Towns whose list was not read to its end since then."""
        old = or_(OrganisationKey.read_at.is_(None), OrganisationKey.read_at < before)
        return list(self.session.scalars(select(OrganisationKey.town_id).where(old).order_by(OrganisationKey.town_id)))

    def keep(self, town_id: UUID, devices: Sequence[Owned], generation: int) -> None:
        """Store a page of the list, in one statement."""
        rows: dict[str, dict[str, Any]] = {
            each.serial: {
                "town_id": town_id, "serial": each.serial, "model": each.model, "family": each.family, "generation": generation,
                "server": None, "server_generation": 0,
            }
            for each in devices
        }  # fmt: skip
        if not rows:
            return
        postgres = self.session.get_bind().dialect.name == "postgresql"
        insert: Any = (postgresql.insert if postgres else sqlite.insert)(OrganisationDevice).values(list(rows.values()))
        new = insert.excluded
        told = {name: getattr(new, name) for name in ("model", "family", "generation")}
        self.session.execute(insert.on_conflict_do_update(index_elements=["town_id", "serial"], set_=told))

    def assign(self, town_id: UUID, serials: Sequence[str], server: str, generation: int) -> None:
        """These are assigned to a server."""
        here = (OrganisationDevice.town_id == town_id, OrganisationDevice.serial.in_(serials))
        self.session.execute(update(OrganisationDevice).where(*here).values(server=server, server_generation=generation))

    def forget_unseen(self, town_id: UUID, generation: int) -> None:
        """All has been read: what did not stand in the list is not owned any more, what no server named is assigned to none."""
        of_town = OrganisationDevice.town_id == town_id
        self.session.execute(delete(OrganisationDevice).where(of_town, OrganisationDevice.generation < generation))
        loose = update(OrganisationDevice).where(of_town, OrganisationDevice.server_generation < generation)
        self.session.execute(loose.values(server=None))

    def counts(self, town_id: UUID) -> dict[Finding, int]:
        rows = self.session.execute(
            select(_finding, func.count()).where(OrganisationDevice.town_id == town_id).group_by(_finding)
        )
        return {Finding(finding): number for finding, number in rows}

    def listed(
        self, actor: Actor, town_id: UUID, finding: Finding, after: str, limit: int
    ) -> Sequence[Row[OrganisationDevice, str]]:
        """Devices of one finding, by serial number."""
        statement = select(OrganisationDevice, _finding).where(
            OrganisationDevice.town_id == town_id, OrganisationDevice.serial > after, _finding == finding.value
        )
        statement = actor.restrict(statement, OrganisationDevice)
        return self.session.execute(statement.order_by(OrganisationDevice.serial).limit(limit)).all()
