"""A certificate obtained with certbot's ACME library, which shares no code with this project."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.settings import Acme
from simulator import Attester, jose
from tests.conftest import KEYRING
from tests.enrollment.identity.acme.conftest import Bench, bench_on
from tests.interop.conftest import require_program
from tests.support.server import LiveServer, start_live_server

#: Debian's python3-acme, for the machine's own interpreter.
LIBRARY = "/usr/lib/python3/dist-packages/acme/client.py"
SCRIPT = Path(__file__).with_name("certbot_client.py")


@pytest.fixture(scope="module")
def attester() -> Attester:
    return Attester()


@pytest.fixture
def server(engine: Engine, tmp_path: Path, attester: Attester) -> Iterator[LiveServer]:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(attester.root_pem)
    clock = ManualClock(datetime.now(UTC))
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, acme=Acme.REQUIRED, attestation_roots=roots) as running:
        yield running


@pytest.fixture
def bench(server: LiveServer, attester: Attester) -> Iterator[Bench]:
    with bench_on(server, attester) as made:
        yield made


def test_certbots_library_obtains_a_certificate(bench: Bench, tmp_path: Path) -> None:
    require_program(LIBRARY)
    command = ["/usr/bin/python3", str(SCRIPT), f"{bench.server.url}/acme/directory", bench.identifier()]
    environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(bench.server.ca)}
    with (
        (tmp_path / "errors").open("w+") as errors,
        subprocess.Popen(command, stdin=-1, stdout=-1, stderr=errors, text=True, env=environment) as running,
    ):
        assert running.stdin is not None
        assert running.stdout is not None
        first = running.stdout.readline()
        if first:
            asked = json.loads(first)
            key = load_pem_private_key(asked["key"].encode(), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            attested = bench.attester.attest_key(key, bench.hardware, asked["token"])
            running.stdin.write(jose.encode_base64url(attested) + "\n")
            running.stdin.flush()
        last = running.stdout.readline()
        running.stdin.close()
        assert running.wait(30) == 0, (tmp_path / "errors").read_text()[-3000:]
    issued, authority = x509.load_pem_x509_certificates(json.loads(last)["chain"].encode())
    issued.verify_directly_issued_by(authority)
    assert issued.public_key() == key.public_key()
