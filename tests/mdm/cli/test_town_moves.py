"""A town moves by the commands alone: exported, removed after two confirmations, imported again; each refusal is a sentence."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mdm.cli.main import main


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty, migrated installation in a folder of its own, and a passphrase."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARTABLE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "passphrase").write_text("correct horse battery staple\n")
    assert main(["migrate"]) == 0
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command. Returns its exit code and what it printed."""
    capsys.readouterr()
    code = main(list(arguments))
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def answer(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_a_town_is_exported_removed_and_imported(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    passphrase = ("--passphrase-file", "passphrase")
    assert run(capsys, "town", "create", "Ici", "--host", "tablets.ici.example")[0] == 0
    code, text = run(capsys, "export-town", "ici", "ici.town", "--for-server", *passphrase)
    assert (code, "Proof for `cartable remove-town`" in text) == (0, True)
    assert run(capsys, "export-town", "ici", "ici.town", "--for-server", *passphrase)[0] == 1, "it overwrites nothing"
    code, text = run(capsys, "import-town", "ici.town", *passphrase)
    assert (code, "nothing was imported: the town ici is on this server already" in text) == (1, True)

    answer(monkeypatch, "0", "ici")
    code, text = run(capsys, "remove-town", "ici")
    assert (code, "nothing was removed" in text) == (1, True), "the short name is not the full one"
    assert "ici:" in run(capsys, "town", "list")[1]
    answer(monkeypatch, "0", "Ici")
    assert run(capsys, "remove-town", "ici")[0] == 0
    assert "ici:" not in run(capsys, "town", "list")[1]

    code, text = run(capsys, "import-town", "ici.town", *passphrase)
    assert (code, "Let the name tablets.ici.example lead to this server" in text) == (0, True)
    assert "ici:" in run(capsys, "town", "list")[1]
    assert run(capsys, "audit", "verify")[0] == 0


def test_a_wrong_passphrase_is_a_sentence(capsys: pytest.CaptureFixture[str], data_folder: Path) -> None:
    (data_folder / "short").write_text("short")
    run(capsys, "town", "create", "Ici")
    code, text = run(capsys, "export-town", "ici", "ici.town", "--for-server", "--passphrase-file", "short")
    assert (code, "12 characters or more" in text) == (1, True)
    run(capsys, "export-town", "ici", "ici.town", "--for-server", "--passphrase-file", "passphrase")
    (data_folder / "short").write_text("another passphrase")
    code, text = run(capsys, "import-town", "ici.town", "--passphrase-file", "short")
    assert (code, "the passphrase is wrong" in text) == (1, True)
