"""`cartable signer`: the process that has the private key of the device CA. It opens no database and reads no master key."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from cartable.clock import SystemClock
from cartable.settings import Settings
from cartable.telemetry import configure_logging
from enrollment.identity.signing.key_store import UnusableKeyStore, get_log_file, load_issuing_key
from enrollment.identity.signing.server import DeviceSignerServer
from mdm.cli import preflight
from mdm.cli.processes import refuse_start

#: The last line of a start, for whoever waits for it.
READY = "cartable: the signer listens"


def run(_parsed: argparse.Namespace) -> int:
    """Sign until SIGTERM or SIGINT. Returns an exit code: 1 when it cannot start."""
    try:
        settings = preflight.read_settings()
        configure_logging(json=settings.log_json, level="info")
        server = create_server(settings)
    except (preflight.CannotStart, UnusableKeyStore) as error:
        return refuse_start(error)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{READY} at {settings.signer_socket} for user {server.allowed_uid}", file=sys.stderr, flush=True)
    with server:
        server.serve_forever(poll_interval=0.1)
    return 0


def create_server(settings: Settings) -> DeviceSignerServer:
    """Return the listening server. Raises `CannotStart` when others may enter the socket's folder, and `UnusableKeyStore`."""
    path, key_file = settings.signer_socket, settings.signer_key_file
    if path is None or key_file is None:
        raise preflight.CannotStart("set CARTABLE_SIGNER_SOCKET and CARTABLE_SIGNER_KEY_FILE.")
    certificate, key = load_issuing_key(key_file)
    try:
        if path.parent.stat().st_mode & 0o027:
            raise preflight.CannotStart(f"{path.parent} must be closed to others: chmod 750, with the group of the web process.")
        return DeviceSignerServer(path, certificate, key, settings, SystemClock(), get_log_file(key_file))
    except OSError as error:
        raise preflight.CannotStart(f"cannot listen at {path} ({error.strerror}).") from error
