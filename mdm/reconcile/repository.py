"""All SQL of the comparison: what tablets reported, where wanted apps stand, whom to ask anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, Select, false, func, or_, select
from sqlalchemy.orm import Session

from cartable.scope import Actor
from enrollment.people.models import Pupil
from enrollment.tablets.models import Loan, Tablet
from mdm.devices.models import DeclarativeState, DeviceEnrollment, EnrollmentState, Heartbeat
from mdm.queue.models import OPEN_STATES, Command
from mdm.reconcile.models import AppReason, ProfileState, TabletApp, TabletProfile
from profiles.apps.models import App
from profiles.effective.models import Artefact, DeclarationSet


class ReconcileRepository:
    """Reads and writes in sets of tablets."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def enrolled(self, tablet_ids: Sequence[UUID]) -> dict[UUID, DeviceEnrollment]:
        """The device channel of each tablet that can be told something."""
        rows = self.session.scalars(
            select(DeviceEnrollment).where(
                DeviceEnrollment.tablet_id.in_(tablet_ids),
                DeviceEnrollment.parent_id.is_(None),
                DeviceEnrollment.state == EnrollmentState.ENROLLED,
            )
        )
        return {row.tablet_id: row for row in rows}

    def enrollment(self, enrollment_id: int) -> DeviceEnrollment | None:
        return self.session.get(DeviceEnrollment, enrollment_id)

    def profiles(self, tablet_ids: Sequence[UUID]) -> dict[UUID, TabletProfile]:
        rows = self.session.scalars(select(TabletProfile).where(TabletProfile.tablet_id.in_(tablet_ids)))
        return {row.tablet_id: row for row in rows}

    def apps(self, tablet_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, TabletApp]]:
        rows = self.session.scalars(select(TabletApp).where(TabletApp.tablet_id.in_(tablet_ids)))
        found: dict[UUID, dict[UUID, TabletApp]] = {}
        for row in rows:
            found.setdefault(row.tablet_id, {})[row.app_id] = row
        return found

    def app_details(self, app_ids: Sequence[UUID]) -> dict[UUID, App]:
        return {row.id: row for row in self.session.scalars(select(App).where(App.id.in_(app_ids)))}

    def apps_of_tablet(self, tablet_id: UUID) -> Sequence[Row[TabletApp, App]]:
        return self.session.execute(
            select(TabletApp, App)
            .join(App, App.id == TabletApp.app_id)
            .where(TabletApp.tablet_id == tablet_id)
            .order_by(App.name, App.id)
        ).all()

    def artefacts(self, hashes: Sequence[str]) -> dict[str, Artefact]:
        return {row.sha256: row for row in self.session.scalars(select(Artefact).where(Artefact.sha256.in_(hashes)))}

    def declarative(self, enrollment_ids: Sequence[int]) -> dict[int, DeclarativeState]:
        rows = self.session.scalars(select(DeclarativeState).where(DeclarativeState.enrollment_id.in_(enrollment_ids)))
        return {row.enrollment_id: row for row in rows}

    def start_declarative(self, enrollment_id: int) -> DeclarativeState:
        row = DeclarativeState(enrollment_id=enrollment_id, repairs=0)
        self.session.add(row)
        return row

    def declaration_items(self, hashes: Sequence[str]) -> dict[str, list[dict[str, object]]]:
        """The declarations of these sets."""
        rows = self.session.execute(select(DeclarationSet.sha256, DeclarationSet.items).where(DeclarationSet.sha256.in_(hashes)))
        return {row.sha256: row.items for row in rows}

    def open_keys(self, enrollment_ids: Sequence[int]) -> dict[int, set[str]]:
        """Dedupe keys of what is already on its way to each enrolment."""
        rows = self.session.execute(
            select(Command.enrollment_id, Command.dedupe_key).where(
                Command.enrollment_id.in_(enrollment_ids), Command.state.in_(OPEN_STATES), Command.dedupe_key.is_not(None)
            )
        )
        found: dict[int, set[str]] = {}
        for enrollment_id, key in rows:
            found.setdefault(enrollment_id, set()).add(str(key))
        return found

    def open_besides(self, enrollment_id: int, key: str) -> int:
        """How many open commands an enrolment has besides those of one dedupe key."""
        return self.session.scalar(
            select(func.count()).where(
                Command.enrollment_id == enrollment_id, Command.state.in_(OPEN_STATES), Command.dedupe_key != key
            )
        ) or 0  # fmt: skip

    def count(self, tablets: Select[UUID]) -> int:
        """How many tablets a statement selects."""
        return self.session.scalar(select(func.count()).select_from(tablets.subquery())) or 0

    def failing_since(self, tablets: Select[UUID], since: datetime) -> int:
        """How many of them could not apply their rules, as they said since then."""
        chosen = tablets.subquery()
        by_profile = (
            select(TabletProfile.tablet_id)
            .join(chosen, next(iter(chosen.c)) == TabletProfile.tablet_id)
            .where(TabletProfile.state == ProfileState.FAILED, TabletProfile.changed_at >= since)
        )
        by_declaration = (
            select(DeviceEnrollment.tablet_id)
            .join(chosen, next(iter(chosen.c)) == DeviceEnrollment.tablet_id)
            .join(DeclarativeState, DeclarativeState.enrollment_id == DeviceEnrollment.id)
            .where(DeclarativeState.repairs > 1, DeclarativeState.reported_at >= since)
        )
        return self.count(by_profile.union(by_declaration))  # type: ignore[arg-type]

    def silent_since(self, tablets: Select[UUID], since: datetime, heard_within: timedelta) -> int:
        """How many of them were heard shortly before an instant and not since."""
        chosen = tablets.subquery()
        statement = (
            select(DeviceEnrollment.tablet_id)
            .join(chosen, next(iter(chosen.c)) == DeviceEnrollment.tablet_id)
            .join(Heartbeat, Heartbeat.enrollment_id == DeviceEnrollment.id)
            .where(
                DeviceEnrollment.state == EnrollmentState.ENROLLED,
                Heartbeat.last_seen_at < since,
                Heartbeat.last_seen_at > since - heard_within,
            )
        )
        return self.count(statement)

    def awaiting_since(self, before: datetime) -> Sequence[DeviceEnrollment]:
        """Tablets that have waited in the Setup Assistant since `before`."""
        return self.session.scalars(
            select(DeviceEnrollment)
            .where(
                DeviceEnrollment.awaiting_configuration,
                DeviceEnrollment.state == EnrollmentState.ENROLLED,
                DeviceEnrollment.enrolled_at <= before,
            )
            .order_by(DeviceEnrollment.id)
        ).all()

    def stale(self, asked_before: datetime, seen_after: datetime, request_type_key: str, limit: int) -> list[int]:
        """Enrolments heard of lately that were not asked with this dedupe key for long."""
        asked = (
            select(Command.id)
            .where(
                Command.enrollment_id == DeviceEnrollment.id,
                Command.dedupe_key == request_type_key,
                Command.created_at > asked_before,
            )
            .exists()
        )
        return list(
            self.session.scalars(
                select(DeviceEnrollment.id)
                .join(Heartbeat, Heartbeat.enrollment_id == DeviceEnrollment.id)
                .where(
                    DeviceEnrollment.state == EnrollmentState.ENROLLED,
                    DeviceEnrollment.parent_id.is_(None),
                    Heartbeat.last_seen_at > seen_after,
                    ~asked,
                )
                .order_by(DeviceEnrollment.id)
                .limit(limit)
            )
        )

    def status_rows(
        self, actor: Actor, town_id: UUID, places: Sequence[Select[UUID]], app_ids: Sequence[UUID]
    ) -> Sequence[Row[Tablet, TabletApp | None]]:
        """Every tablet of these places, with where each of the apps stands on it."""
        statement = (
            select(Tablet, TabletApp)
            .outerjoin(TabletApp, (TabletApp.tablet_id == Tablet.id) & TabletApp.app_id.in_(app_ids))
            .where(Tablet.town_id == town_id, or_(false(), *(Tablet.id.in_(place) for place in places)))
            .order_by(Tablet.tag, Tablet.id)
        )
        return self.session.execute(actor.restrict(statement, Tablet)).all()

    def waiting_for(self, freed: Mapping[UUID, int]) -> list[UUID]:
        """The tablets that have waited longest for a licence of these apps, as many as have come free. Few apps at a time."""
        found: list[UUID] = []
        for app_id, count in freed.items():
            found += self.session.scalars(
                select(TabletApp.tablet_id)
                .where(TabletApp.app_id == app_id, TabletApp.reason == AppReason.NO_LICENCE)
                .order_by(TabletApp.changed_at, TabletApp.tablet_id)
                .limit(count)
            )
        return found

    def waiting_for_licences(self, actor: Actor, town_id: UUID) -> dict[tuple[UUID, str | None], int]:
        """How many tablets wait for a licence, by app and by the level of the pupil."""
        statement = (
            select(TabletApp.app_id, Pupil.level, func.count())
            .join(Tablet, Tablet.id == TabletApp.tablet_id)
            .outerjoin(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .outerjoin(Pupil, Pupil.id == Loan.pupil_id)
            .where(Tablet.town_id == town_id, TabletApp.reason == AppReason.NO_LICENCE)
            .group_by(TabletApp.app_id, Pupil.level)
        )
        return {(row[0], row[1]): row[2] for row in self.session.execute(actor.restrict(statement, Tablet))}
