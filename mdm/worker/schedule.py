"""What happens by the clock: sweeps and housekeeping, each a short service call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cartable.outbox import Topic
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.acme.service import purge as purge_acme
from enrollment.joining.ade.rules import EVERY
from enrollment.joining.ade.service import compare_all as compare_assignments
from enrollment.joining.apple_school_manager.service import compare_all as compare_organisations
from enrollment.people.imports.service import purge_imports
from enrollment.rollover.applying import apply_due as apply_years
from enrollment.tablets.idempotency import purge as purge_once
from mdm.care.absence import watch as watch_contact
from mdm.care.erasing.bulk import send_due
from mdm.care.lost_mode.positions import purge as purge_care
from mdm.privacy.retention import run_next
from mdm.queue.service import reap
from mdm.reconcile.rollouts import stop_failing_rollouts
from mdm.reconcile.service import change_modes, refresh_stale, renewals, unfinished_setups
from profiles.apps.apps_and_books.repository import VppRepository
from profiles.policy.life import end_temporary_versions

Act = Callable[[UnitOfWork], object]


def compare_licences(work: UnitOfWork) -> None:
    """Several times a day, the licences of every town that has a token: notifications may be lost."""
    work.enqueue_job(Topic.LICENCES, *VppRepository(work.session).towns_with_token())


HOUSEKEEPING: dict[str, Act] = {
    "modes": change_modes,
    "licences": compare_licences,
    "assignments": compare_assignments,
    "organisations": compare_organisations,
    "reap": reap,
    "renewals": renewals,
    "refresh": refresh_stale,
    "rollouts": stop_failing_rollouts,
    "temporary_policies": end_temporary_versions,
    "setups": unfinished_setups,
    "purge_imports": purge_imports,
    "purge_care": purge_care,
    "purge_once": purge_once,
    "purge_acme": purge_acme,
    "contact": watch_contact,
    "years": apply_years,
    "bulk_erases": send_due,
    "retention": run_next,
}
_SECONDS = {
    "modes": 5,
    "licences": 6 * 3600,
    "assignments": int(EVERY.total_seconds()),
    "organisations": 3600,
    "reap": 60,
    "renewals": 3600,
    "refresh": 600,
    "rollouts": 60,
    "temporary_policies": 60,
    "setups": 60,
    "purge_imports": 3600,
    "purge_care": 3600,
    "purge_once": 3600,
    "purge_acme": 3600,
    "contact": 60,
    "years": 60,
    "bulk_erases": 60,
    "retention": 600,
}
SWEEP_SECONDS = 2.0


def beat() -> dict[str, dict[str, Any]]:
    """Celery's schedule."""
    entries: dict[str, dict[str, Any]] = {"sweep": {"task": "cartable.sweep", "schedule": SWEEP_SECONDS}}
    for name, seconds in _SECONDS.items():
        entries[name] = {"task": f"cartable.{name}", "schedule": float(seconds)}
    return entries
