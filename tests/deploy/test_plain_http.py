"""Caddy with the file of the repository on plain HTTP: closed sites reach the child's page, the site's own name leads to HTTPS."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from mdm.console.filters.foreign_hosts import PLAIN_HTTP_HEADER
from tests.deploy.compose_file import FOLDER
from tests.interop.conftest import require_program
from tests.support.server import find_free_port
from tests.support.waiting import wait_until

SITE = "mdm.example"


@pytest.fixture
def upstream() -> Iterator[str]:
    """A server that answers with the name under which it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403 if self.path != "/readyz" else 200)
            self.send_header("Seen-As-Plain", self.headers.get(PLAIN_HTTP_HEADER, ""))
            self.end_headers()
            self.wfile.write(f"{self.headers['Host']} {self.headers['Client-Cert']}".encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def http(upstream: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of Caddy's port for plain HTTP."""
    port = find_free_port()
    file = tmp_path / "Caddyfile"
    options = f"{{\n\tadmin off\n\thttp_port {port}\n\thttps_port {find_free_port()}\n"
    file.write_text((FOLDER / "Caddyfile").read_text().replace("{\n", options, 1))
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path),
        "CARTABLE_SITE": SITE, "CARTABLE_TLS": "internal", "CARTABLE_UPSTREAMS": upstream,
        "CARTABLE_TOWN_SITES": "https://", "CARTABLE_TOWN_TLS": "internal",
        "CARTABLE_ASK": f"http://{upstream}/tls/known-host",
    }  # fmt: skip
    command = [require_program("caddy"), "run", "--config", str(file), "--adapter", "caddyfile"]
    with (tmp_path / "caddy.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert wait_until(lambda: _answers(client), 30), (tmp_path / "caddy.log").read_text()
            yield client
    finally:
        process.terminate()
        process.wait(10)


def _answers(client: httpx.Client) -> bool:
    try:
        client.get("/")
    except httpx.TransportError:
        return False
    return True


def test_closed_sites_reach_the_server_and_nothing_is_logged_of_them(http: httpx.Client, tmp_path: Path) -> None:
    response = http.get("/game?level=2", headers={"Host": "closed.example", "Client-Cert": "forged"})
    assert (response.status_code, response.text) == (403, "closed.example None")
    assert response.headers["Seen-As-Plain"] == "1", "so the server takes nothing in clear"
    assert "closed.example" not in (tmp_path / "caddy.log").read_text()


def test_the_sites_own_name_leads_to_https(http: httpx.Client) -> None:
    response = http.get("/today", headers={"Host": SITE})
    assert response.status_code == 308
    assert response.headers["Location"].startswith(f"https://{SITE}")
