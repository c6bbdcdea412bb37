"""All SQL of the first day: which facts of a town are true already."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from cartable.audit import AuditEvent
from enrollment.joining.ade.models import AdeServer
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import School
from mdm.accounts.models import Account, AccountRole
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from profiles.apps.models import LicenceToken
from profiles.policy.kinds import IN_FORCE, PresetKind
from profiles.policy.models import PolicyVersion, Preset
from profiles.schedule.models import Timetable


class SetupRepository:
    """Reads which facts of a town are true."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def load_facts(self, town_id: UUID, now: datetime, backup_since: datetime) -> dict[str, bool]:
        """Return which steps of the first day are done, by name, in one query."""
        colleagues = (
            select(func.count(func.distinct(AccountRole.account_id)))
            .join(Account, Account.id == AccountRole.account_id)
            .where(AccountRole.town_id == town_id, or_(AccountRole.ends_at.is_(None), AccountRole.ends_at > now))
            .where(Account.active, Account.password_changed_at.is_not(None))
            .scalar_subquery()
        )
        bundle = select(PolicyVersion.id).join(Preset, Preset.id == PolicyVersion.preset_id)
        facts = {
            "schools": select(School.id).where(School.town_id == town_id, School.closed_on.is_(None)).exists(),
            "roster": select(Pupil.id).where(Pupil.town_id == town_id, Pupil.state == PupilState.ACTIVE).exists(),
            "hours": select(Timetable.id).where(Timetable.town_id == town_id).exists(),
            "bundle": bundle.where(
                Preset.town_id == town_id, Preset.kind == PresetKind.BUNDLE, PolicyVersion.state.in_(IN_FORCE)
            ).exists(),
            "first_tablet": select(DeviceEnrollment.id)
            .where(DeviceEnrollment.town_id == town_id, DeviceEnrollment.state == EnrollmentState.ENROLLED)
            .exists(),
            "apple_school_manager": select(AdeServer.id)
            .where(AdeServer.town_id == town_id, AdeServer.token_expires_at > now)
            .exists(),
            "apps_and_books": select(LicenceToken.id).where(LicenceToken.town_id == town_id, LicenceToken.expires > now).exists(),
            "backup": select(AuditEvent.id)
            .where(AuditEvent.action == "backup.create", AuditEvent.town_id.is_(None), AuditEvent.at >= backup_since)
            .exists(),
        }
        columns = [condition.label(name) for name, condition in facts.items()]
        row = self.session.execute(select(*columns, (colleagues >= 2).label("colleagues"))).mappings().one()
        return {name: bool(value) for name, value in row.items()}

    def list_actions_of_people(self, town_id: UUID, actions: Collection[str]) -> frozenset[str]:
        """Return those of some audited actions that a person has done in a town, not the server by itself."""
        statement = select(AuditEvent.action).where(AuditEvent.town_id == town_id, AuditEvent.action.in_(actions))
        return frozenset(self.session.scalars(statement.where(AuditEvent.actor_id.is_not(None)).distinct()))
