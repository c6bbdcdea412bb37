"""The process from which `limited_process` forks its children: imports modules, then forks for each connection that it is given."""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import resource
import signal
import socket
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn


def serve(server: socket.socket, modules: list[str]) -> None:
    """Fork a child for each connection, until the process that started this one has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the other process ends first
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no child is waited for
    for module in modules:
        importlib.import_module(module)
    gc.freeze()
    while True:
        data, (*descriptors,), _, _ = socket.recv_fds(server, 1, 1)
        if not data:
            return
        for descriptor in descriptors:
            _fork(server, descriptor)
            os.close(descriptor)


def _fork(server: socket.socket, descriptor: int) -> None:
    """Start a child that answers on the connection. Without a process the connection is closed, which tells the caller."""
    try:
        is_child = os.fork() == 0
    except OSError:
        return
    if is_child:
        server.close()
        _answer(Connection(descriptor))


def _answer(connection: Connection) -> NoReturn:
    """Run the function that is sent, within the limits that are sent, and send its result or its error. Ends the process."""
    try:
        connection.send_bytes(b"")
        _set_limits(*connection.recv())
        function, arguments = pickle.loads(connection.recv_bytes())  # noqa: S301  written by `run_limited`
        try:
            answer = (True, function(*arguments))
        except (MemoryError, RecursionError):
            os._exit(1)
        except Exception as error:  # noqa: BLE001  raised again by `run_limited`
            answer = (False, error)
        connection.send_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
    finally:
        os._exit(0)


def _set_limits(cpu_seconds: int, memory_bytes: int, wall_seconds: float) -> None:
    """Let the kernel end this process at its limits."""
    own_bytes = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,  # nothing of a file reaches a disk
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_AS: own_bytes + memory_bytes,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    signal.setitimer(signal.ITIMER_REAL, wall_seconds)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
