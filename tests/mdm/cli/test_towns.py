"""Towns and schools by the command line alone: created, shown, changed; a second run changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cartable.scope import SYSTEM
from cartable.settings import Settings
from enrollment.places.towns import create_town
from mdm.accounts.oidc.models import IdentityProvider
from mdm.accounts.repository import AccountRepository
from mdm.cli.main import main
from mdm.composition import compose
from mdm.setup.checklist import SetupStep, load_checklist


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty, migrated installation in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARTABLE_DATA_DIR", str(tmp_path / "data"))
    assert main(["migrate"]) == 0
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command. Returns its exit code and what it printed."""
    capsys.readouterr()
    code = main(list(arguments))
    printed = capsys.readouterr()
    return code, (printed.out + printed.err).strip()


def test_a_town_and_its_schools(capsys: pytest.CaptureFixture[str], data_folder: Path) -> None:
    create = ("town", "create", "Belleville-sur-Craie", "--zone", "B", "--phone", "01 23 45 67 89")
    code, text = run(capsys, *create)
    assert (code, text.split(",")[0]) == (0, "belleville-sur-craie: Belleville-sur-Craie")
    assert run(capsys, *create) == (0, "belleville-sur-craie exists already: unchanged")
    assert run(capsys, *create, "--host", "tablets.example.fr")[0] == 1, "the host of a town never changes"
    code, text = run(capsys, "town", "create", "Ailleurs", "--host", "Tablets.Ailleurs.Example")
    assert (code, text.endswith("tablets at tablets.ailleurs.example")) == (0, True)
    code, text = run(capsys, "town", "create", "Belleville sur craie")
    assert (code, "Another town" in text, "Une autre ville" in text) == (1, True, True)
    (data_folder / "ecoles.csv").write_text("UAI;Nom\n0922999K;École A\n0929001J;École B\n0929001X;École C\n")
    code, text = run(capsys, "school", "import", "belleville-sur-craie", "ecoles.csv")
    assert (code, text.splitlines()) == (0, ["line 4: 0929001X École C: invalid_uai", "2 created, 1 invalid_uai"])
    assert (
        run(capsys, "school", "add", "belleville-sur-craie", "0922999k", "x")[1] == "0922999K École A exists already: unchanged"
    )
    assert run(capsys, "school", "rename", "0922999K", "École D") == (0, "0922999K École D")
    assert "next school year" in run(capsys, "school", "close", "0929001J", "--successor", "0922999K")[1]
    assert "closed on" in run(capsys, "school", "close", "0929001J")[1]
    assert "closed on" in run(capsys, "school", "list", "belleville-sur-craie")[1]
    assert run(capsys, "school", "open", "0929001J") == (0, "0929001J École B")
    code, text = run(capsys, "school", "merge", "0929001J", "0922999K", "--preview")
    assert (code, "would go into" in text, "closed" in text) == (0, True, False)
    code, text = run(capsys, "school", "merge", "0929001J", "0922999K")
    assert (code, "0 pupils" in text, "closed on" in text) == (0, True, True)
    assert run(capsys, "school", "open", "0929001J")[0] == 0
    code, text = run(
        capsys, "town", "set", "belleville-sur-craie", "--lost-message", "Merci d'appeler.", "--time-zone", "Indian/Reunion"
    )
    assert (code, "Indian/Reunion" in text, "École D" in text) == (0, True, True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("town", "create", "Ville", "--phone", "call me"), "This is not a phone number"),
        (("town", "show", "nowhere"), "Not found"),
        (("school", "add", "nowhere", "0922999K", "A"), "Not found"),
        (("school", "import", "ville", "missing.csv"), "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_both_languages(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    code, text = run(capsys, *arguments)
    assert (code, sentence in text, " / " in text) == (1, True, True)


def test_an_administrator_gets_a_link_and_another_until_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "town", "create", "Ville-Neuve")
    create = ("admin", "create", "--town", "ville-neuve", "claire@ville.example", "Claire Morel")
    code, text = run(capsys, *create)
    assert (code, "/welcome/" in text, "claire@ville.example: works once" in text) == (0, True, True)
    again = run(capsys, *create)
    assert (again[0], again[1] != text) == (0, True)
    code, text = run(capsys, "admin", "create", "--town", "ville-neuve", "claire@ville.example", "Somebody Else")
    assert (code, "This login exists already." in text) == (1, True)
    assert run(capsys, "admin", "create", "--operator", "op", "Operator")[0] == 0
    assert run(capsys, "admin", "create", "--town", "nowhere", "x", "X")[0] == 1


