"""The schedule: the repeated jobs with their intervals, each a short call of a service. `scheduler` runs them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from cartable.outbox import Topic
from cartable.throttle import purge_counters
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.acme.service import purge_expired as purge_acme
from enrollment.identity.server_names import renew_server_certificate
from enrollment.joining.ade.rules import SYNC_INTERVAL
from enrollment.joining.ade.service import schedule_syncs as enqueue_ade_syncs
from enrollment.joining.apple_school_manager.service import schedule_syncs as enqueue_organisation_syncs
from enrollment.people.name_index import index_missing_names
from enrollment.rollover.applying import apply_due_rollover as apply_due_rollovers
from enrollment.rosters.imports.service import purge_expired_plans
from enrollment.tablets import absence
from enrollment.tablets.idempotency import purge_records as purge_idempotency_keys
from mdm.accounts.links import purge_links
from mdm.accounts.sessions import purge_sessions
from mdm.care.erasing.bulk import send_due_bulk_erases
from mdm.care.lost_mode.attempts import retry_due_cases
from mdm.care.lost_mode.positions import purge_positions
from mdm.care.today.service import record_fleet_day
from mdm.devices.repository import select_last_contact
from mdm.notices.service import purge_notices
from mdm.privacy.audit_jobs import verify_next_events, write_anchors
from mdm.privacy.history import drop_ended_month, purge_history
from mdm.privacy.retention import apply_next_due
from mdm.queue.service import archive_ended_commands, reap_commands
from mdm.reconcile.refresh import refresh_stale_tablets, wake_silent_tablets
from mdm.reconcile.renewals import enqueue_due_renewals, warn_of_ending_identities
from mdm.reconcile.rollouts import watch_rollouts
from mdm.reconcile.service import enqueue_due_checks, reevaluate_due_modes, release_unfinished_setups
from mdm.resolver.service import watch_resolvers
from profiles.apps.apps_and_books.repository import AppsAndBooksRepository
from profiles.filters.list_updates import schedule_updates
from profiles.filters.releases import end_trials
from profiles.policy.life import end_temporary_versions
from profiles.schedule.school_days import load_school_days

HousekeepingJob = Callable[[UnitOfWork], object]


def enqueue_licence_syncs(work: UnitOfWork) -> None:
    """Enqueue a synchronization of licences for every content token, since notifications may be lost."""
    work.enqueue_job(Topic.LICENCE_SYNC, *AppsAndBooksRepository(work.session).list_all_token_ids())


def update_contacts(work: UnitOfWork) -> int:
    """Set the tablets in use that came into contact. Returns how many changed."""
    return absence.update_contacts(work, select_last_contact(), load_school_days(work))


def update_absences(work: UnitOfWork) -> int:
    """Set the tablets absent that fell silent, by the calendars of their towns. Returns how many changed."""
    return absence.update_absences(work, select_last_contact(), load_school_days(work))


HOUSEKEEPING: dict[str, HousekeepingJob] = {
    "modes": reevaluate_due_modes,
    "checks": enqueue_due_checks,
    "licences": enqueue_licence_syncs,
    "filter_lists": schedule_updates,
    "filter_trials": end_trials,
    "assignments": enqueue_ade_syncs,
    "organisations": enqueue_organisation_syncs,
    "reap": reap_commands,
    "renewals": enqueue_due_renewals,
    "ending_identities": warn_of_ending_identities,
    "refresh": refresh_stale_tablets,
    "silent_tablets": wake_silent_tablets,
    "rollouts": watch_rollouts,
    "resolvers": watch_resolvers,
    "temporary_policies": end_temporary_versions,
    "setups": release_unfinished_setups,
    "purge_imports": purge_expired_plans,
    "purge_positions": purge_positions,
    "purge_idempotency_keys": purge_idempotency_keys,
    "purge_acme": purge_acme,
    "contacts": update_contacts,
    "absences": update_absences,
    "lost_cases": retry_due_cases,
    "rollovers": apply_due_rollovers,
    "bulk_erases": send_due_bulk_erases,
    "retention": apply_next_due,
    "archive_commands": archive_ended_commands,
    "ended_months": drop_ended_month,
    "history": purge_history,
    "audit_anchors": write_anchors,
    "audit_verification": verify_next_events,
    "purge_sessions": purge_sessions,
    "purge_account_links": purge_links,
    "purge_notices": purge_notices,
    "purge_attempt_counters": purge_counters,
    "name_index": index_missing_names,
    "fleet_days": record_fleet_day,
    "server_certificate": renew_server_certificate,
}
#: Jobs that delete, end or send something because time has passed, and cannot take it back: they wait while the clock is not trusted.
DECIDED_BY_CLOCK = frozenset(
    {
        "reap", "renewals", "ending_identities", "rollouts", "temporary_policies", "setups", "absences", "rollovers", "bulk_erases",
        "filter_trials",
        "retention", "purge_imports", "purge_positions", "purge_idempotency_keys", "purge_acme", "purge_sessions", "purge_attempt_counters",
        "purge_account_links", "purge_notices", "history", "ended_months", "archive_commands",
        "fleet_days", "server_certificate",
    }
)  # fmt: skip
#: Time between two runs of each job.
INTERVALS: dict[str, timedelta] = {
    "modes": timedelta(seconds=5),
    "checks": timedelta(seconds=30),
    "licences": timedelta(hours=6),
    "filter_lists": timedelta(hours=1),
    "filter_trials": timedelta(minutes=5),
    "assignments": SYNC_INTERVAL,
    "organisations": timedelta(hours=1),
    "reap": timedelta(minutes=1),
    "renewals": timedelta(hours=1),
    "ending_identities": timedelta(hours=1),
    "refresh": timedelta(minutes=10),
    "silent_tablets": timedelta(minutes=10),
    "rollouts": timedelta(minutes=1),
    "resolvers": timedelta(minutes=1),
    "temporary_policies": timedelta(minutes=1),
    "setups": timedelta(minutes=1),
    "purge_imports": timedelta(hours=1),
    "purge_positions": timedelta(hours=1),
    "purge_idempotency_keys": timedelta(hours=1),
    "purge_acme": timedelta(hours=1),
    "purge_sessions": timedelta(hours=1),
    "purge_account_links": timedelta(hours=1),
    "purge_notices": timedelta(hours=1),
    "purge_attempt_counters": timedelta(minutes=10),
    "contacts": timedelta(minutes=1),
    "absences": timedelta(hours=1),
    "lost_cases": timedelta(seconds=30),
    "rollovers": timedelta(minutes=1),
    "bulk_erases": timedelta(minutes=1),
    "retention": timedelta(minutes=10),
    "archive_commands": timedelta(minutes=1),
    "ended_months": timedelta(minutes=1),
    "history": timedelta(minutes=1),
    "audit_anchors": timedelta(minutes=5),
    "audit_verification": timedelta(minutes=10),
    "name_index": timedelta(minutes=10),
    "fleet_days": timedelta(hours=1),
    "server_certificate": timedelta(minutes=1),
}
