"""The purge of each rule of the retention table: one entry of `PURGES` for each id of `retention.json`.

`count_due` reads only, `apply` removes. Rows that must wait, for example for the return of a tablet, count as deferred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select

from cartable import audit
from cartable.audit import AuditEvent
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Guardian, Pupil, RecordAccess, StaffMember
from enrollment.rosters.imports.repository import ImportRepository
from enrollment.tablets.models import Loan
from mdm.care.lost_mode.models import LossReport, LostCase, PositionRequest
from mdm.privacy.erasing import clear_cases, erase_identities
from mdm.privacy.history import compute_archive_cutoff, delete_notes, select_old_notes
from mdm.privacy.models import PrivacyReport, PrivacyRequest
from mdm.privacy.repository import BATCH_SIZE, PrivacyRepository
from mdm.privacy.rules import SECURITY_ACTS, compute_departure_cutoff
from mdm.queue.archive_repository import CommandArchiveRepository
from mdm.queue.models import CommandBody
from mdm.resolver.count_repository import BlockedCountRepository
from profiles.schedule.repository import ScheduleRepository


@dataclass(frozen=True, slots=True)
class DueCount:
    """How many rows of one rule are due now, and how many of these must wait."""

    total: int
    deferred: int = 0


@dataclass(slots=True)
class PurgeContext:
    """What a purge needs: the unit of work, the town (None for rows of no town) and the period of the rule."""

    work: UnitOfWork
    town_id: UUID | None
    days: int

    @property
    def cutoff(self) -> datetime:
        """Return the instant before which rows are due."""
        return self.work.now - timedelta(days=self.days)

    @property
    def repository(self) -> PrivacyRepository:
        """Return the repository of the unit of work."""
        return PrivacyRepository(self.work.session)

    @property
    def required_town_id(self) -> UUID:
        """Return the town, for rules that apply to towns only."""
        assert self.town_id is not None
        return self.town_id


@dataclass(frozen=True, slots=True)
class Purge:
    """How a rule is counted and applied. With `includes_global` it also applies to rows of no town.

    `count_all` counts the rows of the rule, due or not. None: rows that live for days only, so that all may be due at once after
    the holidays; or that end by the month, so that many are due at once.
    """

    count_due: Callable[[PurgeContext], DueCount]
    apply: Callable[[PurgeContext], int]
    count_all: Callable[[PurgeContext], int] | None = None
    includes_global: bool = False


def _count_pupils(context: PurgeContext) -> DueCount:
    cutoff = compute_departure_cutoff(context.work.now.date(), context.days)
    deferred = len(context.repository.list_departed_pupils(context.required_town_id, cutoff, lent=True))
    return DueCount(
        deferred + len(context.repository.list_departed_pupils(context.required_town_id, cutoff, lent=False)), deferred
    )


def _purge_pupils(context: PurgeContext) -> int:
    cutoff = compute_departure_cutoff(context.work.now.date(), context.days)
    departed = context.repository.list_departed_pupils(context.required_town_id, cutoff, lent=False)
    return erase_identities(context.work, context.required_town_id, departed)["identities"] if departed else 0


def _count_anonymous_pupils(context: PurgeContext) -> DueCount:
    return DueCount(context.repository.count_rows(context.repository.select_anonymous_pupils(context.required_town_id)))


def _purge_anonymous_pupils(context: PurgeContext) -> int:
    return context.repository.delete_rows(
        Pupil, context.repository.list_first_ids(context.repository.select_anonymous_pupils(context.required_town_id))
    )


def _count_contacts(context: PurgeContext) -> DueCount:
    return DueCount(
        context.repository.count_rows(context.repository.select_stale_contacts(context.required_town_id, context.cutoff))
    )


def _purge_contacts(context: PurgeContext) -> int:
    ids = context.repository.list_first_ids(context.repository.select_stale_contacts(context.required_town_id, context.cutoff))
    return context.repository.set_columns(Guardian, ids, {"email": None, "mobile": None})


def _count_guardians(context: PurgeContext) -> DueCount:
    return DueCount(
        context.repository.count_rows(
            context.repository.select_departed_guardians(context.required_town_id, context.cutoff.date())
        )
    )


def _purge_guardians(context: PurgeContext) -> int:
    return context.repository.delete_rows(
        Guardian,
        context.repository.list_first_ids(
            context.repository.select_departed_guardians(context.required_town_id, context.cutoff.date())
        ),
    )


def _count_staff(context: PurgeContext) -> DueCount:
    cutoff = compute_departure_cutoff(context.work.now.date(), context.days)
    return DueCount(context.repository.count_rows(context.repository.select_departed_staff(context.required_town_id, cutoff)))


def _purge_staff(context: PurgeContext) -> int:
    cutoff = compute_departure_cutoff(context.work.now.date(), context.days)
    return context.repository.delete_rows(
        StaffMember, context.repository.list_first_ids(context.repository.select_departed_staff(context.required_town_id, cutoff))
    )


def _count_loans(context: PurgeContext) -> DueCount:
    total = context.repository.count_rows(context.repository.select_closed_loans(context.required_town_id, context.cutoff))
    return DueCount(
        total,
        total
        - context.repository.count_rows(context.repository.select_unreferenced_loans(context.required_town_id, context.cutoff)),
    )


def _purge_loans(context: PurgeContext) -> int:
    return context.repository.delete_rows(
        Loan,
        context.repository.list_first_ids(context.repository.select_unreferenced_loans(context.required_town_id, context.cutoff)),
    )


def _count_positions(context: PurgeContext) -> DueCount:
    return DueCount(
        context.repository.count_rows(context.repository.select_expired_positions(context.required_town_id, context.cutoff))
    )


def _purge_positions(context: PurgeContext) -> int:
    ids = context.repository.list_first_ids(context.repository.select_expired_positions(context.required_town_id, context.cutoff))
    return context.repository.set_columns(PositionRequest, ids, {"position": None})


def _count_lost_cases(context: PurgeContext) -> DueCount:
    reports = context.repository.select_decided_reports(context.required_town_id, context.cutoff)
    cases = context.repository.list_closed_cases(context.required_town_id, context.cutoff)
    return DueCount(len(cases) + context.repository.count_rows(reports))


def _purge_lost_cases(context: PurgeContext) -> int:
    cases = context.repository.list_closed_cases(context.required_town_id, context.cutoff)
    clear_cases(context.work, cases)
    reports = context.repository.list_first_ids(
        context.repository.select_decided_reports(context.required_town_id, context.cutoff)
    )
    return len(cases) + context.repository.delete_rows(LossReport, reports)


def _get_archive(context: PurgeContext) -> CommandArchiveRepository:
    return CommandArchiveRepository(context.work.session)


def _count_command_reasons_before(context: PurgeContext, before: datetime) -> int:
    """Return how many commands of the town name a reason or a person: those of the queue by their bodies, and archived ones."""
    queued = context.repository.select_command_reasons(context.required_town_id, before)
    archived = _get_archive(context).select_authors(context.required_town_id, before)
    return context.repository.count_rows(queued) + context.repository.count_rows(archived)


def _count_command_reasons(context: PurgeContext) -> DueCount:
    return DueCount(_count_command_reasons_before(context, context.cutoff))


def _purge_command_reasons(context: PurgeContext) -> int:
    ids = context.repository.list_first_ids(context.repository.select_command_reasons(context.required_town_id, context.cutoff))
    archive = _get_archive(context)
    archived_count = context.repository.count_rows(archive.select_authors(context.required_town_id, context.cutoff))
    archive.clear_authors(context.required_town_id, context.cutoff)
    queued_count = context.repository.set_columns(
        CommandBody, ids, {"reason": None, "requested_by": None, "requested_by_name": ""}
    )
    return queued_count + archived_count


def _count_class_absences(context: PurgeContext) -> DueCount:
    return DueCount(ScheduleRepository(context.work.session).count_ended_absences(context.required_town_id, context.cutoff))


def _purge_class_absences(context: PurgeContext) -> int:
    count = _count_class_absences(context).total
    ScheduleRepository(context.work.session).delete_ended_absences(context.required_town_id, context.cutoff)
    return count


def _count_blocked(context: PurgeContext) -> DueCount:
    return DueCount(BlockedCountRepository(context.work.session).count_before(context.required_town_id, context.cutoff.date()))


def _purge_blocked_counts(context: PurgeContext) -> int:
    count = _count_blocked(context).total
    BlockedCountRepository(context.work.session).delete_before(context.required_town_id, context.cutoff.date())
    return count


def _count_imports(context: PurgeContext) -> DueCount:
    return DueCount(ImportRepository(context.work.session).count_stored_plans(context.cutoff, context.required_town_id))


def _purge_imports(context: PurgeContext) -> int:
    return ImportRepository(context.work.session).clear_plans(context.cutoff, context.required_town_id)


def _count_audit_events(context: PurgeContext) -> DueCount:
    return DueCount(
        len(
            audit.list_expired_events(context.work, context.town_id, context.cutoff, SECURITY_ACTS, others=True, limit=BATCH_SIZE)
        )
    )


def _purge_audit_events(context: PurgeContext) -> int:
    events = audit.list_expired_events(
        context.work, context.town_id, context.cutoff, SECURITY_ACTS, others=True, limit=BATCH_SIZE
    )
    audit.purge_events(context.work, events)
    return len(events)


def _count_security_events(context: PurgeContext) -> DueCount:
    return DueCount(
        len(
            audit.list_expired_events(
                context.work, context.town_id, context.cutoff, SECURITY_ACTS, others=False, limit=BATCH_SIZE
            )
        )
    )


def _purge_security_events(context: PurgeContext) -> int:
    events = audit.list_expired_events(
        context.work, context.town_id, context.cutoff, SECURITY_ACTS, others=False, limit=BATCH_SIZE
    )
    audit.purge_events(context.work, events)
    return len(events)


def _count_accesses(context: PurgeContext) -> DueCount:
    return DueCount(context.repository.count_accesses_before(context.required_town_id, context.cutoff.date()))


def _purge_accesses(context: PurgeContext) -> int:
    count = context.repository.count_accesses_before(context.required_town_id, context.cutoff.date())
    context.repository.delete_accesses_before(context.required_town_id, context.cutoff.date())
    return count


def _count_reports(context: PurgeContext) -> DueCount:
    return DueCount(context.repository.count_rows(context.repository.select_reports_before(context.town_id, context.cutoff)))


def _purge_reports(context: PurgeContext) -> int:
    return context.repository.delete_rows(
        PrivacyReport,
        context.repository.list_first_ids(context.repository.select_reports_before(context.town_id, context.cutoff)),
    )


def _count_requests(context: PurgeContext) -> DueCount:
    return DueCount(
        context.repository.count_rows(
            context.repository.select_answered_requests(context.required_town_id, context.cutoff.date())
        )
    )


def _purge_requests(context: PurgeContext) -> int:
    return context.repository.delete_rows(
        PrivacyRequest,
        context.repository.list_first_ids(
            context.repository.select_answered_requests(context.required_town_id, context.cutoff.date())
        ),
    )


def _count_table(model: Any) -> Callable[[PurgeContext], int]:
    """Return a function that counts the rows of a table in the town."""
    return lambda context: context.repository.count_town_rows(model, context.town_id)


def _count_all_command_reasons(context: PurgeContext) -> int:
    return _count_command_reasons_before(context, datetime.max.replace(tzinfo=UTC))


def _select_due_commands(context: PurgeContext) -> Select[int]:
    return _get_archive(context).select_archived(compute_archive_cutoff(context.work.now), context.required_town_id)


def _purge_commands(context: PurgeContext) -> int:
    """Delete the first due rows. Those of a partition are left: within a minute the schedule drops it as a whole."""
    if _get_archive(context).has_partition_due(compute_archive_cutoff(context.work.now)):
        return 0
    return _get_archive(context).delete_archived(_select_due_commands(context), BATCH_SIZE)


def _count_notes(context: PurgeContext) -> DueCount:
    """Return the notes that are due; they belong to no town."""
    return DueCount(0 if context.town_id else context.repository.count_rows(select_old_notes(context.work)))


PURGES: dict[str, Purge] = {
    "pupil_identity": Purge(_count_pupils, _purge_pupils, _count_table(Pupil)),
    "loan": Purge(_count_loans, _purge_loans, _count_table(Loan)),
    "anonymous_pupil": Purge(_count_anonymous_pupils, _purge_anonymous_pupils, _count_table(Pupil)),
    "guardian_contact": Purge(_count_contacts, _purge_contacts, _count_table(Guardian)),
    "guardian_identity": Purge(_count_guardians, _purge_guardians, _count_table(Guardian)),
    "staff_identity": Purge(_count_staff, _purge_staff, _count_table(StaffMember)),
    "position": Purge(_count_positions, _purge_positions),
    "lost_reason": Purge(_count_lost_cases, _purge_lost_cases, _count_table(LostCase)),
    "command_reason": Purge(_count_command_reasons, _purge_command_reasons, _count_all_command_reasons),
    "command": Purge(lambda context: DueCount(context.repository.count_rows(_select_due_commands(context))), _purge_commands),
    "channel_note": Purge(_count_notes, lambda context: delete_notes(context.work), includes_global=True),
    "blocked_count": Purge(_count_blocked, _purge_blocked_counts),
    "class_absence": Purge(_count_class_absences, _purge_class_absences),
    "import": Purge(_count_imports, _purge_imports),
    "audit": Purge(_count_audit_events, _purge_audit_events, _count_table(AuditEvent), includes_global=True),
    "security_audit": Purge(_count_security_events, _purge_security_events, _count_table(AuditEvent), includes_global=True),
    "record_access": Purge(_count_accesses, _purge_accesses, _count_table(RecordAccess)),
    "rights_request": Purge(_count_requests, _purge_requests, _count_table(PrivacyRequest)),
    "privacy_report": Purge(_count_reports, _purge_reports, _count_table(PrivacyReport), includes_global=True),
}
