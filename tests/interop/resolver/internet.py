"""An internet of a test: an Unbound on loopback that answers every name with one address, and some names with others."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from tests.interop.conftest import require_program
from tests.support.server import find_free_port

#: The address of every host of the test's internet that has no other one below.
ANY_HOST = "192.0.2.1"
HOSTS = {
    "forcesafesearch.google.com": "192.0.2.11",
    "safe.duckduckgo.com": "192.0.2.12",
    "restrict.youtube.com": "192.0.2.13",
    "restrictmoderate.youtube.com": "192.0.2.14",
}


@contextmanager
def start_internet(folder: Path) -> Iterator[str]:
    """Start it and yield its address, as `CARTABLE_RESOLVER_FORWARD_TO` takes it."""
    port = find_free_port()
    lines = [
        "server:", f"  interface: 127.0.0.1@{port}", "  access-control: 127.0.0.0/8 allow", '  username: ""', '  chroot: ""',
        f'  directory: "{folder}"', '  pidfile: ""', "  use-syslog: no", "  do-daemonize: no", '  module-config: "iterator"',
        '  local-zone: "." redirect', f'  local-data: ". 300 A {ANY_HOST}"',
    ]  # fmt: skip
    for host, address in HOSTS.items():
        lines += [f'  local-zone: "{host}." static', f'  local-data: "{host}. 300 A {address}"']
    lines += ["remote-control:", "  control-enable: no", ""]
    configuration = folder / "internet.conf"
    configuration.write_text("\n".join(lines))
    program = require_program("unbound", "/usr/sbin/unbound")
    with (folder / "internet.log").open("wb") as output:
        process = subprocess.Popen([program, "-d", "-p", "-c", str(configuration)], stdout=output, stderr=output)
    try:
        _wait_for_answer(port)
        yield f"127.0.0.1@{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for_answer(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            dns.query.udp(dns.message.make_query("any.example", "A"), "127.0.0.1", port=port, timeout=0.2)
            return
        except (dns.exception.DNSException, OSError):
            assert time.monotonic() < deadline, "the test's internet does not answer"
            time.sleep(0.05)
