"""Runs a function in a child process with limits of CPU time, memory and time. Knows no format and no database.

See docs/adr/0064-files-of-people-are-read-in-a-child-process.md.
"""

from __future__ import annotations

import atexit
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import structlog

from cartable.errors import DomainError, Invalid
from cartable.i18n import Message

log = structlog.get_logger()
Result = TypeVar("Result")

#: The most bytes that a result may have.
MAX_RESULT = 256 * 2**20
#: Seconds in which the server answers; the first time it also imports the modules.
START_SECONDS = 30.0
#: Variables that the server needs to start; a child has no others, so no secret of the environment.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


class FileTooDemanding(Invalid):
    """Reading the file used up its time or memory, or ended the process that read it."""

    code = "file_too_demanding"
    message = Message("The file takes too long or too much memory. It is damaged, or much larger unpacked than it looks.")


class NoProcessFree(DomainError):
    """The system gives no process for reading the file: the request comes again later."""

    code = "no_process_free"
    status = 503
    message = Message("The server cannot read files at the moment. Try again in a minute.")


class _ForkServer:
    """A process without threads that forks a child for each call. It ends with this process."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._owner = 0

    def connect(self) -> Connection:
        """Return a connection to a new child. Raises `OSError`."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with self._lock:
                try:
                    socket.send_fds(self._ensure_running(), [b"\0"], [theirs.fileno()])
                except BrokenPipeError:  # it has just ended
                    self._stop()
                    socket.send_fds(self._ensure_running(), [b"\0"], [theirs.fileno()])
            return Connection(ours.detach())

    def stop(self) -> None:
        """End the server; the next call starts another one. Children that run go on until their limits."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None and self._owner == os.getpid():
            self._process.wait()
        self._socket = self._process = None

    def _ensure_running(self) -> socket.socket:
        """Start the server unless it runs. After a fork of this process it is that of the parent, so another one is started."""
        is_running = self._process is not None and self._owner == os.getpid() and self._process.poll() is None
        if self._socket is not None and is_running:
            return self._socket
        if self._socket is not None:
            self._socket.close()
        self._socket, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        command = [sys.executable, "-m", "cartable.limited_process_server", str(theirs.fileno()), *sorted(self.modules)]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  the command holds nothing from outside
                command, pass_fds=[theirs.fileno()], env=environment
            )
        self._owner = os.getpid()
        return self._socket


_server = _ForkServer()
stop_server = _server.stop
atexit.register(stop_server)


def preload(*modules: str) -> None:
    """Let the server import these modules before its first child, so that no child must."""
    _server.modules.update(modules)


def run_limited(
    function: Callable[..., Result], *arguments: object, cpu_seconds: int, memory_bytes: int, wall_seconds: float
) -> Result:
    """Return what a function of a module returns, computed in a child process; arguments, result and errors are copied by `pickle`.

    `memory_bytes`: what it may allocate beyond the interpreter. Raises what the function raises, `FileTooDemanding` when a limit or a crash
    ends the child, `NoProcessFree`. On other systems than Linux it runs here, without limits, and a warning is logged.
    """
    if sys.platform != "linux":
        log.warning("limited_process.unavailable", function=function.__qualname__)
        return function(*arguments)
    job = pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL)
    with _connect() as connection:
        try:
            connection.send((cpu_seconds, memory_bytes, wall_seconds))
            connection.send_bytes(job)
            is_returned, value = _receive(connection, wall_seconds)
        except (EOFError, OSError, MemoryError) as error:
            log.warning("limited_process.ended", function=function.__qualname__)
            raise FileTooDemanding from error
    if not is_returned:
        raise value
    return value  # type: ignore[no-any-return]


def _connect() -> Connection:
    """Return a connection to a child that has started. Raises `NoProcessFree`."""
    try:
        connection = _server.connect()
    except OSError as error:
        raise NoProcessFree from error
    try:
        if not connection.poll(START_SECONDS):
            raise TimeoutError
        connection.recv_bytes(0)
    except (EOFError, OSError) as error:
        connection.close()
        raise NoProcessFree from error
    return connection


def _receive(connection: Connection, wall_seconds: float) -> tuple[bool, Any]:
    """Return whether the function has returned, and its result or its error. The child ends itself; a second more is for its start."""
    if not connection.poll(wall_seconds + 1):
        raise TimeoutError
    answer: tuple[bool, Any] = pickle.loads(connection.recv_bytes(MAX_RESULT))  # noqa: S301  written by our own child
    return answer
