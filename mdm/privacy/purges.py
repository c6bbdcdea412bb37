"""The purge of each rule of the retention table: one entry of `PURGES` for each id of `retention.json`.

Rows that must wait, for example for the return of a tablet, count as deferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select

from cartable import audit
from cartable.audit import AuditEvent
from enrollment.people.models import Guardian, Pupil, RecordAccess, StaffMember
from enrollment.rosters.imports.repository import ImportRepository
from enrollment.tablets.models import Loan
from mdm.care.lost_mode.models import LossReport, LostCase, PositionRequest
from mdm.privacy.erasing import clear_cases, erase_identities
from mdm.privacy.history import compute_archive_cutoff, delete_notes, select_old_notes
from mdm.privacy.models import PrivacyReport, PrivacyRequest
from mdm.privacy.purge import DueCount, Purge, PurgeContext, clear_selected, count_selected, count_table, delete_selected
from mdm.privacy.retention_repository import BATCH_SIZE
from mdm.privacy.rules import SECURITY_ACTS, compute_departure_cutoff
from mdm.queue.archive_repository import CommandArchiveRepository
from mdm.queue.models import CommandBody
from mdm.resolver.count_repository import BlockedCountRepository
from profiles.schedule.repository import ScheduleRepository


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


def _select_unreferenced_loans(context: PurgeContext) -> Select[Any]:
    return context.repository.select_unreferenced_loans(context.required_town_id, context.cutoff)


def _count_loans(context: PurgeContext) -> DueCount:
    """Return the closed loans that are due; those that something still refers to must wait."""
    total = context.repository.count_rows(context.repository.select_closed_loans(context.required_town_id, context.cutoff))
    return DueCount(total, total - context.repository.count_rows(_select_unreferenced_loans(context)))


def _select_departed_staff(context: PurgeContext) -> Select[Any]:
    cutoff = compute_departure_cutoff(context.work.now.date(), context.days)
    return context.repository.select_departed_staff(context.required_town_id, cutoff)


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


def _build_audit_purge(*, security_acts: bool) -> Purge:
    """Build the purge of audited acts: those of security have a term of their own."""

    def list_due(context: PurgeContext) -> Sequence[AuditEvent]:
        return audit.list_expired_events(
            context.work, context.town_id, context.cutoff, SECURITY_ACTS, others=not security_acts, limit=BATCH_SIZE
        )

    def apply(context: PurgeContext) -> int:
        events = list_due(context)
        audit.purge_events(context.work, events)
        return len(events)

    return Purge(lambda context: DueCount(len(list_due(context))), apply, count_table(AuditEvent), includes_global=True)


def _count_accesses(context: PurgeContext) -> DueCount:
    return DueCount(context.repository.count_accesses_before(context.required_town_id, context.cutoff.date()))


def _purge_accesses(context: PurgeContext) -> int:
    count = context.repository.count_accesses_before(context.required_town_id, context.cutoff.date())
    context.repository.delete_accesses_before(context.required_town_id, context.cutoff.date())
    return count


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
    "pupil_identity": Purge(_count_pupils, _purge_pupils, count_table(Pupil)),
    "loan": replace(delete_selected(Loan, _select_unreferenced_loans, count_all=count_table(Loan)), count_due=_count_loans),
    "anonymous_pupil": delete_selected(
        Pupil,
        lambda context: context.repository.select_anonymous_pupils(context.required_town_id),
        count_all=count_table(Pupil),
    ),
    "guardian_contact": clear_selected(
        Guardian,
        lambda context: context.repository.select_stale_contacts(context.required_town_id, context.cutoff),
        {"email": None, "mobile": None},
        count_all=count_table(Guardian),
    ),
    "guardian_identity": delete_selected(
        Guardian,
        lambda context: context.repository.select_departed_guardians(context.required_town_id, context.cutoff.date()),
        count_all=count_table(Guardian),
    ),
    "staff_identity": delete_selected(StaffMember, _select_departed_staff, count_all=count_table(StaffMember)),
    "position": clear_selected(
        PositionRequest,
        lambda context: context.repository.select_expired_positions(context.required_town_id, context.cutoff),
        {"position": None},
    ),
    "lost_reason": Purge(_count_lost_cases, _purge_lost_cases, count_table(LostCase)),
    "command_reason": Purge(_count_command_reasons, _purge_command_reasons, _count_all_command_reasons),
    "command": Purge(count_selected(_select_due_commands), _purge_commands),
    "channel_note": Purge(_count_notes, lambda context: delete_notes(context.work), includes_global=True),
    "blocked_count": Purge(_count_blocked, _purge_blocked_counts),
    "class_absence": Purge(_count_class_absences, _purge_class_absences),
    "import": Purge(_count_imports, _purge_imports),
    "audit": _build_audit_purge(security_acts=False),
    "security_audit": _build_audit_purge(security_acts=True),
    "record_access": Purge(_count_accesses, _purge_accesses, count_table(RecordAccess)),
    "rights_request": delete_selected(
        PrivacyRequest,
        lambda context: context.repository.select_answered_requests(context.required_town_id, context.cutoff.date()),
        count_all=count_table(PrivacyRequest),
    ),
    "privacy_report": delete_selected(
        PrivacyReport,
        lambda context: context.repository.select_reports_before(context.town_id, context.cutoff),
        count_all=count_table(PrivacyReport),
        includes_global=True,
    ),
}
