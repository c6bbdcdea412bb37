"""Marked secrets in the settings appear in nothing that a process prints, whatever fails."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from cartable import redaction
from cartable.redaction import collect_secrets, redact
from cartable.telemetry import configure_logging

ROOT = Path(__file__).parents[2]
DATABASE = "postgresql+psycopg://cartable:MARKED%2FDATABASE@127.0.0.1:1/cartable"
BROKER = "redis://:MARKED-BROKER@127.0.0.1:1/0"
SETTINGS = {"CARTABLE_DATABASE_URL": DATABASE, "CARTABLE_BROKER_URL": BROKER}


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging as a process with these settings has it."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    redaction._load_process_secrets.cache_clear()
    hooks = sys.excepthook, logging.root.handlers[:], logging.root.level, structlog.get_config()
    yield
    redaction._load_process_secrets.cache_clear()
    sys.excepthook, logging.root.handlers[:], logging.root.level = hooks[:3]
    structlog.configure(**hooks[3])


def test_secrets_are_passwords_of_addresses_and_settings_that_are_not_shown() -> None:
    assert collect_secrets(SETTINGS) == {"MARKED%2FDATABASE", "MARKED/DATABASE", "MARKED-BROKER"}
    assert collect_secrets({"PATH": DATABASE, "CARTABLE_PUBLIC_URL": "https://mdm.test:8443"}) == frozenset()
    assert redact("MARKED/DATABASE at mdm.test", {"MARKED/DATABASE"}) == "*** at mdm.test"
    assert redact("smtp://mail:otherone@relay", ()) == "smtp://mail:***@relay"
    assert redact("https://mdm.test:8443/join and a@b.test", ()) == "https://mdm.test:8443/join and a@b.test"


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("as_json", [True, False])
def test_no_log_line_and_no_traceback_holds_a_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, as_json: bool
) -> None:
    handler = logging.StreamHandler(sys.stderr)  # as uvicorn makes one
    monkeypatch.setattr(logging.getLogger("uvicorn"), "handlers", [handler])
    configure_logging(json=as_json)
    log = structlog.get_logger()
    url = DATABASE  # a local variable, which a rich traceback would print
    try:
        raise ConnectionError(f"cannot connect to {url} or {BROKER}")
    except ConnectionError as error:
        log.exception("worker.job_failed", detail=str(error))
        logging.getLogger("celery.worker").exception("no connection to %s", BROKER)
        logging.getLogger("uvicorn.error").exception("no connection to %s", BROKER)
        sys.excepthook(type(error), error, error.__traceback__)
    printed = capsys.readouterr().err
    assert printed.count("ConnectionError") >= 3
    assert "MARKED" not in printed
    if as_json:
        assert json.loads(printed.splitlines()[0])["event"] == "worker.job_failed"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "mdm", "migrate"],
        [
            "-c",
            "from mdm.worker.app import create_production_app as create; app = create(); app.send_task('cartable.sweep', retry=False)",
        ],
        ["-c", "from mdm.cli.main import main; from cartable.settings import Settings; main(['clock', 'show'])"],
    ],
    ids=["migrate", "broker away", "command"],
)
def test_a_process_that_fails_prints_no_secret(arguments: list[str], tmp_path: Path) -> None:
    environment = os.environ | SETTINGS | {"CARTABLE_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=60
    )
    printed = (finished.stdout + finished.stderr).decode()
    assert finished.returncode != 0
    assert "Error" in printed or "cannot start" in printed
    assert "MARKED" not in printed