def test_a_backup_is_on_record_for_the_checklist(capsys: pytest.CaptureFixture[str], data_folder: Path) -> None:
    (data_folder / "passphrase").write_text("a passphrase that nobody guesses")
    code, text = run(capsys, "backup", str(data_folder / "monday.backup"), "--passphrase-file", str(data_folder / "passphrase"))
    assert code == 0, text
    with compose(Settings()).open_unit_of_work() as work:
        town = create_town(work, SYSTEM, name="Ville")
        assert dict(load_checklist(work, SYSTEM, town.id).items)[SetupStep.BACKUP]


def test_an_identity_provider_and_its_groups(
    capsys: pytest.CaptureFixture[str], data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARTABLE_ALLOW_PRIVATE_ADDRESSES", "true")
    run(capsys, "town", "create", "Ville-Neuve")
    run(capsys, "school", "add", "ville-neuve", "0922999K", "École A")
    (data_folder / "secret").write_text("a secret of the client\n")
    create = ("provider", "create", "ville-neuve", "http://localhost:1234", "--name", "Ville", "--client-id", "cartable")
    code, text = run(capsys, *create, "--secret-file", "secret")
    assert (code, "http://localhost:1234, client cartable" in text, "/sign-in/callback" in text) == (0, True, True)
    provider_id = text.split()[0]
    assert run(capsys, *create[:-1], "other")[1].split()[0] == provider_id, "changed, not doubled"
    for _ in range(2):
        code, text = run(capsys, "provider", "map", provider_id, "direction", "head", "--school", "0922999k")
        assert (code, text.count("direction: head in school")) == (0, 1)
    assert run(capsys, "provider", "map", provider_id, "x", "operator")[0] == 1, "nobody in a town gives it"
    assert "direction" not in run(capsys, "provider", "unmap", provider_id, "direction", "head", "--school", "0922999K")[1]
    assert run(capsys, "provider", "unmap", provider_id, "direction", "head")[0] == 1
    assert "(off)" in run(capsys, "provider", "off", provider_id)[1]
    assert "(off)" in run(capsys, "provider", "list", "ville-neuve")[1]
    assert "(off)" not in run(capsys, "provider", "on", provider_id)[1]
    with compose(Settings()).open_unit_of_work() as work:
        provider = work.session.query(IdentityProvider).one()
        assert (provider.client_secret, provider.client_id) == ("a secret of the client", "other"), "the secret stays"


def test_the_way_in_by_commands_alone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A town with a school, two administrators, one group of an organisation, and a technician on a mission; nobody opens a browser."""
    monkeypatch.setenv("CARTABLE_ALLOW_PRIVATE_ADDRESSES", "true")
    today = datetime.now(UTC).date()
    provider = ("provider", "create", "ville-neuve", "http://localhost:1234", "--name", "Ville", "--client-id", "cartable")
    for arguments in (
        ("town", "create", "Ville-Neuve", "--phone", "01 23 45 67 89"),
        ("school", "add", "ville-neuve", "0922999K", "École A"),
        ("admin", "create", "--operator", "ops@ville.example", "Exploitation"),
        ("admin", "create", "--town", "ville-neuve", "claire@ville.example", "Claire Morel"),
        ("admin", "create", "--town", "ville-neuve", "bea@ville.example", "Béa Roy"),
        ("technician", "thea", "Théa Tech"),
        ("mission", "create", "ville-neuve", "thea", str(today), str(today + timedelta(days=3)), "mise en service"),
    ):
        assert run(capsys, *arguments)[0] == 0, arguments
    provider_id = run(capsys, *provider)[1].split()[0]
    assert "admins: town_admin" in run(capsys, "provider", "map", provider_id, "admins", "town_admin")[1]
    code, listed = run(capsys, "mission", "list", "ville-neuve")
    assert (code, "thea" in listed, "mise en service" in listed) == (0, True, True)
    with compose(Settings()).open_unit_of_work() as work:
        rows = AccountRepository(work.session).list_administrators(work.now)
        assert {account.login for _, account in rows} == {"claire@ville.example", "bea@ville.example"}
    too_long = ("mission", "create", "ville-neuve", "thea", str(today), str(today + timedelta(days=90)), "reason")
    assert run(capsys, *too_long)[0] == 1
    assert run(capsys, "mission", "create", "ville-neuve", "claire", str(today), str(today), "reason")[0] == 1
    assert run(capsys, "mission", "end", listed.split()[0]) == (0, "ended")
    assert run(capsys, "mission", "list", "ville-neuve") == (0, "")
