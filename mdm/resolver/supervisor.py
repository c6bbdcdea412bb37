"""Keeps one resolver running: publishes what the database says, keeps both programs alive, probes them, and writes down how they do."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import structlog
from sqlalchemy.exc import SQLAlchemyError

from cartable.loopback_server import find_free_port
from cartable.private_files import ensure_private_folder, open_private, write_secret
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from mdm.resolver.blocked_counts import get_counts_file, parse_counts, store_counts
from mdm.resolver.certificate import CertificateCopy
from mdm.resolver.configuration import EngineSettings
from mdm.resolver.engine import EngineProgram, ResolverUnavailable, accept_configuration, create_programs
from mdm.resolver.models import ResolverProcess
from mdm.resolver.probe import PROBE_RULES, ResolverProbe
from mdm.resolver.publishing import StorePublisher
from mdm.resolver.repository import ResolverRepository

log = structlog.get_logger()
_TICK_SECONDS = 1.0
_PROBE_SECONDS = 5.0
#: Probes that fail one after the other before a program that runs is taken for stuck.
_FAILURES_UNTIL_KILLED = 3
#: A program has so long to come up before a failed probe counts against it.
_GRACE_SECONDS = 10.0
_START_SECONDS = 30.0
_MOST_LISTENERS = 4
_ROOT_KEY = Path("/usr/share/dns/root.key")


class ResolverSupervisor:
    """One resolver in its folder below the data folder. Raises `ResolverUnavailable` when it cannot start here."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        self._runtime = runtime
        self.folder = (settings.data_dir / "resolver").absolute()
        ensure_private_folder(self.folder)
        self._lock = _lock_folder(self.folder)
        self.engine = build_engine_settings(settings, self.folder)
        self._certificate = CertificateCopy(settings, self.folder)
        self.publisher = StorePublisher(runtime, self.folder)
        self._probe = ResolverProbe(self.engine.listen_host, self.engine.listen_port)
        self._programs: tuple[EngineProgram, ...] = ()
        self._state = _create_state(self.engine.listen_port, runtime.clock.now())
        self._probed_at, self._failures = 0.0, 0
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="resolver", daemon=True),
            threading.Thread(target=self._build_lists, name="resolver-lists", daemon=True),
        ]

    def start(self) -> None:
        """Publish, start both programs, and return when they answer. Raises `ResolverUnavailable`."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        for thread in self._threads:
            thread.start()
        log.info("resolver.started", port=self.engine.listen_port, addresses=self.publisher.address_count)

    def _start(self) -> None:
        problem = self._certificate.refresh()
        if problem is not None and not (self.folder / "tls.pem").exists():
            raise ResolverUnavailable(why=problem)
        self.publisher.add_own_address(self._probe.token, PROBE_RULES)
        self._publish_at_start()
        self._state.problem = accept_configuration(self.engine)
        self._programs = create_programs(self.engine)
        deadline = time.monotonic() + _START_SECONDS
        while (problem := self._keep_running_and_probe()) is not None:
            if time.monotonic() > deadline:
                lines = [f"{program.name}: {program.read_last_line()}" for program in self._programs if program.restarts]
                raise ResolverUnavailable(why="; ".join([problem, *lines]))
            time.sleep(0.1)
        self._save_state()

    def stop(self) -> None:
        """Stop both programs and say that this resolver has ended."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(2 * _TICK_SECONDS)
        for program in reversed(self._programs):
            program.stop()
        self._probe.close()
        self._lock.close()
        try:
            with self._runtime.open_unit_of_work() as work:
                ResolverRepository(work.session).remove(self._state.id)
        except SQLAlchemyError:
            log.warning("resolver.end_not_saved")

    def get_pids(self) -> dict[str, int | None]:
        """Return the process numbers of both programs."""
        return {program.name: program.pid for program in self._programs}

    def _publish_at_start(self) -> None:
        """Publish. While lists have no store, an index that is there from before is left: it knows the lists of before."""
        if (self.folder / "index.cdb").exists():
            self.publisher.publish()
            while self.publisher.build_next_list():
                pass
        self.publisher.publish()
        self._note_publication()

    def _run(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            try:
                self._tick()
            except Exception:
                log.exception("resolver.turn_failed")  # the programs go on with what they have; the next turn tries again

    def _tick(self) -> None:
        for program in self._programs:
            program.keep_running()
        problem = self._certificate.refresh() or self._publish()
        self._store_counts()
        if time.monotonic() - self._probed_at >= _PROBE_SECONDS:
            self._state.problem = self._keep_running_and_probe() or problem
            self._save_state()

    def _publish(self) -> str | None:
        """Publish what has changed. Returns why the database did not answer, or None: the programs go on with what they have."""
        try:
            if self.publisher.publish():
                self._note_publication()
        except SQLAlchemyError as error:
            return f"database: {type(error).__name__}"
        return None

    def _store_counts(self) -> None:
        """Store the counts that dnsdist handed over. While the database is away the file waits, and dnsdist counts on."""
        file = get_counts_file(self.folder)
        if not file.exists():
            return
        try:
            with self._runtime.open_unit_of_work() as work:
                store_counts(work, parse_counts(file.read_text("ascii", "replace")))
        except SQLAlchemyError as error:
            log.warning("resolver.counts_not_stored", error=type(error).__name__)
            return
        file.unlink()

    def _build_lists(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            try:
                while not self._stopping.is_set() and self.publisher.build_next_list():
                    pass
            except SQLAlchemyError as error:
                log.warning("resolver.list_not_read", error=type(error).__name__)
            except Exception:
                log.exception("resolver.list_failed")

    def _keep_running_and_probe(self) -> str | None:
        """Return what is wrong, or None. A program that runs and does not answer several times is killed."""
        for program in self._programs:
            program.keep_running()
        problem = self._probe.find_problem()
        self._probed_at = time.monotonic()
        self._failures = self._failures + 1 if problem else 0
        if problem is None:
            self._state.answered_at = self._runtime.clock.now()
        elif self._failures >= _FAILURES_UNTIL_KILLED and all(each.has_run_for(_GRACE_SECONDS) for each in self._programs):
            for program in self._programs:
                program.kill()
        return problem

    def _note_publication(self) -> None:
        self._state.published_at = self._runtime.clock.now()
        self._state.address_count, self._state.pending_lists = self.publisher.address_count, self.publisher.pending_lists

    def _save_state(self) -> None:
        self._state.seen_at = self._runtime.clock.now()
        self._state.restarts = sum(program.restarts for program in self._programs)
        self._state.problem = self._state.problem and self._state.problem[:500]
        try:
            with self._runtime.open_unit_of_work() as work:
                ResolverRepository(work.session).save(self._state)
        except SQLAlchemyError as error:
            log.warning("resolver.state_not_saved", error=type(error).__name__)


def build_engine_settings(settings: Settings, folder: Path) -> EngineSettings:
    """Return what the configuration depends on, with free ports where none is set. Copies the root key that Unbound keeps up to date."""
    trust_anchor = None
    if not settings.resolver_forward_to and _ROOT_KEY.exists():
        trust_anchor = folder / "root.key"
        if not trust_anchor.exists():
            write_secret(trust_anchor, _ROOT_KEY.read_bytes())
    return EngineSettings(
        folder=folder,
        listen_host=settings.resolver_host,
        listen_port=settings.resolver_port or find_free_port(),
        unbound_port=find_free_port(),
        listeners=min(_MOST_LISTENERS, os.cpu_count() or 1),
        blocked_address=settings.resolver_blocked_address,
        check_host=settings.resolver_check_host,
        check_target=urlsplit(settings.public_url).hostname or "",
        forward_to=settings.resolver_forward_to,
        include=settings.resolver_include,
        trust_anchor=trust_anchor,
    )


def _lock_folder(folder: Path) -> IO[bytes]:
    """Return the lock of the folder. Raises `ResolverUnavailable` while another process holds it."""
    lock = open_private(folder / "lock", "wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ResolverUnavailable(why=f"another resolver runs in {folder}") from error
    return lock


def _create_state(port: int, now: datetime) -> ResolverProcess:
    return ResolverProcess(
        id=f"{socket.gethostname()[:240]}:{port}", started_at=now, seen_at=now, answered_at=None, published_at=None,
        address_count=0, pending_lists=0, restarts=0, problem=None,
    )  # fmt: skip
