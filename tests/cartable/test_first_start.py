"""Processes of a new installation that start at the same moment share one master key, one CA for TLS and one for tablets."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest
from sqlalchemy import Engine, func, select

from cartable.clock import SystemClock
from cartable.master_keys import KeyFolder
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import profile_signing, tls
from enrollment.identity import service as identity
from enrollment.identity.models import CertificateAuthority
from tests.conftest import KEYRING

T = TypeVar("T")
PROCESSES = 4


@pytest.fixture
def empty(engine: Engine, tmp_path: Path) -> Runtime:
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", public_url="https://localhost")
    return Runtime(settings=settings, engine=engine, clock=SystemClock(), keyring=KEYRING)


def _run_at_once(act: Callable[[], T]) -> list[T]:
    barrier = Barrier(PROCESSES)

    def wait_and_act() -> T:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(PROCESSES) as pool:
        return [future.result() for future in [pool.submit(wait_and_act) for _ in range(PROCESSES)]]


def test_one_master_key(empty: Runtime) -> None:
    keys = _run_at_once(lambda: KeyFolder(empty.settings).load().current)
    assert set(keys) == {(empty.settings.secrets_dir / "master.key").read_bytes()}


def test_one_tls_authority_and_one_server_certificate(empty: Runtime) -> None:
    def ensure() -> bytes:
        with empty.open_unit_of_work() as work:
            chain, _ = tls.ensure_server_certificate(work, ["localhost"])
            certificate, key = tls.ensure_tls_authority(work)
            assert certificate.public_key() == key.public_key()
            return chain.read_bytes()

    assert len(set(_run_at_once(ensure))) == 1


def test_one_signer_of_profiles(empty: Runtime) -> None:
    def ensure() -> int:
        with empty.open_unit_of_work() as work:
            return profile_signing.load_profile_signer(work)[0].serial_number

    assert len(set(_run_at_once(ensure))) == 1


def test_one_authority_of_tablets(empty: Runtime) -> None:
    def ensure() -> object:
        with empty.open_unit_of_work() as work:
            return identity.ensure_authority(work).id

    assert len(set(_run_at_once(ensure))) == 1
    with empty.open_unit_of_work() as work:
        assert work.session.scalar(select(func.count()).select_from(CertificateAuthority)) == 1
