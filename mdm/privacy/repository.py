"""All SQL of privacy: what is due, and its removal. Each set is bounded, so that one run stays short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from cartable.audit import AuditEvent
from cartable.foreign_keys import build_unreferenced_condition, list_referencing_columns
from cartable.scope import Actor, Permission
from enrollment.joining.models import Invitation
from enrollment.people.models import (
    Guardian,
    GuardianLink,
    Pupil,
    PupilGroup,
    PupilGroupMember,
    PupilState,
    RecordAccess,
    RosterState,
    StaffMember,
    TeacherAssignment,
)
from enrollment.places.models import School, Town
from enrollment.tablets.models import Incident, Loan, Tablet
from mdm.care.models import LostCase, PositionRequest
from mdm.devices.models import DeviceEnrollment
from mdm.privacy.models import NoticeAudience, PrivacyNotice, PrivacyReport, PrivacyRequest, ReportKind, RetentionChoice
from mdm.queue.models import Command, CommandBody

#: How many rows of one rule are removed in one run; the next run takes the others.
LIMIT = 5000
#: Parts of a loan, which go with it.
_WITH_LOAN = ("loan_accessory", "incident")
_QUIET = {"synchronize_session": False}


class PrivacyRepository:
    """Reads what is due and removes it, town by town."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def pupil(self, actor: Actor, pupil_id: UUID) -> Pupil | None:
        statement = select(Pupil).where(Pupil.id == pupil_id)
        return self.session.scalar(actor.restrict(statement, Pupil, Permission.PRIVACY))

    def gone_pupils(self, town_id: UUID, before: date, *, lent: bool) -> Sequence[Pupil]:
        """Pupils who left before that day; those who still hold a tablet, or the others."""
        holds = exists().where(Loan.pupil_id == Pupil.id, Loan.closed_at.is_(None))
        statement = select(Pupil).where(
            Pupil.town_id == town_id,
            Pupil.state == PupilState.ABSENT_FROM_ROSTER,
            Pupil.absent_since < before,
            holds if lent else ~holds,
        )
        return self.session.scalars(statement.order_by(Pupil.id).limit(LIMIT)).all()

    def holds_tablet(self, pupil_id: UUID) -> bool:
        return self.session.scalar(select(Loan.id).where(Loan.pupil_id == pupil_id, Loan.closed_at.is_(None))) is not None

    def nameless(self, town_id: UUID) -> Select[Any]:
        return select(Pupil.id).where(
            Pupil.town_id == town_id, Pupil.state == PupilState.ERASED, build_unreferenced_condition(Pupil)
        )

    def loans(self, town_id: UUID, before: datetime) -> Select[Any]:
        return select(Loan.id).where(Loan.town_id == town_id, Loan.closed_at < before)

    def free_loans(self, town_id: UUID, before: datetime) -> Select[Any]:
        return self.loans(town_id, before).where(build_unreferenced_condition(Loan, _WITH_LOAN))

    def contacts(self, town_id: UUID, before: datetime) -> Select[Any]:
        """Guardians with a contact whose children had tablets, and have had none since then."""
        child = select(GuardianLink.pupil_id).where(GuardianLink.guardian_id == Guardian.id)
        lent = exists().where(Loan.pupil_id.in_(child))
        since = exists().where(Loan.pupil_id.in_(child), or_(Loan.closed_at.is_(None), Loan.closed_at >= before))
        told = or_(Guardian.email.is_not(None), Guardian.mobile.is_not(None))
        return select(Guardian.id).where(Guardian.town_id == town_id, told, lent, ~since)

    def gone_guardians(self, town_id: UUID, before: date) -> Select[Any]:
        """Guardians who left the roster before that day, and those of no child."""
        childless = ~exists().where(GuardianLink.guardian_id == Guardian.id)
        left = and_(Guardian.state == RosterState.ABSENT_FROM_ROSTER, Guardian.absent_since < before)
        return select(Guardian.id).where(Guardian.town_id == town_id, or_(childless, left))

    def gone_staff(self, town_id: UUID, before: date) -> Select[Any]:
        return select(StaffMember.id).where(
            StaffMember.town_id == town_id,
            StaffMember.state == RosterState.ABSENT_FROM_ROSTER,
            StaffMember.absent_since < before,
        )

    def positions(self, town_id: UUID, before: datetime) -> Select[Any]:
        """Positions of cases closed before then, and of requests that ended before then."""
        closed = select(LostCase.id).where(LostCase.lifted_at < before)
        over = or_(PositionRequest.case_id.in_(closed), PositionRequest.expires_at < before)
        return select(PositionRequest.id).where(PositionRequest.town_id == town_id, PositionRequest.position.is_not(None), over)

    def cases(self, town_id: UUID, before: datetime) -> Sequence[LostCase]:
        """Cases closed before then. Their texts are sealed, so whether anything is left is asked of each."""
        statement = select(LostCase).where(LostCase.town_id == town_id, LostCase.lifted_at < before)
        return [case for case in self.session.scalars(statement.order_by(LostCase.id)) if case.reason or case.lift_reason]

    def requests_of(self, case_ids: Iterable[UUID]) -> Sequence[PositionRequest]:
        return self.session.scalars(
            select(PositionRequest).where(PositionRequest.case_id.in_(list(case_ids))).order_by(PositionRequest.id)
        ).all()

    def reasons(self, town_id: UUID, before: datetime) -> Select[Any]:
        """Bodies of orders to tablets of a town that still tell why or who."""
        of_town = (
            select(Command.body_id)
            .join(DeviceEnrollment, DeviceEnrollment.id == Command.enrollment_id)
            .where(DeviceEnrollment.town_id == town_id)
        )
        told = or_(CommandBody.reason.is_not(None), CommandBody.asked_by.is_not(None))
        return select(CommandBody.id).where(CommandBody.created_at < before, told, CommandBody.id.in_(of_town))

    def accesses_before(self, town_id: UUID, before: date) -> int:
        statement = select(func.count()).select_from(RecordAccess)
        return self.session.scalar(statement.where(RecordAccess.town_id == town_id, RecordAccess.day < before)) or 0

    def reports_before(self, town_id: UUID | None, before: datetime) -> Select[Any]:
        return select(PrivacyReport.id).where(PrivacyReport.town_id == town_id, PrivacyReport.made_at < before)

    def count(self, statement: Select[Any]) -> int:
        return self.session.scalar(select(func.count()).select_from(statement.subquery())) or 0

    def take(self, statement: Select[Any]) -> list[Any]:
        """The first ids of a set."""
        return list(self.session.scalars(statement.order_by(*statement.selected_columns).limit(LIMIT)))

    def delete(self, model: Any, ids: Sequence[Any]) -> int:
        for part in _parts(ids):
            self.session.execute(delete(model).where(model.id.in_(part)).execution_options(**_QUIET))
        return len(ids)

    def blank(self, model: Any, ids: Sequence[Any], values: dict[str, Any]) -> int:
        for part in _parts(ids):
            self.session.execute(update(model).where(model.id.in_(part)).values(**values).execution_options(**_QUIET))
        return len(ids)

    def delete_accesses(self, town_id: UUID, before: date) -> None:
        old = (RecordAccess.town_id == town_id) & (RecordAccess.day < before)
        self.session.execute(delete(RecordAccess).where(old).execution_options(**_QUIET))

    def unlink_guardians(self, pupil_ids: Sequence[UUID]) -> int:
        """Take pupils from their guardians; a guardian of nobody goes. Returns how many links there were."""
        links = 0
        for part in _parts(pupil_ids):
            removed = delete(GuardianLink).where(GuardianLink.pupil_id.in_(part)).returning(GuardianLink.guardian_id)
            guardians = list(self.session.scalars(removed.execution_options(**_QUIET)))
            links += len(guardians)
            alone = Guardian.id.in_(guardians) & ~exists().where(GuardianLink.guardian_id == Guardian.id)
            self.session.execute(delete(Guardian).where(alone).execution_options(**_QUIET))
        return links

    def end_invitations(self, pupil_ids: Sequence[UUID], now: datetime) -> int:
        """Revoke what still invites these pupils, and take the pupil out of every invitation."""
        ended = 0
        for part in _parts(pupil_ids):
            values = {"pupil_id": None, "revoked_at": func.coalesce(Invitation.revoked_at, now)}
            statement = update(Invitation).where(Invitation.pupil_id.in_(part)).values(values).returning(Invitation.id)
            ended += len(list(self.session.scalars(statement.execution_options(**_QUIET))))
        return ended

    def delete_parts(self, pupil_ids: Sequence[UUID]) -> dict[str, int]:
        """Delete what the database would delete together with these pupils. Returns how many rows of each table."""
        gone: dict[str, int] = {}
        for column in list_referencing_columns(Pupil):
            if any(key.ondelete == "CASCADE" for key in column.foreign_keys) and column.table.name != "guardian_link":
                for part in _parts(pupil_ids):
                    removed = self.session.execute(delete(column.table).where(column.in_(part)).returning(column))
                    gone[column.table.name] = gone.get(column.table.name, 0) + len(removed.all())
        return gone

    def blank_loans(self, pupil_ids: Sequence[UUID]) -> int:
        """Take out of these pupils' loans who signed, and what was told of their incidents. Returns how many loans there were."""
        loans = 0
        for part in _parts(pupil_ids):
            of = select(Loan.id).where(Loan.pupil_id.in_(part))
            self.session.execute(update(Incident).where(Incident.loan_id.in_(of)).values(account="").execution_options(**_QUIET))
            blank = update(Loan).where(Loan.pupil_id.in_(part)).values(signed_by=None).returning(Loan.id)
            loans += len(list(self.session.scalars(blank.execution_options(**_QUIET))))
        return loans

    def cases_during_loans(self, pupil_id: UUID) -> Sequence[LostCase]:
        """Losses of a tablet while the pupil held it."""
        during = and_(
            Loan.tablet_id == LostCase.tablet_id,
            Loan.pupil_id == pupil_id,
            LostCase.requested_at >= Loan.opened_at,
            or_(Loan.closed_at.is_(None), LostCase.requested_at <= Loan.closed_at),
        )
        return self.session.scalars(
            select(LostCase).where(exists().where(during)).order_by(LostCase.requested_at, LostCase.id)
        ).all()

    def guardians_of(self, pupil_id: UUID) -> Sequence[Guardian]:
        return self.session.scalars(
            select(Guardian)
            .join(GuardianLink, GuardianLink.guardian_id == Guardian.id)
            .where(GuardianLink.pupil_id == pupil_id)
            .order_by(Guardian.id)
        ).all()

    def group_labels(self, pupil_id: UUID) -> list[str]:
        joined = select(PupilGroup.label).join(PupilGroupMember, PupilGroupMember.group_id == PupilGroup.id)
        return list(
            self.session.scalars(joined.where(PupilGroupMember.pupil_id == pupil_id).order_by(PupilGroup.label, PupilGroup.id))
        )

    def tags_of(self, pupil_id: UUID) -> dict[UUID, str]:
        rows = self.session.execute(
            select(Tablet.id, Tablet.tag).join(Loan, Loan.tablet_id == Tablet.id).where(Loan.pupil_id == pupil_id)
        )
        return {row[0]: row[1] for row in rows}

    def acts_about(self, town_id: UUID, pupil_id: UUID) -> Sequence[AuditEvent]:
        """Acts on the record, or that name it in their details."""
        about = or_(
            and_(AuditEvent.subject_kind == "pupil", AuditEvent.subject_id == str(pupil_id)),
            AuditEvent.details["pupil_id"].as_string() == str(pupil_id),
        )
        return self.session.scalars(select(AuditEvent).where(AuditEvent.town_id == town_id, about).order_by(AuditEvent.id)).all()

    def rows_of(self, column: Any, pupil_id: UUID) -> list[dict[str, Any]]:
        """Rows of any table that points at a pupil, as mappings."""
        found = self.session.execute(select(column.table).where(column == pupil_id).order_by(*column.table.primary_key.columns))
        return [dict(row._mapping) for row in found]  # noqa: SLF001 - SQLAlchemy's public name

    def request(self, actor: Actor, request_id: UUID) -> PrivacyRequest | None:
        statement = select(PrivacyRequest).where(PrivacyRequest.id == request_id)
        return self.session.scalar(actor.restrict(statement, PrivacyRequest, Permission.PRIVACY))

    def requests(self, actor: Actor, town_id: UUID, *, only_open: bool, limit: int) -> Sequence[PrivacyRequest]:
        statement = select(PrivacyRequest).where(PrivacyRequest.town_id == town_id)
        if only_open:
            statement = statement.where(PrivacyRequest.answered_on.is_(None))
        ordered = statement.order_by(PrivacyRequest.answered_on.is_not(None), PrivacyRequest.due_on, PrivacyRequest.id)
        return self.session.scalars(actor.restrict(ordered.limit(limit), PrivacyRequest, Permission.PRIVACY)).all()

    def rights_about(self, town_id: UUID, pupil_id: UUID) -> Sequence[PrivacyRequest]:
        """The requests about one child."""
        statement = select(PrivacyRequest).where(PrivacyRequest.town_id == town_id, PrivacyRequest.subject_id == pupil_id)
        return self.session.scalars(statement.order_by(PrivacyRequest.received_on, PrivacyRequest.id)).all()

    def answered(self, town_id: UUID, before: date) -> Select[Any]:
        return select(PrivacyRequest.id).where(PrivacyRequest.town_id == town_id, PrivacyRequest.answered_on < before)

    def is_school(self, town_id: UUID, school_id: UUID) -> bool:
        return self.session.scalar(select(School.id).where(School.id == school_id, School.town_id == town_id)) is not None

    def living_pupils(self, town_id: UUID, school_id: UUID | None) -> list[UUID]:
        """The pupils of a town, or of one school, whose identity is still there."""
        statement = select(Pupil.id).where(Pupil.town_id == town_id, Pupil.state != PupilState.ERASED)
        if school_id is not None:
            statement = statement.where(Pupil.school_id == school_id)
        return list(self.session.scalars(statement.order_by(Pupil.id)))

    def read_by(self, town_id: UUID, account_id: UUID, since: date | None, until: date | None) -> Sequence[RecordAccess]:
        """The records that one person has read in a town between two days, both included."""
        statement = select(RecordAccess).where(RecordAccess.town_id == town_id, RecordAccess.actor_id == account_id)
        if since is not None:
            statement = statement.where(RecordAccess.day >= since)
        if until is not None:
            statement = statement.where(RecordAccess.day <= until)
        return self.session.scalars(statement.order_by(RecordAccess.day, RecordAccess.pupil_id, RecordAccess.kind)).all()

    def guardians_touched(self, pupil_ids: Sequence[UUID]) -> int:
        found: set[UUID] = set()
        for part in _parts(pupil_ids):
            found.update(self.session.scalars(select(GuardianLink.guardian_id).where(GuardianLink.pupil_id.in_(part))))
        return len(found)

    def staff_of(self, town_id: UUID, school_id: UUID | None) -> int:
        statement = select(StaffMember.id).where(StaffMember.town_id == town_id)
        if school_id is not None:
            works = exists().where(TeacherAssignment.staff_id == StaffMember.id, TeacherAssignment.school_id == school_id)
            statement = statement.where(works)
        return self.count(statement)

    def notice(self, town_id: UUID, audience: NoticeAudience) -> PrivacyNotice | None:
        """The last version that was given out."""
        return self.session.scalar(
            select(PrivacyNotice)
            .where(PrivacyNotice.town_id == town_id, PrivacyNotice.audience == audience)
            .order_by(PrivacyNotice.version.desc())
            .limit(1)
        )

    def concerned(self, town_id: UUID, audience: NoticeAudience) -> list[UUID]:
        """Whom a notice informs: guardians of pupils who are here, those pupils, or staff."""
        here = (Pupil.town_id == town_id) & (Pupil.state != PupilState.ERASED)
        statement = {
            NoticeAudience.GUARDIANS: select(GuardianLink.guardian_id).join(Pupil, Pupil.id == GuardianLink.pupil_id).where(here),
            NoticeAudience.CHILDREN: select(Pupil.id).where(here),
            NoticeAudience.STAFF: select(StaffMember.id).where(StaffMember.town_id == town_id),
        }[audience]
        return sorted(set(self.session.scalars(statement)), key=str)

    def choices(self, town_id: UUID) -> dict[str, RetentionChoice]:
        rows = self.session.scalars(
            select(RetentionChoice).where(RetentionChoice.town_id == town_id).order_by(RetentionChoice.id)
        )
        return {row.rule: row for row in rows}

    def last_runs(self) -> dict[UUID | None, datetime]:
        """When retention was last applied, town by town; None for what belongs to no town. Never: not in it."""
        statement = select(PrivacyReport.town_id, func.max(PrivacyReport.made_at)).where(
            PrivacyReport.kind == ReportKind.RETENTION
        )
        return {row[0]: row[1] for row in self.session.execute(statement.group_by(PrivacyReport.town_id))}

    def towns(self) -> list[UUID]:
        return list(self.session.scalars(select(Town.id).order_by(Town.id)))

    def report(self, actor: Actor, report_id: UUID) -> PrivacyReport | None:
        statement = select(PrivacyReport).where(PrivacyReport.id == report_id)
        return self.session.scalar(actor.restrict(statement, PrivacyReport, Permission.PRIVACY))

    def reports(self, actor: Actor, town_id: UUID, kind: ReportKind | None, limit: int) -> Sequence[PrivacyReport]:
        statement = select(PrivacyReport).where(PrivacyReport.town_id == town_id)
        if kind is not None:
            statement = statement.where(PrivacyReport.kind == kind)
        ordered = statement.order_by(PrivacyReport.made_at.desc(), PrivacyReport.id).limit(limit)
        return self.session.scalars(actor.restrict(ordered, PrivacyReport, Permission.PRIVACY)).all()


def _parts(ids: Sequence[Any]) -> list[Sequence[Any]]:
    return [ids[start : start + 1000] for start in range(0, len(ids), 1000)]
