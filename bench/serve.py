"""The server with counters of statements and commits, which it writes to a file at SIGUSR1. Started by `bench.serving`."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import uvicorn
from sqlalchemy import Engine, event

from cartable.settings import Settings
from cartable.telemetry import configure_logging
from enrollment.identity import tls
from mdm.channel.http_protocol import ChannelHttpProtocol
from mdm.composition import compose
from mdm.web import create_app


def main() -> None:
    """Serve until terminated. The worker does not run here, because it is measured separately."""
    configure_logging(json=False, level="warning")
    runtime = compose(Settings(_env_file=None))
    counters = {"statements": 0, "commits": 0}

    def statement(*_: object) -> None:
        counters["statements"] += 1

    def commit(_: object) -> None:
        counters["commits"] += 1

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)

    folder = Path(os.environ["BENCH_FOLDER"])

    def write(*_: object) -> None:
        path = folder / f"counts-{os.getpid()}.json"
        path.with_suffix(".part").write_text(json.dumps(counters))
        path.with_suffix(".part").rename(path)

    signal.signal(signal.SIGUSR1, write)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(("127.0.0.1", int(os.environ["BENCH_PORT"])))
    chain, key = tls.get_server_files(runtime.settings) if os.environ["BENCH_HTTPS"] else (None, None)
    config = uvicorn.Config(
        create_app(runtime), loop="uvloop", http=ChannelHttpProtocol, access_log=False, server_header=False, date_header=False,
        proxy_headers=False, log_level="warning",
        ssl_certfile=chain, ssl_keyfile=key,
    )  # fmt: skip
    (folder / f"ready-{os.getpid()}").touch()
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
