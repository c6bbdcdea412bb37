"""The real process `cartable signer` on a real socket, with the key that was moved out of a running server's database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine

from enrollment.identity.ca import ensure_authority
from enrollment.identity.signing.remote import RemoteSigner
from mdm.cli.moving_authority import move_authority_keys
from mdm.cli.signer import READY
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server


@dataclass
class SignerProcess:
    """`cartable signer` as an operator starts it, killed and started again at will."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "signer.sock"

    @property
    def key_file(self) -> Path:
        return self.folder / "state" / "signer.key"

    def start(self, **settings: object) -> None:
        values = {"SIGNER_SOCKET": self.socket, "SIGNER_KEY_FILE": self.key_file, **settings}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CARTABLE_")}
        environment |= {f"CARTABLE_{name}": str(value) for name, value in values.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mdm", "signer"], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert self.process.stderr is not None
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if line.startswith(READY):
                return
        raise AssertionError("".join(lines))

    def kill(self) -> None:
        """End it as `kill -9` does, without a chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()
        self.process = None


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running


@pytest.fixture
def signer(server: LiveServer, tmp_path: Path) -> Iterator[SignerProcess]:
    """The files of a signer after the move; the test starts the process."""
    signer = SignerProcess(tmp_path)
    signer.socket.parent.mkdir(mode=0o750)
    server.runtime.settings = server.runtime.settings.model_copy(
        update={"signer_socket": signer.socket, "signer_key_file": signer.key_file}
    )
    assert move_authority_keys(server.runtime) == 0
    yield signer
    if signer.process is not None:
        signer.kill()


@pytest.fixture
def remote(server: LiveServer, signer: SignerProcess) -> RemoteSigner:
    with server.runtime.open_unit_of_work() as work:
        return RemoteSigner(ensure_authority(work).certificate, signer.socket)
