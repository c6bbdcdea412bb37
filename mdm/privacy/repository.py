"""SQL of the rights of people: one child's record, requests, notices, reports, and who is affected by a breach.

What is due to be removed is in `retention_repository`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from cartable.audit import AuditEvent
from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.people.models import (
    Guardian,
    GuardianLink,
    Pupil,
    PupilGroup,
    PupilGroupMember,
    PupilState,
    RecordAccess,
    StaffMember,
    TeacherAssignment,
)
from enrollment.places.models import School
from enrollment.tablets.models import Loan, Tablet
from mdm.care.lost_mode.models import LostCase, PositionRequest
from mdm.privacy.models import NoticeAudience, PrivacyNotice, PrivacyReport, PrivacyRequest, ReportKind
from mdm.privacy.retention_repository import split_ids


class PrivacyRepository:
    """Reads what the duties of privacy need, town by town."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_pupil(self, actor: Actor, pupil_id: UUID) -> Pupil | None:
        statement = select(Pupil).where(Pupil.id == pupil_id)
        return self.session.scalar(actor.restrict(statement, Pupil, Permission.PRIVACY))

    def has_open_loan(self, pupil_id: UUID) -> bool:
        return self.session.scalar(select(Loan.id).where(Loan.pupil_id == pupil_id, Loan.closed_at.is_(None))) is not None

    def list_position_requests(self, case_ids: Iterable[UUID]) -> Sequence[PositionRequest]:
        return self.session.scalars(
            select(PositionRequest).where(PositionRequest.case_id.in_(list(case_ids))).order_by(PositionRequest.id)
        ).all()

    def list_cases_during_loans(self, pupil_id: UUID) -> Sequence[LostCase]:
        """List the losses of a tablet during a loan to this pupil."""
        is_during_loan = and_(
            Loan.tablet_id == LostCase.tablet_id,
            Loan.pupil_id == pupil_id,
            LostCase.requested_at >= Loan.opened_at,
            or_(Loan.closed_at.is_(None), LostCase.requested_at <= Loan.closed_at),
        )
        return self.session.scalars(
            select(LostCase).where(exists().where(is_during_loan)).order_by(LostCase.requested_at, LostCase.id)
        ).all()

    def list_guardians(self, pupil_id: UUID) -> Sequence[Guardian]:
        return self.session.scalars(
            select(Guardian)
            .join(GuardianLink, GuardianLink.guardian_id == Guardian.id)
            .where(GuardianLink.pupil_id == pupil_id)
            .order_by(Guardian.id)
        ).all()

    def list_group_labels(self, pupil_id: UUID) -> list[str]:
        joined = select(PupilGroup.label).join(PupilGroupMember, PupilGroupMember.group_id == PupilGroup.id)
        return list(
            self.session.scalars(joined.where(PupilGroupMember.pupil_id == pupil_id).order_by(PupilGroup.label, PupilGroup.id))
        )

    def load_tablet_tags(self, pupil_id: UUID) -> dict[UUID, str]:
        rows = self.session.execute(
            select(Tablet.id, Tablet.tag).join(Loan, Loan.tablet_id == Tablet.id).where(Loan.pupil_id == pupil_id)
        )
        return {row[0]: row[1] for row in rows}

    def list_audit_events(self, town_id: UUID, pupil_id: UUID) -> Sequence[AuditEvent]:
        """List the audit events about a pupil's record, or with its id in their details."""
        concerns_pupil = or_(
            and_(AuditEvent.subject_kind == "pupil", AuditEvent.subject_id == str(pupil_id)),
            AuditEvent.details["pupil_id"].as_string() == str(pupil_id),
        )
        return self.session.scalars(
            select(AuditEvent).where(AuditEvent.town_id == town_id, concerns_pupil).order_by(AuditEvent.id)
        ).all()

    def list_referencing_rows(self, column: Any, pupil_id: UUID) -> list[dict[str, Any]]:
        """List the rows that reference a pupil by this column, as mappings."""
        rows = self.session.execute(select(column.table).where(column == pupil_id).order_by(*column.table.primary_key.columns))
        return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    def get_request(self, actor: Actor, request_id: UUID) -> PrivacyRequest | None:
        statement = select(PrivacyRequest).where(PrivacyRequest.id == request_id)
        return self.session.scalar(actor.restrict(statement, PrivacyRequest, Permission.PRIVACY))

    def count_open_requests(self, actor: Actor, town_id: UUID, today: date) -> tuple[int, int]:
        """Return how many requests of a town are not answered, and how many of them are late."""
        late = func.count(case((PrivacyRequest.due_on < today, 1)))
        statement = select(func.count(), late).where(PrivacyRequest.town_id == town_id, PrivacyRequest.answered_on.is_(None))
        row = self.session.execute(actor.restrict(statement, PrivacyRequest, Permission.PRIVACY)).one()
        return row[0], row[1]

    def list_requests(self, actor: Actor, town_id: UUID, *, only_open: bool, page: PageRequest) -> Page[PrivacyRequest]:
        statement = select(PrivacyRequest).where(PrivacyRequest.town_id == town_id)
        if only_open:
            statement = statement.where(PrivacyRequest.answered_on.is_(None))
        statement = actor.restrict(statement, PrivacyRequest, Permission.PRIVACY)
        open_first = case((PrivacyRequest.answered_on.is_(None), 0), else_=1)
        return fetch_scalar_page(self.session, statement, page, open_first, PrivacyRequest.due_on, PrivacyRequest.id)

    def list_requests_about(self, town_id: UUID, pupil_id: UUID) -> Sequence[PrivacyRequest]:
        """List the privacy requests about one pupil."""
        statement = select(PrivacyRequest).where(PrivacyRequest.town_id == town_id, PrivacyRequest.subject_id == pupil_id)
        return self.session.scalars(statement.order_by(PrivacyRequest.received_on, PrivacyRequest.id)).all()

    def has_school(self, town_id: UUID, school_id: UUID) -> bool:
        return self.session.scalar(select(School.id).where(School.id == school_id, School.town_id == town_id)) is not None

    def list_pupil_ids(self, town_id: UUID, school_id: UUID | None) -> list[UUID]:
        """List the ids of the pupils of a town, or of one school, that were not erased."""
        statement = select(Pupil.id).where(Pupil.town_id == town_id, Pupil.state != PupilState.ERASED)
        if school_id is not None:
            statement = statement.where(Pupil.school_id == school_id)
        return list(self.session.scalars(statement.order_by(Pupil.id)))

    def list_accesses_by(self, town_id: UUID, account_id: UUID, since: date | None, until: date | None) -> Sequence[RecordAccess]:
        """List the accesses of one person to records of a town between two days, both included."""
        statement = select(RecordAccess).where(RecordAccess.town_id == town_id, RecordAccess.actor_id == account_id)
        if since is not None:
            statement = statement.where(RecordAccess.day >= since)
        if until is not None:
            statement = statement.where(RecordAccess.day <= until)
        return self.session.scalars(statement.order_by(RecordAccess.day, RecordAccess.pupil_id, RecordAccess.kind)).all()

    def count_guardians(self, pupil_ids: Sequence[UUID]) -> int:
        guardian_ids: set[UUID] = set()
        for chunk in split_ids(pupil_ids):
            guardian_ids.update(self.session.scalars(select(GuardianLink.guardian_id).where(GuardianLink.pupil_id.in_(chunk))))
        return len(guardian_ids)

    def count_staff(self, town_id: UUID, school_id: UUID | None) -> int:
        statement = select(StaffMember.id).where(StaffMember.town_id == town_id)
        if school_id is not None:
            is_assigned = exists().where(TeacherAssignment.staff_id == StaffMember.id, TeacherAssignment.school_id == school_id)
            statement = statement.where(is_assigned)
        return self.session.scalar(select(func.count()).select_from(statement.subquery())) or 0

    def get_last_notice(self, town_id: UUID, audience: NoticeAudience) -> PrivacyNotice | None:
        """Return the last published version, if any."""
        return self.session.scalar(
            select(PrivacyNotice)
            .where(PrivacyNotice.town_id == town_id, PrivacyNotice.audience == audience)
            .order_by(PrivacyNotice.version.desc())
            .limit(1)
        )

    def list_notice_recipients(self, town_id: UUID, audience: NoticeAudience, page: PageRequest) -> Page[UUID]:
        """List the ids of those whom a notice informs: guardians of pupils not erased, these pupils, or staff."""
        is_pupil_of_town = (Pupil.town_id == town_id) & (Pupil.state != PupilState.ERASED)
        guardian_ids = select(GuardianLink.guardian_id).join(Pupil, Pupil.id == GuardianLink.pupil_id).where(is_pupil_of_town)
        ids, condition = {
            NoticeAudience.GUARDIANS: (Guardian.id, Guardian.id.in_(guardian_ids)),
            NoticeAudience.CHILDREN: (Pupil.id, is_pupil_of_town),
            NoticeAudience.STAFF: (StaffMember.id, StaffMember.town_id == town_id),
        }[audience]
        return fetch_scalar_page(self.session, select(ids).where(condition), page, ids)

    def find_last_report(self, town_id: UUID, kind: ReportKind) -> PrivacyReport | None:
        """Return the newest report of a kind of a town."""
        statement = select(PrivacyReport).where(PrivacyReport.town_id == town_id, PrivacyReport.kind == kind)
        return self.session.scalar(statement.order_by(PrivacyReport.created_at.desc(), PrivacyReport.id.desc()).limit(1))

    def get_report(self, actor: Actor, report_id: UUID) -> PrivacyReport | None:
        statement = select(PrivacyReport).where(PrivacyReport.id == report_id)
        return self.session.scalar(actor.restrict(statement, PrivacyReport, Permission.PRIVACY))

    def list_reports(self, actor: Actor, town_id: UUID, kind: ReportKind | None, page: PageRequest) -> Page[PrivacyReport]:
        statement = select(PrivacyReport).where(PrivacyReport.town_id == town_id)
        if kind is not None:
            statement = statement.where(PrivacyReport.kind == kind)
        statement = actor.restrict(statement, PrivacyReport, Permission.PRIVACY)
        return fetch_scalar_page(self.session, statement, page, PrivacyReport.created_at, PrivacyReport.id, descending=True)
