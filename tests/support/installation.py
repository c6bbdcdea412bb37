"""An installation's keys and certificates, made once per process and copied into each test's database and data folder.

Making them costs about a second, and no test is about making them: those call `ensure_authority` and its like themselves.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, select

from cartable.clock import ManualClock, SystemClock
from cartable.crypto import Keyring
from cartable.database import Base
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import profile_signing, tls
from enrollment.identity import service as identity
from enrollment.identity.models import CertificateAuthority
from mdm.push import certificates
from mdm.push.models import PushCertificate
from tests.support import databases

HOST_NAMES = ["localhost", "127.0.0.1"]
Row = tuple[type[Base], dict[str, Any]]


def install(runtime: Runtime, at: datetime | None = None) -> None:
    """Give `runtime` a device CA, a TLS server certificate for this machine, a signer of profiles, and a simulated push certificate.

    They were made at `at`, or just now.
    """
    secrets, rows = _make_once(runtime.keyring, at)
    shutil.copytree(secrets, runtime.settings.secrets_dir, dirs_exist_ok=True)
    with runtime.open_unit_of_work() as work:
        for model, values in rows:
            work.session.add(model(**values))


@cache
def _make_once(keyring: Keyring, at: datetime | None) -> tuple[Path, list[Row]]:
    folder = Path(tempfile.mkdtemp(prefix="cartable-keys-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = Settings(_env_file=None, data_dir=folder, public_url="https://localhost")
    engine = databases.create_sqlite_engine(folder)
    runtime = Runtime(settings=settings, engine=engine, clock=ManualClock(at) if at else SystemClock(), keyring=keyring)
    with runtime.open_unit_of_work() as work:
        identity.ensure_authority(work)
        tls.ensure_server_certificate(work, HOST_NAMES)
        certificates.ensure_simulated_certificate(work)
        profile_signing.load_profile_signer(work)
    with runtime.open_unit_of_work() as work:
        rows = [_values(row) for model in (CertificateAuthority, PushCertificate) for row in work.session.scalars(select(model))]
    engine.dispose()
    return settings.secrets_dir, rows


def _values(row: Base) -> Row:
    mapper = inspect(type(row))
    return type(row), {attribute.key: getattr(row, attribute.key) for attribute in mapper.column_attrs}
