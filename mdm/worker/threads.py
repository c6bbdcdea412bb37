"""The threads of a worker: for each kind of work its own, and one that keeps the leases alive and looks for due jobs.

The table is the queue. A notification only ends a thread's wait; without any, the keeper finds due jobs within a second.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Collection

import structlog

from cartable.conflicts import is_conflict, run_with_retries
from cartable.leases import acquire_lease, release_leases, renew_named_leases
from cartable.outbox import Topic
from cartable.outbox_figures import list_due_topics
from cartable.outbox_leases import LEASE, Claimant, give_back_jobs, release_jobs_of_process, renew_leases
from cartable.scheduled_jobs import get_next_run, give_back_scheduled_jobs, give_back_scheduled_jobs_of_process, renew_job_leases
from cartable.unit_of_work import Runtime
from cartable.worker_registry import (
    HEARTBEAT_INTERVAL,
    WorkerProcess,
    list_workers,
    purge_dead_workers,
    remove_worker,
    save_heartbeat,
)
from mdm.care.restores.service import TimelineWatch
from mdm.worker.drains import drain
from mdm.worker.kinds import PLANS, PUSH_KINDS, WorkKind
from mdm.worker.schedule import INTERVALS
from mdm.worker.scheduler import prepare_schedule, run_due_job

log = structlog.get_logger()
POLL_SECONDS = 1.0
#: Waits of a thread after errors: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
#: Name of the lease of the one process that sends pushes.
PUSH_LEASE = "push_sender"


class WorkThread:
    """One thread of a kind of work. It waits for `wake`, then works until nothing is due."""

    def __init__(self, runtime: Runtime, watch: TimelineWatch, kind: WorkKind, worker_id: str, number: int) -> None:
        self.kind = kind
        self._watch = watch
        self.name = f"{worker_id}/{kind.value}-{number}"
        self._runtime = runtime
        self._worker_id = worker_id
        self._plan = PLANS[kind]
        self._wake = threading.Event()
        self._stopping = threading.Event()
        #: Monotonic time since which it has been at one turn; None while it waits.
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"worker-{kind.value}-{number}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Let the thread look for work now."""
        self._wake.set()

    def ask_to_stop(self) -> None:
        """Let the thread end after the batch that it is at."""
        self._stopping.set()
        self._wake.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end. Returns whether the thread has ended, or was never started."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def is_stuck(self) -> bool:
        """Return whether one turn has taken longer than the time limit of its kind."""
        since = self._busy_since
        return since is not None and time.monotonic() - since > self._plan.time_limit.total_seconds()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            try:
                while not self._stopping.is_set() and self._work_once():
                    pass
                pause = FIRST_PAUSE
            except Exception as error:
                if is_conflict(error):
                    log.warning("worker.transaction_conflict", kind=self.kind.value)
                else:
                    log.exception("worker.thread_failed", kind=self.kind.value)
                self._give_back()
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            finally:
                self._busy_since = None

    def _work_once(self) -> bool:
        """Give each topic its turn. Returns whether there may be more to do."""
        self._busy_since = time.monotonic()
        if self.kind is WorkKind.SCHEDULE:
            return run_due_job(self._runtime, self._watch, self.name)
        if self.kind in PUSH_KINDS and not self._is_push_sender():
            return False
        processed = 0
        claimant = Claimant(self.name, self._plan.lanes)
        for topic in self._plan.topics:
            self._busy_since = time.monotonic()
            processed += drain(self._runtime, topic, claimant, budget=self._plan.budget, is_stopping=self._stopping.is_set)
        return processed > 0

    def _is_push_sender(self) -> bool:
        with self._runtime.open_unit_of_work() as work:
            return acquire_lease(work, PUSH_LEASE, self._worker_id, LEASE)

    def _give_back(self) -> None:
        """Give claimed jobs back after an error; without a database their leases expire."""
        try:
            with self._runtime.open_unit_of_work() as work:
                give_back_jobs(work.session, self.name)
        except Exception:
            log.warning("worker.jobs_not_given_back", kind=self.kind.value, exc_info=True)


