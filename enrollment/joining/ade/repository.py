"""All SQL of Automated Device Enrollment.

The inventory status of a device is computed by its serial number at each query and never stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, delete, exists, func, literal, or_, select, update
from sqlalchemy.orm import Session

from cartable.keyset import fetch_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.joining.ade.models import AdeDevice, AdeProfile, AdeServer, ProfileVariant
from enrollment.joining.ade.ports import ProfileStatus
from enrollment.joining.ade.rules import IPAD
from enrollment.joining.models import Reservation
from enrollment.tablets.models import CartSlot, Tablet
from enrollment.tablets.rules import ENROLLMENT_REFUSED

#: The same as `rules.is_tablet`: older responses contain neither family nor model.
_is_ipad = func.coalesce(AdeDevice.family, func.substr(AdeDevice.model, 1, len(IPAD)), IPAD) == IPAD


class InventoryStatus(StrEnum):
    """How an assigned device relates to the inventory."""

    ACTIVE = "active"
    REMOVED = "removed"  # no longer assigned to this server
    NOT_A_TABLET = "not_a_tablet"
    OTHER_TOWN = "other_town"  # in the inventory of another town: reported, and never moved
    DECOMMISSIONED = "decommissioned"  # retired or disposed of but still assigned: gets no profile and may not enroll


_inventory_status: ColumnElement[str] = case(
    (AdeDevice.removed_at.is_not(None), InventoryStatus.REMOVED.value),
    (~_is_ipad, InventoryStatus.NOT_A_TABLET.value),
    (Tablet.town_id != AdeDevice.town_id, InventoryStatus.OTHER_TOWN.value),
    (Tablet.state.in_(ENROLLMENT_REFUSED), InventoryStatus.DECOMMISSIONED.value),
    else_=InventoryStatus.ACTIVE.value,
)
_in_cart = or_(
    exists().where(CartSlot.tablet_id == Tablet.id),
    exists().where(Reservation.tablet_id == Tablet.id, Reservation.cart_slot_id.is_not(None)),
)
_variant: ColumnElement[str] = case((_in_cart, ProfileVariant.CART.value), else_=ProfileVariant.STANDARD.value)


class AdeRepository:
    """Reads and writes ADE servers, profiles and devices."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_server(self, server_id: UUID) -> AdeServer | None:
        return self.session.get(AdeServer, server_id)

    def get_visible(self, actor: Actor, server_id: UUID, permission: Permission = Permission.SEE) -> AdeServer | None:
        statement = select(AdeServer).where(AdeServer.id == server_id)
        return self.session.scalar(actor.restrict(statement, AdeServer, permission))

    def list_servers(self, actor: Actor, town_id: UUID | None = None) -> Sequence[AdeServer]:
        statement = actor.restrict(select(AdeServer), AdeServer)
        if town_id is not None:
            statement = statement.where(AdeServer.town_id == town_id)
        return self.session.scalars(statement.order_by(AdeServer.town_id, AdeServer.name)).all()

    def name_exists(self, town_id: UUID, name: str) -> bool:
        return self._exists(select(AdeServer.id).where(AdeServer.town_id == town_id, AdeServer.name == name))

    def is_token_in_use(self, consumer_key: str, other_than: UUID) -> bool:
        statement = select(AdeServer.id)
        return self._exists(statement.where(AdeServer.consumer_key == consumer_key, AdeServer.id != other_than))

    def list_due_server_ids(self, now: datetime) -> list[UUID]:
        """Return the servers with a token that need not wait."""
        statement = select(AdeServer.id).where(
            AdeServer.token_secrets.is_not(None),
            or_(AdeServer.paused_until.is_(None), AdeServer.paused_until <= now),
        )
        return list(self.session.scalars(statement.order_by(AdeServer.id)))

    def acquire_lease(self, server_id: UUID, holder: UUID, now: datetime, duration: timedelta) -> bool:
        """Acquire or extend the lease of a server. Return False when another holder has it."""
        free = or_(AdeServer.lease_holder == holder, AdeServer.lease_until.is_(None), AdeServer.lease_until < now)
        updated = self.session.execute(
            update(AdeServer)
            .where(AdeServer.id == server_id, free)
            .values(lease_holder=holder, lease_until=now + duration)
            .execution_options(synchronize_session=False)
        )
        return bool(updated.rowcount)  # type: ignore[attr-defined]

    def release_lease(self, server_id: UUID, holder: UUID) -> None:
        self.session.execute(
            update(AdeServer)
            .where(AdeServer.id == server_id, AdeServer.lease_holder == holder)
            .values(lease_holder=None, lease_until=None)
            .execution_options(synchronize_session=False)
        )

    def get_devices_by_serial(self, server_id: UUID, serials: Sequence[str]) -> dict[str, AdeDevice]:
        statement = select(AdeDevice).where(AdeDevice.server_id == server_id, AdeDevice.serial.in_(serials))
        return {device.serial: device for device in self.session.scalars(statement)}

    def mark_seen(self, server_id: UUID, serials: Sequence[str], generation: int) -> None:
        """Set the generation of the devices that the current full fetch has listed."""
        self.session.execute(
            update(AdeDevice)
            .where(AdeDevice.server_id == server_id, AdeDevice.serial.in_(serials))
            .values(generation=generation)
            .execution_options(synchronize_session=False)
        )

    def mark_unseen_removed(self, server_id: UUID, generation: int, now: datetime) -> int:
        """Mark the devices that a complete full fetch has not listed as removed, and return their number."""
        updated = self.session.execute(
            update(AdeDevice)
            .where(
                AdeDevice.server_id == server_id,
                AdeDevice.generation < generation,
                AdeDevice.removed_at.is_(None),
            )
            .values(removed_at=now)
            .execution_options(synchronize_session=False)
        )
        return int(updated.rowcount)  # type: ignore[attr-defined]

    def get_profiles_by_variant(self, server_id: UUID) -> dict[ProfileVariant, AdeProfile]:
        rows = self.session.scalars(select(AdeProfile).where(AdeProfile.server_id == server_id))
        return {row.variant: row for row in rows}

    def delete_profiles(self, server_id: UUID, variant: ProfileVariant | None = None) -> None:
        """Delete the stored profiles of a server, of one variant or all: Apple does not know them."""
        statement = delete(AdeProfile).where(AdeProfile.server_id == server_id)
        self.session.execute(statement if variant is None else statement.where(AdeProfile.variant == variant))

    def list_serials_without_profile(
        self, server_id: UUID, variant: ProfileVariant, uuid: str, now: datetime, after: str, limit: int
    ) -> list[str]:
        """Return the serial numbers after `after` of active tablets without the profile of their variant that may be tried now."""
        has_no_profile = or_(
            AdeDevice.profile_uuid.is_(None),
            AdeDevice.profile_uuid != uuid,
            AdeDevice.profile_status.is_(None),
            AdeDevice.profile_status.in_((ProfileStatus.EMPTY, ProfileStatus.REMOVED)),
        )
        statement = (
            select(AdeDevice.serial)
            .join(Tablet, Tablet.serial == AdeDevice.serial)
            .where(
                AdeDevice.server_id == server_id,
                AdeDevice.serial > after,
                or_(AdeDevice.retry_at.is_(None), AdeDevice.retry_at <= now),
                _inventory_status == InventoryStatus.ACTIVE.value,
                _variant == variant.value,
                has_no_profile,
            )
        )
        return list(self.session.scalars(statement.order_by(AdeDevice.serial).limit(limit)))

    def get_next_retry(self, server_id: UUID, now: datetime) -> datetime | None:
        """Return the earliest time at which a device is due to be tried again."""
        statement = select(func.min(AdeDevice.retry_at)).where(
            AdeDevice.server_id == server_id, AdeDevice.removed_at.is_(None), AdeDevice.retry_at > now
        )
        return self.session.scalar(statement)

    def list_devices(
        self, actor: Actor, server_id: UUID, standing: InventoryStatus | None, page: PageRequest
    ) -> Page[tuple[AdeDevice, UUID | None, str]]:
        """Return devices ordered by serial number, each with the tablet id of its own town and its inventory status."""
        tablet_id = case((Tablet.town_id == AdeDevice.town_id, Tablet.id))
        statement = (
            select(AdeDevice, tablet_id, _inventory_status)
            .outerjoin(Tablet, Tablet.serial == AdeDevice.serial)
            .where(AdeDevice.server_id == server_id)
        )
        if standing is not None:
            statement = statement.where(_inventory_status == standing.value)
        return fetch_page(self.session, actor.restrict(statement, AdeDevice), page, AdeDevice.serial)

    def count_devices(self, server_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
        """Return per server the number of devices of each inventory status, and of active ones without their profile (`waiting`)."""
        current = exists().where(
            AdeProfile.server_id == AdeDevice.server_id,
            AdeProfile.uuid == AdeDevice.profile_uuid,
            AdeDevice.profile_status.in_((ProfileStatus.ASSIGNED, ProfileStatus.PUSHED)),
        )
        waits = case((and_(_inventory_status == InventoryStatus.ACTIVE.value, ~current), literal(1)), else_=literal(0))
        rows = self.session.execute(
            select(AdeDevice.server_id, _inventory_status, func.count(), func.sum(waits))
            .outerjoin(Tablet, Tablet.serial == AdeDevice.serial)
            .where(AdeDevice.server_id.in_(server_ids))
            .group_by(AdeDevice.server_id, _inventory_status)
        )
        counts_by_server: dict[UUID, dict[str, int]] = {}
        for server_id, status, number, waiting in rows:
            counts = counts_by_server.setdefault(server_id, {"waiting": 0})
            counts[status] = number
            counts["waiting"] += int(waiting or 0)
        return counts_by_server

    def get_device_by_tablet(self, tablet: Tablet) -> AdeDevice | None:
        """Return the device of a tablet that is assigned to a server of the tablet's town."""
        return self.session.scalar(
            select(AdeDevice)
            .where(
                AdeDevice.serial == tablet.serial, AdeDevice.town_id == tablet.town_id,
                AdeDevice.removed_at.is_(None),
            )
            .order_by(AdeDevice.server_id)
            .limit(1)
        )  # fmt: skip

    def list_devices_to_lock(self, server_id: UUID, limit: int) -> Sequence[AdeDevice]:
        """Return the devices whose activation lock was requested and has no result yet."""
        return self.session.scalars(
            select(AdeDevice)
            .where(
                AdeDevice.server_id == server_id,
                AdeDevice.lock_requested_at.is_not(None),
                AdeDevice.lock_result.is_(None),
            )
            .order_by(AdeDevice.serial)
            .limit(limit)
        ).all()

    def get_server_by_tablet(self, tablet: Tablet) -> AdeServer | None:
        """Return the server to which a tablet is assigned; its key signs the tablet's service tokens."""
        device = self.get_device_by_tablet(tablet)
        return None if device is None else self.get_server(device.server_id)

    def get_town_ids_by_serial(self, serials: Sequence[str]) -> dict[str, UUID]:
        """Return the town of each of these serial numbers that is in an inventory."""
        rows = self.session.execute(select(Tablet.serial, Tablet.town_id).where(Tablet.serial.in_(serials)))
        return {row.serial: row.town_id for row in rows}

    def _exists(self, statement: Select[Any]) -> bool:
        return self.session.scalar(statement.limit(1)) is not None
