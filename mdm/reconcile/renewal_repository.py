"""All SQL of the renewal of identity certificates: which are due, and which tablets are about to go silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from cartable.database import get_insert
from cartable.keyset import fetch_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor
from enrollment.identity.models import DeviceCertificate
from enrollment.tablets.models import Tablet
from mdm.devices.models import DeviceEnrollment, EnrollmentState, LastSeen
from mdm.reconcile.models import IdentityRenewal

#: The certificate with which the tablet connects. One that was only issued is never looked at.
_PINNED = DeviceCertificate.fingerprint == DeviceEnrollment.fingerprint
_RENEWAL_OF_PINNED = and_(
    IdentityRenewal.enrollment_id == DeviceEnrollment.id, IdentityRenewal.fingerprint == DeviceEnrollment.fingerprint
)
_IS_ENROLLED = and_(
    DeviceEnrollment.parent_id.is_(None),
    DeviceEnrollment.state == EnrollmentState.ENROLLED,
    DeviceCertificate.revoked_at.is_(None),
)


@dataclass(frozen=True, slots=True)
class EndingIdentity:
    """A tablet whose pinned certificate ends soon, or whose renewal fails."""

    tablet: Tablet
    expires_at: datetime
    renewal: IdentityRenewal | None
    last_seen_at: datetime | None


class RenewalRepository:
    """Reads and writes renewals of identity certificates."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_or_create_renewal_for_update(self, enrollment_id: int, fingerprint: str, now: datetime) -> IdentityRenewal:
        """Return the row of an enrollment, locked; without an attempt it is created. Two workers at once get the same row."""
        insert = get_insert(self.session.get_bind().dialect.name)
        values = {
            "enrollment_id": enrollment_id, "fingerprint": fingerprint, "started_at": now, "attempts": 0, "ordered_at": now,
            "next_at": now,
        }  # fmt: skip
        self.session.execute(insert(IdentityRenewal).values(values).on_conflict_do_nothing(index_elements=["enrollment_id"]))
        statement = select(IdentityRenewal).where(IdentityRenewal.enrollment_id == enrollment_id)
        return self.session.scalars(statement.with_for_update().execution_options(populate_existing=True)).one()

    def get_renewal_for_update(self, enrollment_id: int) -> IdentityRenewal | None:
        statement = select(IdentityRenewal).where(IdentityRenewal.enrollment_id == enrollment_id)
        return self.session.scalar(statement.with_for_update())

    def get_renewal(self, enrollment_id: int, fingerprint: str) -> IdentityRenewal | None:
        """Return the renewal of this certificate; None when none was ordered."""
        row = self.session.get(IdentityRenewal, enrollment_id)
        return row if row is not None and row.fingerprint == fingerprint else None

    def list_due_enrollments(self, now: datetime) -> Sequence[int]:
        """Return the enrollments whose pinned certificate is to be renewed, and for which no attempt is open or waits."""
        return self.session.scalars(
            select(DeviceEnrollment.id)
            .join(DeviceCertificate, _PINNED)
            .outerjoin(IdentityRenewal, _RENEWAL_OF_PINNED)
            .where(
                _IS_ENROLLED,
                DeviceCertificate.renew_from <= now,
                DeviceCertificate.not_after > now,
                or_(IdentityRenewal.next_at.is_(None), IdentityRenewal.next_at <= now),
            )
            .order_by(DeviceEnrollment.id)
        ).all()

    def list_ending(self, actor: Actor, until: datetime, town_id: UUID | None, page: PageRequest) -> Page[EndingIdentity]:
        """Return the visible tablets whose pinned certificate ends before `until` or whose renewal fails, the first to end first."""
        statement = (
            select(Tablet, DeviceCertificate.not_after, IdentityRenewal, LastSeen.last_seen_at)
            .select_from(DeviceEnrollment)
            .join(Tablet, Tablet.id == DeviceEnrollment.tablet_id)
            .join(DeviceCertificate, _PINNED)
            .outerjoin(IdentityRenewal, _RENEWAL_OF_PINNED)
            .outerjoin(LastSeen, LastSeen.enrollment_id == DeviceEnrollment.id)
            .where(_IS_ENROLLED, _ends_or_fails(until))
        )
        if town_id is not None:
            statement = statement.where(Tablet.town_id == town_id)
        rows = fetch_page(self.session, actor.restrict(statement, Tablet), page, DeviceCertificate.not_after, DeviceEnrollment.id)
        return rows.map(lambda row: EndingIdentity(*row))

    def count_ending(self, actor: Actor, until: datetime) -> Sequence[Row[UUID, int, int, datetime]]:
        """Return, for each town with such tablets: how many, for how many the renewal fails, and the first end."""
        statement: Select[UUID, int, int, datetime] = (
            select(
                Tablet.town_id,
                func.count(),
                func.count(IdentityRenewal.problem),
                func.min(DeviceCertificate.not_after),
            )
            .select_from(DeviceEnrollment)
            .join(Tablet, Tablet.id == DeviceEnrollment.tablet_id)
            .join(DeviceCertificate, _PINNED)
            .outerjoin(IdentityRenewal, _RENEWAL_OF_PINNED)
            .where(_IS_ENROLLED, _ends_or_fails(until))
            .group_by(Tablet.town_id)
            .order_by(Tablet.town_id)
        )
        return self.session.execute(actor.restrict(statement, Tablet)).all()


def _ends_or_fails(until: datetime) -> ColumnElement[bool]:
    return or_(DeviceCertificate.not_after <= until, IdentityRenewal.problem.is_not(None))
