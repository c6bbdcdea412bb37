"""SQL of retention: selections of what is due, and its removal in batches, so that one run stays short."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from cartable.foreign_keys import build_unreferenced_condition, list_referencing_columns
from enrollment.joining.models import Invitation
from enrollment.people.models import Guardian, GuardianLink, Pupil, PupilState, RecordAccess, RosterState, StaffMember
from enrollment.places.models import Town
from enrollment.tablets.models import Incident, Loan
from mdm.care.lost_mode.models import LossReport, LostCase, PositionRequest
from mdm.devices.repository import DeviceRepository
from mdm.privacy.models import PrivacyReport, PrivacyRequest, ReportKind, RetentionOverride
from mdm.queue.models import CommandBody, QueuedCommand

#: How many rows of one rule are removed in one run; the next run removes the others.
BATCH_SIZE = 5000
#: Tables whose rows are part of a loan and are deleted with it.
_LOAN_PARTS = ("loan_accessory", "incident")
_NO_SYNC = {"synchronize_session": False}


class RetentionRepository:
    """Counts and removes what is past its term, or what belongs to erased children, town by town."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_departed_pupils(self, town_id: UUID, before: date, *, lent: bool) -> Sequence[Pupil]:
        """List the pupils who left before a day: those with an open loan if `lent`, else the others."""
        has_open_loan = exists().where(Loan.pupil_id == Pupil.id, Loan.closed_at.is_(None))
        statement = select(Pupil).where(
            Pupil.town_id == town_id,
            Pupil.state == PupilState.ABSENT_FROM_ROSTER,
            Pupil.absent_since < before,
            has_open_loan if lent else ~has_open_loan,
        )
        return self.session.scalars(statement.order_by(Pupil.id).limit(BATCH_SIZE)).all()

    def select_anonymous_pupils(self, town_id: UUID) -> Select[Any]:
        return select(Pupil.id).where(
            Pupil.town_id == town_id, Pupil.state == PupilState.ERASED, build_unreferenced_condition(Pupil)
        )

    def select_closed_loans(self, town_id: UUID, before: datetime) -> Select[Any]:
        return select(Loan.id).where(Loan.town_id == town_id, Loan.closed_at < before)

    def select_unreferenced_loans(self, town_id: UUID, before: datetime) -> Select[Any]:
        return self.select_closed_loans(town_id, before).where(build_unreferenced_condition(Loan, _LOAN_PARTS))

    def select_stale_contacts(self, town_id: UUID, before: datetime) -> Select[Any]:
        """Return a statement for guardians with contact data whose children had loans, but none since an instant."""
        children = select(GuardianLink.pupil_id).where(GuardianLink.guardian_id == Guardian.id)
        had_loan = exists().where(Loan.pupil_id.in_(children))
        has_recent_loan = exists().where(Loan.pupil_id.in_(children), or_(Loan.closed_at.is_(None), Loan.closed_at >= before))
        has_contact = or_(Guardian.email.is_not(None), Guardian.mobile.is_not(None))
        return select(Guardian.id).where(Guardian.town_id == town_id, has_contact, had_loan, ~has_recent_loan)

    def select_departed_guardians(self, town_id: UUID, before: date) -> Select[Any]:
        """Return a statement for guardians who left the roster before a day, and those without children."""
        childless = ~exists().where(GuardianLink.guardian_id == Guardian.id)
        departed = and_(Guardian.state == RosterState.ABSENT_FROM_ROSTER, Guardian.absent_since < before)
        return select(Guardian.id).where(Guardian.town_id == town_id, or_(childless, departed))

    def select_departed_staff(self, town_id: UUID, before: date) -> Select[Any]:
        return select(StaffMember.id).where(
            StaffMember.town_id == town_id,
            StaffMember.state == RosterState.ABSENT_FROM_ROSTER,
            StaffMember.absent_since < before,
            ~exists().where(
                Loan.staff_id == StaffMember.id, Loan.closed_at.is_(None)
            ),  # the name is needed until the tablet is back
        )

    def select_expired_positions(self, town_id: UUID, before: datetime) -> Select[Any]:
        """Return a statement for the positions of cases closed, and of requests expired, before an instant."""
        closed = select(LostCase.id).where(LostCase.lifted_at < before)
        expired = or_(PositionRequest.case_id.in_(closed), PositionRequest.expires_at < before)
        return select(PositionRequest.id).where(
            PositionRequest.town_id == town_id, PositionRequest.position.is_not(None), expired
        )

    def list_closed_cases(self, town_id: UUID, before: datetime) -> Sequence[LostCase]:
        """List the cases closed before an instant that still have texts. The texts are sealed, so they are checked one by one."""
        statement = select(LostCase).where(LostCase.town_id == town_id, LostCase.lifted_at < before)
        return [case for case in self.session.scalars(statement.order_by(LostCase.id)) if case.reason or case.lift_reason]

    def select_decided_reports(self, town_id: UUID, before: datetime) -> Select[Any]:
        """Return a statement for the reports of losses that were decided before an instant."""
        return select(LossReport.id).where(LossReport.town_id == town_id, LossReport.decided_at < before)

    def select_command_reasons(self, town_id: UUID, before: datetime) -> Select[Any]:
        """Return a statement for command bodies of a town that still contain a reason or a person."""
        of_town = select(QueuedCommand.body_id).where(
            QueuedCommand.enrollment_id.in_(DeviceRepository(self.session).select_channels_of_town(town_id))
        )
        is_personal = or_(CommandBody.reason.is_not(None), CommandBody.requested_by.is_not(None))
        return select(CommandBody.id).where(CommandBody.created_at < before, is_personal, CommandBody.id.in_(of_town))

    def count_accesses_before(self, town_id: UUID, before: date) -> int:
        statement = select(func.count()).select_from(RecordAccess)
        return self.session.scalar(statement.where(RecordAccess.town_id == town_id, RecordAccess.day < before)) or 0

    def select_reports_before(self, town_id: UUID | None, before: datetime) -> Select[Any]:
        return select(PrivacyReport.id).where(PrivacyReport.town_id == town_id, PrivacyReport.created_at < before)

    def count_rows(self, statement: Select[Any]) -> int:
        return self.session.scalar(select(func.count()).select_from(statement.subquery())) or 0

    def count_town_rows(self, model: Any, town_id: UUID | None) -> int:
        """Return how many rows of a table belong to a town, or to none."""
        return self.session.scalar(select(func.count()).select_from(model).where(model.town_id == town_id)) or 0

    def list_first_ids(self, statement: Select[Any]) -> list[Any]:
        """Return the first batch of ids that a statement selects."""
        return list(self.session.scalars(statement.order_by(*statement.selected_columns).limit(BATCH_SIZE)))

    def delete_rows(self, model: Any, ids: Sequence[Any]) -> int:
        for chunk in split_ids(ids):
            self.session.execute(delete(model).where(model.id.in_(chunk)).execution_options(**_NO_SYNC))
        return len(ids)

    def set_columns(self, model: Any, ids: Sequence[Any], values: dict[str, Any]) -> int:
        for chunk in split_ids(ids):
            self.session.execute(update(model).where(model.id.in_(chunk)).values(**values).execution_options(**_NO_SYNC))
        return len(ids)

    def delete_accesses_before(self, town_id: UUID, before: date) -> None:
        old = (RecordAccess.town_id == town_id) & (RecordAccess.day < before)
        self.session.execute(delete(RecordAccess).where(old).execution_options(**_NO_SYNC))

    def unlink_guardians(self, pupil_ids: Sequence[UUID]) -> int:
        """Delete the links of these pupils to guardians, and guardians without any child. Returns how many links there were."""
        links = 0
        for chunk in split_ids(pupil_ids):
            removed = delete(GuardianLink).where(GuardianLink.pupil_id.in_(chunk)).returning(GuardianLink.guardian_id)
            guardians = list(self.session.scalars(removed.execution_options(**_NO_SYNC)))
            links += len(guardians)
            childless = Guardian.id.in_(guardians) & ~exists().where(GuardianLink.guardian_id == Guardian.id)
            self.session.execute(delete(Guardian).where(childless).execution_options(**_NO_SYNC))
        return links

    def revoke_invitations(self, pupil_ids: Sequence[UUID], now: datetime) -> int:
        """Revoke the open invitations of these pupils, and remove the pupil from all of them. Returns how many."""
        revoked = 0
        for chunk in split_ids(pupil_ids):
            values = {"pupil_id": None, "revoked_at": func.coalesce(Invitation.revoked_at, now)}
            statement = update(Invitation).where(Invitation.pupil_id.in_(chunk)).values(values).returning(Invitation.id)
            revoked += len(list(self.session.scalars(statement.execution_options(**_NO_SYNC))))
        return revoked

    def delete_dependents(self, pupil_ids: Sequence[UUID]) -> dict[str, int]:
        """Delete the rows that would be deleted by cascade with these pupils. Returns how many rows of each table."""
        deleted: dict[str, int] = {}
        for column in list_referencing_columns(Pupil):
            if any(key.ondelete == "CASCADE" for key in column.foreign_keys) and column.table.name != "guardian_link":
                for chunk in split_ids(pupil_ids):
                    removed = self.session.execute(delete(column.table).where(column.in_(chunk)).returning(column))
                    deleted[column.table.name] = deleted.get(column.table.name, 0) + len(removed.all())
        return deleted

    def clear_loans(self, pupil_ids: Sequence[UUID]) -> int:
        """Clear the signatory of these pupils' loans and the accounts of their incidents. Returns how many loans there were."""
        loans = 0
        for chunk in split_ids(pupil_ids):
            loan_ids = select(Loan.id).where(Loan.pupil_id.in_(chunk))
            self.session.execute(
                update(Incident).where(Incident.loan_id.in_(loan_ids)).values(description="").execution_options(**_NO_SYNC)
            )
            cleared = update(Loan).where(Loan.pupil_id.in_(chunk)).values(signed_by=None).returning(Loan.id)
            loans += len(list(self.session.scalars(cleared.execution_options(**_NO_SYNC))))
        return loans

    def select_answered_requests(self, town_id: UUID, before: date) -> Select[Any]:
        return select(PrivacyRequest.id).where(PrivacyRequest.town_id == town_id, PrivacyRequest.answered_on < before)

    def load_overrides(self, town_id: UUID) -> dict[str, RetentionOverride]:
        rows = self.session.scalars(
            select(RetentionOverride).where(RetentionOverride.town_id == town_id).order_by(RetentionOverride.id)
        )
        return {row.rule: row for row in rows}

    def load_last_runs(self) -> dict[UUID | None, datetime]:
        """Return when retention was last applied, by town; None for rows of no town. A town without any run is absent."""
        statement = select(PrivacyReport.town_id, func.max(PrivacyReport.created_at)).where(
            PrivacyReport.kind == ReportKind.RETENTION
        )
        return {row[0]: row[1] for row in self.session.execute(statement.group_by(PrivacyReport.town_id))}

    def list_town_ids(self) -> list[UUID]:
        return list(self.session.scalars(select(Town.id).order_by(Town.id)))


def split_ids(ids: Sequence[Any]) -> list[Sequence[Any]]:
    """Return ids in parts that one statement may name."""
    return [ids[start : start + 1000] for start in range(0, len(ids), 1000)]
