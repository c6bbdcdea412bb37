"""All SQL of reconciliation: reported state, desired apps, and which tablets to query again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, Select, and_, case, false, func, literal, or_, select
from sqlalchemy.orm import Session

from cartable.database import get_insert
from cartable.scope import Actor
from enrollment.people.models import Pupil
from enrollment.tablets.models import Loan, Tablet
from enrollment.tablets.rules import DECOMMISSIONED
from mdm.devices.models import DeclarativeState, DeviceEnrollment, EnrollmentState, LastSeen
from mdm.queue.models import OPEN_STATES, QueuedCommand
from mdm.reconcile.models import AppReason, AppState, ProfileTrial, TabletApp, TabletProfile
from profiles.apps.licences import FreedLicence
from profiles.apps.models import App, LicenceToken, LicenceTokenSchool
from profiles.effective.models import RenderedProfile
from profiles.schedule.models import TabletMode


class ReconcileRepository:
    """Reads and writes for sets of tablets, in a constant number of statements."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def load_tablet_profiles(self, tablet_ids: Sequence[UUID], *, lock: bool = False) -> dict[UUID, TabletProfile]:
        """Return the policy profile of each tablet that has one; with `lock` the current rows, locked until the commit."""
        statement = select(TabletProfile).where(TabletProfile.tablet_id.in_(tablet_ids)).order_by(TabletProfile.tablet_id)
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return {row.tablet_id: row for row in self.session.scalars(statement)}

    def load_trials(self, tablet_ids: Collection[UUID], *, lock: bool = False) -> dict[UUID, dict[str, ProfileTrial]]:
        """Return the trials of each tablet that has any, by digest; with `lock` the current rows, locked until the commit."""
        statement = select(ProfileTrial).where(ProfileTrial.tablet_id.in_(tablet_ids))
        statement = statement.order_by(ProfileTrial.tablet_id, ProfileTrial.digest)
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        rows_by_tablet: dict[UUID, dict[str, ProfileTrial]] = {}
        for row in self.session.scalars(statement):
            rows_by_tablet.setdefault(row.tablet_id, {})[row.digest] = row
        return rows_by_tablet

    def load_tablet_apps(self, tablet_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, TabletApp]]:
        rows = self.session.scalars(select(TabletApp).where(TabletApp.tablet_id.in_(tablet_ids)))
        rows_by_tablet: dict[UUID, dict[UUID, TabletApp]] = {}
        for row in rows:
            rows_by_tablet.setdefault(row.tablet_id, {})[row.app_id] = row
        return rows_by_tablet

    def lock_tablet_app(self, tablet_id: UUID, app_id: UUID) -> TabletApp | None:
        """Return the current row of an app on a tablet, locked until the commit."""
        statement = select(TabletApp).where(TabletApp.tablet_id == tablet_id, TabletApp.app_id == app_id)
        return self.session.scalar(statement.with_for_update().execution_options(populate_existing=True))

    def get_app(self, app_id: UUID) -> App | None:
        return self.session.get(App, app_id)

    def load_apps(self, app_ids: Sequence[UUID]) -> dict[UUID, App]:
        return {row.id: row for row in self.session.scalars(select(App).where(App.id.in_(app_ids)))}

    def select_tablets_with_app(self, app_id: UUID) -> Select[UUID]:
        """Return the statement that selects the tablets that have an app or should have it."""
        return select(TabletApp.tablet_id).where(TabletApp.app_id == app_id)

    def count_configured(self, app_id: UUID, *, has_configuration: bool) -> tuple[int, int]:
        """Return how many tablets have an app, and how many of them have proved what was sent last; without a configuration: none."""
        sent, reported = TabletApp.configuration_sent, TabletApp.configuration_proved
        proved = and_(sent.is_not(None), sent == reported) if has_configuration else and_(sent.is_(None), reported.is_(None))
        statement = select(func.count(), func.count(case((proved, 1))))
        statement = statement.where(TabletApp.app_id == app_id, TabletApp.state == AppState.INSTALLED)
        row = self.session.execute(statement).one()
        return row[0], row[1]

    def list_tablet_apps(self, tablet_id: UUID) -> Sequence[Row[TabletApp, App]]:
        return self.session.execute(
            select(TabletApp, App)
            .join(App, App.id == TabletApp.app_id)
            .where(TabletApp.tablet_id == tablet_id)
            .order_by(App.name, App.id)
        ).all()

    def add_installed_apps(self, tablet_id: UUID, identifiers: Collection[str], now: datetime) -> int:
        """Add the apps of the tablet's town with these bundle identifiers as installed, unless they are there. Return how many were added."""
        columns = ["tablet_id", "app_id", "state", "reason", "attempts", "changed_at"]
        known = (
            select(
                Tablet.id,
                App.id,
                literal(AppState.INSTALLED, TabletApp.__table__.c.state.type),
                literal(AppReason.INSTALLED, TabletApp.__table__.c.reason.type),
                literal(0),
                literal(now, TabletApp.__table__.c.changed_at.type),
            )
            .join(App, App.town_id == Tablet.town_id)
            .where(Tablet.id == tablet_id, App.bundle_identifier.in_(sorted(identifiers)))
            .order_by(App.id)
        )
        statement = get_insert(self.session.get_bind().dialect.name)(TabletApp).from_select(columns, known)
        result = self.session.execute(statement.on_conflict_do_nothing(index_elements=["tablet_id", "app_id"]))
        return int(result.rowcount)  # type: ignore[attr-defined]

    def load_rendered_profiles(self, hashes: Sequence[str]) -> dict[str, RenderedProfile]:
        return {
            row.sha256: row for row in self.session.scalars(select(RenderedProfile).where(RenderedProfile.sha256.in_(hashes)))
        }

    def select_due_checks(self, now: datetime) -> Select[UUID]:
        """Return a statement that selects the tablets whose declarations, profile, trial or last full decision are to be looked at again."""
        declarations = select(DeclarativeState.enrollment_id).where(DeclarativeState.next_check_at <= now)
        profiles = select(TabletProfile.tablet_id).where(TabletProfile.next_attempt_at <= now)
        trials = select(ProfileTrial.tablet_id).where(ProfileTrial.next_check_at <= now)
        decisions = select(TabletMode.tablet_id).where(TabletMode.mode_only_until <= now)
        return (
            select(DeviceEnrollment.tablet_id)
            .join(Tablet, Tablet.id == DeviceEnrollment.tablet_id)
            .where(
                DeviceEnrollment.state == EnrollmentState.ENROLLED,
                DeviceEnrollment.parent_id.is_(None),
                Tablet.state.not_in(DECOMMISSIONED),
                DeviceEnrollment.id.in_(declarations) | DeviceEnrollment.tablet_id.in_(profiles.union_all(trials, decisions)),
            )
        )

    def load_open_dedupe_keys(self, enrollment_ids: Sequence[int]) -> dict[int, set[str]]:
        """Return the dedupe keys of the open commands of each enrollment."""
        rows = self.session.execute(
            select(QueuedCommand.enrollment_id, QueuedCommand.dedupe_key).where(
                QueuedCommand.enrollment_id.in_(enrollment_ids),
                QueuedCommand.state.in_(OPEN_STATES),
                QueuedCommand.dedupe_key.is_not(None),
            )
        )
        keys_by_enrollment: dict[int, set[str]] = {}
        for enrollment_id, key in rows:
            keys_by_enrollment.setdefault(enrollment_id, set()).add(str(key))
        return keys_by_enrollment

    def find_latest_contact(self, tablets: Select[UUID], seen_after: datetime) -> UUID | None:
        """Return the enrolled tablet among these that was in contact last; None when none was after an instant."""
        return self.session.scalar(
            select(DeviceEnrollment.tablet_id)
            .join(LastSeen, LastSeen.enrollment_id == DeviceEnrollment.id)
            .join(Tablet, Tablet.id == DeviceEnrollment.tablet_id)
            .where(
                DeviceEnrollment.tablet_id.in_(tablets),
                DeviceEnrollment.parent_id.is_(None),
                DeviceEnrollment.state == EnrollmentState.ENROLLED,
                Tablet.state.not_in(DECOMMISSIONED),
                LastSeen.last_seen_at > seen_after,
            )
            .order_by(LastSeen.last_seen_at.desc(), DeviceEnrollment.tablet_id)
            .limit(1)
        )

    def list_app_status(
        self, actor: Actor, town_id: UUID, places: Sequence[Select[UUID]], app_ids: Sequence[UUID]
    ) -> Sequence[Row[Tablet, TabletApp | None]]:
        """List the tablets of these places, each with the state of each of these apps on it."""
        statement = (
            select(Tablet, TabletApp)
            .outerjoin(TabletApp, (TabletApp.tablet_id == Tablet.id) & TabletApp.app_id.in_(app_ids))
            .where(Tablet.town_id == town_id, or_(false(), *(Tablet.id.in_(place) for place in places)))
            .order_by(Tablet.tag, Tablet.id)
        )
        return self.session.execute(actor.restrict(statement, Tablet)).all()

    def list_waiting_for_licence(self, freed: Collection[FreedLicence]) -> list[UUID]:
        """List the tablets that have waited longest for one of these licences, as many as were freed. One statement per app and account.

        A licence of a school's account is for tablets of the account's schools.
        """
        tablet_ids: list[UUID] = []
        for each, count in Counter(freed).items():
            statement = select(TabletApp.tablet_id).where(
                TabletApp.app_id == each.app_id, TabletApp.reason == AppReason.NO_LICENCE
            )
            if each.token_id is not None:
                schools = select(LicenceTokenSchool.school_id).where(LicenceTokenSchool.token_id == each.token_id)
                is_town_wide = select(LicenceToken.is_town_wide).where(LicenceToken.id == each.token_id).scalar_subquery()
                statement = statement.join(Tablet, Tablet.id == TabletApp.tablet_id).where(
                    or_(is_town_wide, Tablet.school_id.in_(schools))
                )
            tablet_ids += self.session.scalars(statement.order_by(TabletApp.changed_at, TabletApp.tablet_id).limit(count))
        return tablet_ids

    def count_waiting_for_licence(self, actor: Actor, town_id: UUID) -> dict[tuple[UUID, UUID | None, str | None], int]:
        """Return how many tablets wait for a licence, by app, school and grade of the pupil."""
        statement = (
            select(TabletApp.app_id, Tablet.school_id, Pupil.grade, func.count())
            .join(Tablet, Tablet.id == TabletApp.tablet_id)
            .outerjoin(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .outerjoin(Pupil, Pupil.id == Loan.pupil_id)
            .where(Tablet.town_id == town_id, TabletApp.reason == AppReason.NO_LICENCE)
            .group_by(TabletApp.app_id, Tablet.school_id, Pupil.grade)
        )
        return {(row[0], row[1], row[2]): row[3] for row in self.session.execute(actor.restrict(statement, Tablet))}
