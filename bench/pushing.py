"""What measurements of pushes need: tokens of tablets, the APNs stand-in and a worker in processes of their own, and who listens."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from sqlalchemy import insert

from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from mdm.devices.models import PushTarget
from mdm.push.certificates import get_active_topic


def add_tokens(work: UnitOfWork, town_id: UUID, enrollment_ids: Sequence[int]) -> None:
    """Give each enrollment a push token, which is its number."""
    topic = get_active_topic(work)
    for start in range(0, len(enrollment_ids), 5000):
        rows = [
            {
                "enrollment_id": i, "town_id": town_id, "token": i.to_bytes(32, "big"), "magic": f"magic {i}", "topic": topic,
                "updated_at": work.now,
            }
            for i in enrollment_ids[start : start + 5000]
        ]  # fmt: skip
        work.session.execute(insert(PushTarget), rows)


@contextmanager
def run_children(settings: Settings, ports: tuple[int, int]) -> Iterator[None]:
    """Run the APNs stand-in and one worker; end both afterwards."""
    secrets = settings.secrets_dir
    environment = os.environ | {
        "CARTABLE_DATA_DIR": str(settings.data_dir),
        "CARTABLE_DATABASE_URL": settings.database_url,
        "CARTABLE_BROKER_URL": settings.broker_url,
        "CARTABLE_PUBLIC_URL": settings.public_url,
        "CARTABLE_APNS_URL": settings.apns_url,
        "CARTABLE_APNS_CA": str(settings.apns_ca),
        "CARTABLE_PUSH_PER_SECOND": str(settings.push_per_second),
    }
    stand_in = [
        "mdm.push.testserver", "--port", str(ports[0]), "--listen-port", str(ports[1]), "--cert", str(secrets / "tls.pem"),
        "--key", str(secrets / "tls.key"), "--client-ca", str(secrets / "push-test-ca.pem"),
    ]  # fmt: skip
    with (settings.data_dir / "children.log").open("wb") as log:
        children = [
            subprocess.Popen([sys.executable, "-m", *command], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            for command in (stand_in, ["mdm", "worker"])
        ]
        time.sleep(6)
        try:
            yield
        finally:
            for child in children:
                child.send_signal(signal.SIGTERM)
            for child in children:
                child.wait(20)


#: Tokens in one line of a listener.
LISTENED_AT_ONCE = 500


@contextmanager
def listen_for_pushes(settings: Settings, port: int, ids: list[int]) -> Iterator[Iterator[dict[str, str]]]:
    """Yield the pushes of these tablets as they arrive, as the tablets' own listeners get them: their `token` names the tablet."""
    context = ssl.create_default_context(cafile=str(Path(settings.secrets_dir) / "tls-ca.pem"))
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as stream,
    ):
        for start in range(0, len(ids), LISTENED_AT_ONCE):  # a line may have 64 kB
            tokens = [i.to_bytes(32, "big").hex() for i in ids[start : start + LISTENED_AT_ONCE]]
            stream.sendall(json.dumps({"listen": tokens}).encode() + b"\n")
        yield (json.loads(line) for line in stream.makefile())