class WorkerThreads:
    """All threads of one worker: start, wake, stop."""

    def __init__(self, runtime: Runtime, kinds: Collection[WorkKind] = tuple(WorkKind)) -> None:
        host = socket.gethostname()
        self.id = f"{host[:20]}:{os.getpid()}:{secrets.token_hex(3)}"
        #: Set when a thread is stuck: a process of its own should end then, and be started again.
        self.is_stuck = threading.Event()
        self._runtime = runtime
        watch = TimelineWatch(runtime)
        self._row = WorkerProcess(
            id=self.id, host=host[:255], pid=os.getpid(), kinds=sorted(kinds), stuck=[], started_at=runtime.clock.now()
        )
        self._threads = [
            WorkThread(runtime, watch, kind, self.id, number) for kind in kinds for number in range(PLANS[kind].threads)
        ]
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="worker-keeper", daemon=True)

    def start(self) -> None:
        """Start the keeper, which registers the process and then starts the other threads: a claim has always a registered owner."""
        self._keeper.start()

    def _take_over_from_dead(self) -> None:
        """Free what a process of this host left that no longer exists: whoever is restarted need not wait for its own leases."""
        with self._runtime.open_unit_of_work() as work:
            for worker in list_workers(work.session):
                if worker.host == self._row.host and worker.id != self.id and not _is_running(worker.pid):
                    jobs = release_jobs_of_process(work.session, worker.id)
                    give_back_scheduled_jobs_of_process(work.session, worker.id, work.now)
                    release_leases(work, worker.id)
                    remove_worker(work.session, worker.id)
                    log.warning("worker.predecessor_died", worker=worker.id, jobs=jobs)

    def wake(self, topic: Topic) -> None:
        """Let the threads that drain `topic` look for work now."""
        for thread in self._threads:
            if topic in PLANS[thread.kind].topics:
                thread.wake()

    def stop(self, seconds: float = 10.0) -> None:
        """Let each thread finish its batch, for `seconds` at most, and give back what is left."""
        ends_at = time.monotonic() + seconds
        self._stopping.set()
        for thread in self._threads:
            thread.ask_to_stop()
        remaining = [thread.kind.value for thread in self._threads if not thread.join(ends_at - time.monotonic())]
        self._keeper.join(max(0.5, ends_at - time.monotonic()))
        if remaining:
            log.warning("worker.threads_left", kinds=sorted(set(remaining)))
        try:
            self._give_everything_back()
        except Exception:
            log.warning("worker.jobs_not_given_back", exc_info=True)  # their leases expire

    def _give_everything_back(self) -> None:
        with self._runtime.open_unit_of_work() as work:
            for thread in self._threads:
                give_back_jobs(work.session, thread.name)
            give_back_scheduled_jobs(work.session, [thread.name for thread in self._threads], work.now)
            release_leases(work, self.id)
            remove_worker(work.session, self.id)

    def _keep(self) -> None:
        """Write the heartbeat, renew leases, and wake the threads of due topics, until the worker stops."""
        is_prepared, next_heartbeat = False, 0.0
        while not self._stopping.is_set():
            try:
                if not is_prepared:
                    prepare_schedule(self._runtime)
                    run_with_retries(self._take_over_from_dead, "worker.take_over")
                    run_with_retries(self._write_heartbeat, "worker.heartbeat")
                    is_prepared = True
                    for thread in self._threads:
                        thread.start()
                if time.monotonic() >= next_heartbeat:
                    # A thread may complete its jobs while their leases are renewed: the rows are locked in no common order.
                    run_with_retries(self._write_heartbeat, "worker.heartbeat")
                    next_heartbeat = time.monotonic() + HEARTBEAT_INTERVAL.total_seconds()
                self._wake_due_threads()
            except Exception:
                log.warning("worker.keeper_failed", exc_info=True)  # the database is away: try again at the next turn
            self._stopping.wait(POLL_SECONDS)

    def _write_heartbeat(self) -> None:
        stuck = sorted({thread.kind.value for thread in self._threads if thread.is_stuck()})
        if stuck:
            log.error("worker.thread_stuck", kinds=stuck)
            self.is_stuck.set()
        names = [thread.name for thread in self._threads if not thread.is_stuck()]
        with self._runtime.open_unit_of_work() as work:
            self._row.heartbeat_at, self._row.stuck = work.now, stuck
            save_heartbeat(work.session, self._row)
            renew_leases(work.session, names, work.now + LEASE)
            renew_job_leases(work.session, names, work.now + LEASE)
            renew_named_leases(work, self.id, LEASE)
            purge_dead_workers(work.session, work.now)

    def _wake_due_threads(self) -> None:
        with self._runtime.open_unit_of_work() as work:
            due = list_due_topics(work.session, work.now)
            next_run = get_next_run(work.session, list(INTERVALS))
            is_schedule_due = next_run is not None and next_run <= work.now
        for topic in due:
            self.wake(topic)
        if is_schedule_due:
            for thread in self._threads:
                if thread.kind is WorkKind.SCHEDULE:
                    thread.wake()


def _is_running(pid: int) -> bool:
    """Return whether another process with this number exists here. In a container all are number one: the former one is gone."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
