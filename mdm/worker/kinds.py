"""The kinds of work of a worker: which topics and lanes each drains, in how many threads, and how long one turn may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from cartable.outbox import JobLane, Topic


class WorkKind(StrEnum):
    """A kind of work. Each has threads of its own, so that no kind waits for another."""

    URGENT_PUSHES = "urgent_pushes"  # a person waits for them: never behind a wave of 130 000
    PUSHES = "pushes"
    RESULTS = "results"  # what tablets answered, and their first commands
    DECISIONS = "decisions"  # desired state against reported state
    ALARMS = "alarms"  # with all other mail; and the timeline, which follows what cannot be taken back
    OUTSIDE = "outside"  # Apple's services, which may take minutes
    SCHEDULE = "schedule"  # what the clock brings


@dataclass(frozen=True, slots=True)
class WorkPlan:
    """How a kind of work is done.

    `budget`: after this time a thread goes on with the next of its topics. `time_limit`: a thread that takes longer for one turn
    is stuck; its leases end, and a worker process of its own ends with it.
    """

    topics: tuple[Topic, ...]
    lanes: tuple[JobLane, ...] = tuple(JobLane)
    threads: int = 1
    budget: timedelta = timedelta(seconds=5)
    time_limit: timedelta = timedelta(minutes=5)


PLANS: Mapping[WorkKind, WorkPlan] = {
    WorkKind.URGENT_PUSHES: WorkPlan((Topic.PUSH,), lanes=(JobLane.URGENT,)),
    WorkKind.PUSHES: WorkPlan((Topic.PUSH,)),
    WorkKind.RESULTS: WorkPlan((Topic.ENROLLED, Topic.COMMAND_RESULT, Topic.RENEW_CERTIFICATE)),
    WorkKind.DECISIONS: WorkPlan((Topic.MODES, Topic.RECONCILE)),
    WorkKind.ALARMS: WorkPlan(
        (
            Topic.TIMELINE,
            Topic.ALARM,
            Topic.ACCOUNT_LINK,
            Topic.NOTICE,
            Topic.APP_REQUEST,
            Topic.APP_REQUEST_MAIL,
            Topic.AUDIT_ROOT,
        )
    ),
    WorkKind.OUTSIDE: WorkPlan(
        (Topic.LICENCE_SYNC, Topic.ADE_SYNC, Topic.APPLE_SCHOOL_MANAGER_SYNC, Topic.FILTER_LISTS),
        threads=2,
        time_limit=timedelta(minutes=60),
    ),
    # Two threads: a purge of minutes does not delay the change of mode.
    WorkKind.SCHEDULE: WorkPlan((), threads=2, time_limit=timedelta(minutes=15)),
}
#: Only one process at a time sends pushes, so that the pace and the state of the sender are those of the installation.
PUSH_KINDS = frozenset({WorkKind.URGENT_PUSHES, WorkKind.PUSHES})
