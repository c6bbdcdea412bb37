"""All SQL of device assignment. What a device is to the inventory is read by its serial number, never kept twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, case, delete, exists, func, literal, or_, select, update
from sqlalchemy.orm import Session

from cartable.scope import Actor, Permission
from enrollment.joining.ade.models import AssignedDevice, AssignmentProfile, AssignmentServer, Variant
from enrollment.joining.ade.ports import ProfileStatus
from enrollment.joining.models import Reservation
from enrollment.tablets.models import CartSlot, Tablet
from enrollment.tablets.rules import REFUSED

#: A family that the service does not name is taken for an iPad: older answers have none.
_is_tablet = func.coalesce(AssignedDevice.family, "iPad") == "iPad"


class Standing(StrEnum):
    """What a device is to the inventory."""

    HERE = "here"
    REMOVED = "removed"  # no longer assigned to the server
    NOT_A_TABLET = "not_a_tablet"
    OTHER_TOWN = "other_town"  # the inventory of another town has it: reported, never taken
    OUT = "out"  # retired or disposed of, and assigned all the same: it gets no profile and joins nothing


_standing: ColumnElement[str] = case(
    (AssignedDevice.removed_at.is_not(None), Standing.REMOVED.value),
    (~_is_tablet, Standing.NOT_A_TABLET.value),
    (Tablet.town_id != AssignedDevice.town_id, Standing.OTHER_TOWN.value),
    (Tablet.state.in_(REFUSED), Standing.OUT.value),
    else_=Standing.HERE.value,
)
_in_cart = or_(
    exists().where(CartSlot.tablet_id == Tablet.id),
    exists().where(Reservation.tablet_id == Tablet.id, Reservation.cart_slot_id.is_not(None)),
)
_variant: ColumnElement[str] = case((_in_cart, Variant.CART.value), else_=Variant.USUAL.value)


class AssignmentRepository:
    """Reads and writes servers, profiles and devices."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def server(self, server_id: UUID) -> AssignmentServer | None:
        return self.session.get(AssignmentServer, server_id)

    def visible(self, actor: Actor, server_id: UUID, permission: Permission = Permission.SEE) -> AssignmentServer | None:
        statement = select(AssignmentServer).where(AssignmentServer.id == server_id)
        return self.session.scalar(actor.restrict(statement, AssignmentServer, permission))

    def servers(self, actor: Actor, town_id: UUID | None = None) -> Sequence[AssignmentServer]:
        statement = actor.restrict(select(AssignmentServer), AssignmentServer)
        if town_id is not None:
            statement = statement.where(AssignmentServer.town_id == town_id)
        return self.session.scalars(statement.order_by(AssignmentServer.town_id, AssignmentServer.name)).all()

    def same_name(self, town_id: UUID, name: str) -> bool:
        return self._found(select(AssignmentServer.id).where(AssignmentServer.town_id == town_id, AssignmentServer.name == name))

    def same_token(self, consumer_key: str, but: UUID) -> bool:
        statement = select(AssignmentServer.id)
        return self._found(statement.where(AssignmentServer.consumer_key == consumer_key, AssignmentServer.id != but))

    def due(self, now: datetime) -> list[UUID]:
        """Servers with a token that are not asked to rest."""
        statement = select(AssignmentServer.id).where(
            AssignmentServer.secrets.is_not(None),
            or_(AssignmentServer.rest_until.is_(None), AssignmentServer.rest_until <= now),
        )
        return list(self.session.scalars(statement.order_by(AssignmentServer.id)))

    def hold(self, server_id: UUID, holder: UUID, now: datetime, lease: timedelta) -> bool:
        """Take or keep the right to talk for a server. False: somebody else has it."""
        free = or_(AssignmentServer.holder == holder, AssignmentServer.held_until.is_(None), AssignmentServer.held_until < now)
        taken = self.session.execute(
            update(AssignmentServer)
            .where(AssignmentServer.id == server_id, free)
            .values(holder=holder, held_until=now + lease)
            .execution_options(synchronize_session=False)
        )
        return bool(taken.rowcount)  # type: ignore[attr-defined]

    def release(self, server_id: UUID, holder: UUID) -> None:
        self.session.execute(
            update(AssignmentServer)
            .where(AssignmentServer.id == server_id, AssignmentServer.holder == holder)
            .values(holder=None, held_until=None)
            .execution_options(synchronize_session=False)
        )

    def devices(self, server_id: UUID, serials: Sequence[str]) -> dict[str, AssignedDevice]:
        statement = select(AssignedDevice).where(AssignedDevice.server_id == server_id, AssignedDevice.serial.in_(serials))
        return {device.serial: device for device in self.session.scalars(statement)}

    def seen(self, server_id: UUID, serials: Sequence[str], generation: int) -> None:
        """These stood in the list that is being read."""
        self.session.execute(
            update(AssignedDevice)
            .where(AssignedDevice.server_id == server_id, AssignedDevice.serial.in_(serials))
            .values(generation=generation)
            .execution_options(synchronize_session=False)
        )

    def remove_unseen(self, server_id: UUID, generation: int, now: datetime) -> int:
        """The list has been read to its end: what did not stand in it is no longer assigned. Returns how many."""
        gone = self.session.execute(
            update(AssignedDevice)
            .where(
                AssignedDevice.server_id == server_id,
                AssignedDevice.generation < generation,
                AssignedDevice.removed_at.is_(None),
            )
            .values(removed_at=now)
            .execution_options(synchronize_session=False)
        )
        return int(gone.rowcount)  # type: ignore[attr-defined]

    def profiles(self, server_id: UUID) -> dict[Variant, AssignmentProfile]:
        rows = self.session.scalars(select(AssignmentProfile).where(AssignmentProfile.server_id == server_id))
        return {row.variant: row for row in rows}

    def forget_profiles(self, server_id: UUID, variant: Variant | None = None) -> None:
        """The service does not know these profiles (any more)."""
        statement = delete(AssignmentProfile).where(AssignmentProfile.server_id == server_id)
        self.session.execute(statement if variant is None else statement.where(AssignmentProfile.variant == variant))

    def wanting(self, server_id: UUID, variant: Variant, uuid: str, now: datetime, after: str, limit: int) -> list[str]:
        """Serial numbers behind `after` of our tablets that do not carry the profile of their variant, and may be tried now."""
        lacks = or_(
            AssignedDevice.profile_uuid.is_(None),
            AssignedDevice.profile_uuid != uuid,
            AssignedDevice.profile_status.is_(None),
            AssignedDevice.profile_status.in_((ProfileStatus.EMPTY, ProfileStatus.REMOVED)),
        )
        statement = (
            select(AssignedDevice.serial)
            .join(Tablet, Tablet.serial == AssignedDevice.serial)
            .where(
                AssignedDevice.server_id == server_id,
                AssignedDevice.serial > after,
                or_(AssignedDevice.retry_at.is_(None), AssignedDevice.retry_at <= now),
                _standing == Standing.HERE.value,
                _variant == variant.value,
                lacks,
            )
        )
        return list(self.session.scalars(statement.order_by(AssignedDevice.serial).limit(limit)))

    def next_retry(self, server_id: UUID, now: datetime) -> datetime | None:
        """When the first of the devices that wait is due."""
        statement = select(func.min(AssignedDevice.retry_at)).where(
            AssignedDevice.server_id == server_id, AssignedDevice.removed_at.is_(None), AssignedDevice.retry_at > now
        )
        return self.session.scalar(statement)

    def listed(
        self, actor: Actor, server_id: UUID, standing: Standing | None, after: str, limit: int
    ) -> Sequence[Row[AssignedDevice, UUID | None, str]]:
        """Devices by serial number, each with the tablet of its own town and what it is to the inventory."""
        tablet_id = case((Tablet.town_id == AssignedDevice.town_id, Tablet.id))
        statement = (
            select(AssignedDevice, tablet_id, _standing)
            .outerjoin(Tablet, Tablet.serial == AssignedDevice.serial)
            .where(AssignedDevice.server_id == server_id, AssignedDevice.serial > after)
        )
        if standing is not None:
            statement = statement.where(_standing == standing.value)
        return self.session.execute(actor.restrict(statement, AssignedDevice).order_by(AssignedDevice.serial).limit(limit)).all()

    def counts(self, server_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
        """How many devices of each standing, and of those that are here, how many wait for a profile (`waiting`)."""
        current = exists().where(
            AssignmentProfile.server_id == AssignedDevice.server_id,
            AssignmentProfile.uuid == AssignedDevice.profile_uuid,
            AssignedDevice.profile_status.in_((ProfileStatus.ASSIGNED, ProfileStatus.PUSHED)),
        )
        waits = case((and_(_standing == Standing.HERE.value, ~current), literal(1)), else_=literal(0))
        rows = self.session.execute(
            select(AssignedDevice.server_id, _standing, func.count(), func.sum(waits))
            .outerjoin(Tablet, Tablet.serial == AssignedDevice.serial)
            .where(AssignedDevice.server_id.in_(server_ids))
            .group_by(AssignedDevice.server_id, _standing)
        )
        found: dict[UUID, dict[str, int]] = {}
        for server_id, standing, number, waiting in rows:
            counted = found.setdefault(server_id, {"waiting": 0})
            counted[standing] = number
            counted["waiting"] += int(waiting or 0)
        return found

    def of_tablet(self, tablet: Tablet) -> AssignedDevice | None:
        """The tablet as Apple assigns it to a server of its town."""
        return self.session.scalar(
            select(AssignedDevice)
            .where(
                AssignedDevice.serial == tablet.serial, AssignedDevice.town_id == tablet.town_id,
                AssignedDevice.removed_at.is_(None),
            )
            .order_by(AssignedDevice.server_id)
            .limit(1)
        )  # fmt: skip

    def to_lock(self, server_id: UUID, limit: int) -> Sequence[AssignedDevice]:
        """Devices whose activation lock was asked for and is not on yet."""
        return self.session.scalars(
            select(AssignedDevice)
            .where(
                AssignedDevice.server_id == server_id,
                AssignedDevice.lock_asked_at.is_not(None),
                AssignedDevice.lock_result.is_(None),
            )
            .order_by(AssignedDevice.serial)
            .limit(limit)
        ).all()

    def signer_for(self, tablet: Tablet) -> AssignmentServer | None:
        """The server whose key signs service tokens for a tablet: the one that it is assigned to."""
        device = self.of_tablet(tablet)
        return None if device is None else self.server(device.server_id)

    def tablets(self, serials: Sequence[str]) -> dict[str, UUID]:
        """The town of each of these serial numbers that some inventory has."""
        rows = self.session.execute(select(Tablet.serial, Tablet.town_id).where(Tablet.serial.in_(serials)))
        return {row.serial: row.town_id for row in rows}

    def _found(self, statement: Select[Any]) -> bool:
        return self.session.scalar(statement.limit(1)) is not None
