"""The state of the server for people and monitoring: workers, jobs, the sender of pushes, tablets with invalid push tokens, armed erases, resolvers, disk."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cartable.outbox import Topic
from cartable.outbox_figures import LaneLag, count_leased_jobs, count_parked_jobs, measure_lag
from cartable.scheduled_jobs import ScheduledJob, list_failing_jobs
from cartable.unit_of_work import UnitOfWork
from cartable.worker_registry import WorkerProcess, list_workers
from mdm.devices.push_target_repository import PushTargetRepository
from mdm.push.models import PushSenderState
from mdm.push.repository import PushRepository
from mdm.queue.repository import QueueRepository
from mdm.resolver.service import ResolverState, load_resolver_state


@dataclass(frozen=True, slots=True)
class ServerState:
    """Figures of this moment. They name no town and no person."""

    workers: Sequence[WorkerProcess]
    lag: Sequence[LaneLag]
    leased_jobs: Mapping[Topic, int]
    parked_jobs: Mapping[Topic, int]
    failing_jobs: Sequence[ScheduledJob]
    sender: PushSenderState
    push_responses: Mapping[str, int]
    invalid_tokens: int
    armed_erases: int
    resolver: ResolverState
    disk_free: int
    disk_total: int


def load_server_state(work: UnitOfWork) -> ServerState:
    """Return the state of the server, in a constant number of queries."""
    disk = shutil.disk_usage(work.settings.data_dir if work.settings.data_dir.exists() else "/")
    push = PushRepository(work.session)
    return ServerState(
        workers=list_workers(work.session),
        lag=measure_lag(work.session, work.now),
        leased_jobs=count_leased_jobs(work.session),
        parked_jobs=count_parked_jobs(work.session),
        failing_jobs=list_failing_jobs(work.session),
        sender=push.get_sender_state(),
        push_responses=push.load_response_counts(),
        invalid_tokens=PushTargetRepository(work.session).count_invalid_push_tokens(),
        armed_erases=QueueRepository(work.session).count_armed_erases(),
        resolver=load_resolver_state(work),
        disk_free=disk.free,
        disk_total=disk.total,
    )
