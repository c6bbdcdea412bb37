"""`cartable doctor` and the checks at the start: each thing that is wrong is told in a sentence, with what to do."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cartable.setting_names import list_unknown_settings
from cartable.settings import Settings
from mdm.cli import preflight
from mdm.cli.main import main

SECRET = "MARKED-SECRET"


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty, migrated installation in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARTABLE_DATA_DIR", str(tmp_path / "data"))
    assert main(["migrate"]) == 0
    return tmp_path / "data"


def diagnose(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the doctor. Returns its exit code and the worst finding of each check."""
    capsys.readouterr()
    code = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == code
    order = ["good", "warning", "failed"]
    return code, {each["check"]: each for each in sorted(report["checks"], key=lambda each: order.index(each["health"]))}


def run_worker() -> int:
    """Start a worker that cannot start. Returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["worker"])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_new_installation_lacks_the_push_certificate_alone(capsys: pytest.CaptureFixture[str]) -> None:
    code, checks = diagnose(capsys)
    assert code == 2
    assert [name for name, each in checks.items() if each["health"] == "failed"] == ["push certificate"]
    assert {
        "database",
        "migrations",
        "writes",
        "timeline",
        "data folder",
        "disk",
        "clock",
        "history",
        "time zones",
        "broker",
        "settings",
    } <= checks.keys()
    assert all(each["remedy"] for each in checks.values() if each["health"] != "good")
    assert main(["doctor"]) == 2
    assert "-> See docs/operator/README.md" in capsys.readouterr().out


def test_it_sees_open_files_a_missing_key_and_an_unknown_setting(
    capsys: pytest.CaptureFixture[str], data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data_folder / "secrets" / "master.key").chmod(0o644)
    monkeypatch.setenv("CARTABLE_PUBLIK_URL", SECRET)
    _, checks = diagnose(capsys)
    assert "secrets/master.key" in checks["data folder"]["text"]
    assert "CARTABLE_PUBLIK_URL" in checks["settings"]["text"]
    assert "CARTABLE_PUBLIC_URL" in checks["settings"]["remedy"]
    assert SECRET not in json.dumps(checks)
    (data_folder / "secrets" / "master.key").unlink()
    _, checks = diagnose(capsys)
    assert checks["master key"]["health"] == "failed"


def test_it_sees_a_database_that_lacks_migrations_and_one_that_is_gone(
    capsys: pytest.CaptureFixture[str], data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(data_folder / "cartable.db")) as connection, connection:
        connection.execute("DELETE FROM alembic_version")
    _, checks = diagnose(capsys)
    assert "cartable migrate" in checks["migrations"]["remedy"]
    monkeypatch.setenv("CARTABLE_DATABASE_URL", f"postgresql+psycopg://cartable:{SECRET}@127.0.0.1:1/cartable")
    _, checks = diagnose(capsys)
    assert checks["database"]["health"] == "failed"
    assert SECRET not in json.dumps(checks)


def test_it_sees_a_broker_that_does_not_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTABLE_BROKER_URL", f"redis://:{SECRET}@127.0.0.1:1/0")
    _, checks = diagnose(capsys)
    assert checks["broker"]["health"] == "failed"
    assert SECRET not in json.dumps(checks)


def test_another_database_than_that_of_the_data_folder_is_refused(
    capsys: pytest.CaptureFixture[str], data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mdm.care.restores.service import TimelineWatch
    from mdm.composition import compose

    runtime = compose(Settings())
    TimelineWatch(runtime).check()
    runtime.engine.dispose()
    monkeypatch.setenv("CARTABLE_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    assert main(["migrate"]) == 0
    assert main(["serve"]) == 1
    assert "the database is empty" in capsys.readouterr().err
    code, checks = diagnose(capsys)
    assert (code, checks["timeline"]["health"]) == (2, "failed")


def test_a_start_says_what_is_wrong_in_one_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTABLE_WEB_WORKERS", "2")
    assert main(["serve"]) == 1
    assert "CARTABLE_BROKER_URL" in capsys.readouterr().err
    monkeypatch.setenv("CARTABLE_WEB_WORKERS", "1")
    assert run_worker() == 1
    assert "inside `cartable serve`" in capsys.readouterr().err
    monkeypatch.setenv("CARTABLE_DATABASE_URL", f"postgresql+psycopg://cartable:{SECRET}@127.0.0.1:1/cartable")
    monkeypatch.setenv("CARTABLE_BROKER_URL", "redis://127.0.0.1:1/0")
    assert run_worker() == 1
    printed = capsys.readouterr()
    assert "the database does not answer" in printed.err
    assert "Traceback" not in printed.err
    assert SECRET not in printed.err + printed.out


def test_a_changed_address_is_told_at_each_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTABLE_PUBLIC_URL", "https://mdm.test:8443")
    assert preflight.list_start_warnings(Settings(), has_enrollments=False) == []
    assert preflight.list_start_warnings(Settings(), has_enrollments=True) == []
    monkeypatch.setenv("CARTABLE_PUBLIC_URL", "https://mdm.test:443")
    [sentence] = preflight.list_start_warnings(Settings(), has_enrollments=True)
    assert "https://mdm.test:8443" in sentence


def test_unknown_settings_are_found_in_the_file_too(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("CARTABLE_BIND_PROT=1\nOTHER=2\nCARTABLE_BIND_HOST=x\n")
    unknown = list_unknown_settings({"CARTABLE_VENV": "x", "cartable_zzz": "1", "PATH": "x"}, file)
    assert unknown == [("CARTABLE_BIND_PROT", "CARTABLE_BIND_PORT"), ("cartable_zzz", None)]
