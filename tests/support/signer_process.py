"""The real process `cartable signer` on a real socket, with the keys that were moved out of a running server's database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cartable.unit_of_work import Runtime
from mdm.cli.moving_authority import move_authority_keys
from mdm.cli.signer import READY


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


@contextmanager
def move_keys_to_signer(runtime: Runtime, folder: Path) -> Iterator[SignerProcess]:
    """Move the authority keys of a running server to a signer, which the test starts; it is killed at the end."""
    signer = SignerProcess(folder)
    signer.socket.parent.mkdir(mode=0o750)
    runtime.settings = runtime.settings.model_copy(update={"signer_socket": signer.socket, "signer_key_file": signer.key_file})
    assert move_authority_keys(runtime) == 0
    try:
        yield signer
    finally:
        if signer.process is not None:
            signer.kill()
