"""A live server whose authority keys were moved to a signer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from enrollment.identity.ca import ensure_authority
from enrollment.identity.signing.remote import RemoteSigner
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server
from tests.support.signer_process import SignerProcess, move_keys_to_signer


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running


@pytest.fixture
def signer(server: LiveServer, tmp_path: Path) -> Iterator[SignerProcess]:
    """The files of a signer after the move; the test starts the process."""
    with move_keys_to_signer(server.runtime, tmp_path) as signer:
        yield signer


@pytest.fixture
def remote(server: LiveServer, signer: SignerProcess) -> RemoteSigner:
    with server.runtime.open_unit_of_work() as work:
        return RemoteSigner(ensure_authority(work).certificate, signer.socket)
