"""All SQL of the comparison with Apps and Books."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from enrollment.tablets.models import Tablet
from profiles.apps.models import App, Licence, LicencePool, LicenceState, LicenceToken


@dataclass(frozen=True, slots=True)
class DueAssignments:
    """What the service must assign and take back: serial numbers by store number."""

    to_assign: dict[int, list[str]]
    to_return: dict[int, list[str]]


class AppsAndBooksRepository:
    """Reads and writes tokens, and licences by serial number."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_token(self, town_id: UUID) -> LicenceToken | None:
        return self.session.scalar(select(LicenceToken).where(LicenceToken.town_id == town_id))

    def list_towns_with_token(self) -> list[UUID]:
        return list(self.session.scalars(select(LicenceToken.town_id).order_by(LicenceToken.town_id)))

    def list_token_ends(self) -> list[tuple[UUID, datetime]]:
        """Return the town of each content token, and when the token ends."""
        rows = self.session.execute(select(LicenceToken.town_id, LicenceToken.expires).order_by(LicenceToken.town_id))
        return [(row[0], row[1]) for row in rows]

    def get_due_assignments(self, town_id: UUID) -> DueAssignments:
        """What was reserved and not given yet, and what was released and not taken back yet."""
        rows = self.session.execute(
            select(App.app_store_id, Tablet.serial, Licence.state)
            .join(App, App.id == Licence.app_id)
            .join(Tablet, Tablet.id == Licence.tablet_id)
            .where(
                Licence.town_id == town_id,
                Licence.returned.is_(False),
                Licence.state.in_((LicenceState.RESERVED, LicenceState.IN_GRACE)),
                App.app_store_id.is_not(None),
            )
            .order_by(App.app_store_id, Tablet.serial)
        )
        due = DueAssignments({}, {})
        for adam_id, serial, state in rows:
            assert adam_id is not None
            side = due.to_assign if state is LicenceState.RESERVED else due.to_return
            side.setdefault(adam_id, []).append(serial)
        return due

    def get_licences(self, town_id: UUID, due: DueAssignments) -> dict[tuple[int, str], Licence]:
        """The rows behind what was due, by store and serial number, held until the end of the transaction."""
        serials = {serial for side in (due.to_assign, due.to_return) for each in side.values() for serial in each}
        rows = self.session.execute(
            select(App.app_store_id, Tablet.serial, Licence)
            .join(App, App.id == Licence.app_id)
            .join(Tablet, Tablet.id == Licence.tablet_id)
            .where(Licence.town_id == town_id, Tablet.serial.in_(serials), App.app_store_id.is_not(None))
            .with_for_update(of=Licence)
        )
        return {(adam_id, serial): licence for adam_id, serial, licence in rows if adam_id is not None}

    def get_apps_by_store_id(self, town_id: UUID) -> dict[int, UUID]:
        """The town's apps by their store number."""
        rows = self.session.execute(select(App.app_store_id, App.id).where(App.town_id == town_id, App.app_store_id.is_not(None)))
        return {adam_id: app_id for adam_id, app_id in rows if adam_id is not None}

    def get_pool(self, app_id: UUID) -> LicencePool | None:
        return self.session.get(LicencePool, app_id)

    def select_tablets(self, tablet_ids: Sequence[UUID]) -> Select[UUID]:
        """Statement: these tablets."""
        return select(Tablet.id).where(Tablet.id.in_(tablet_ids))
