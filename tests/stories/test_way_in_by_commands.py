"""The way in by commands alone, on an empty installation: a town, its school and roster, a colleague, a teacher with the first tablet."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cartable.settings import Settings
from enrollment.facts import load_facts
from enrollment.people.models import Pupil, StaffMember
from enrollment.tablets.models import TabletState
from enrollment.tablets.repository import TabletRepository
from mdm.cli.main import main
from mdm.composition import compose
from simulator import SimulatedTablet
from tests.support.server import LiveServer, start_live_server

ROSTER = (
    "school_uai;class;level;last_name;first_name;take_home;inventory_tag\n"
    "0922999K;CE2 A;CE2;MARTIN;Zoé;;\n0922999K;CE2 A;CE2;PETIT;Ali;;\n0922999K;CE2 A;XX9;FAUX;Niveau;;\n"
)
PASSWORD = "a sentence of her own"


@pytest.fixture
def empty_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    """A running server on a migrated installation without a town; commands find it by their environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARTABLE_DATA_DIR", str(tmp_path / "data"))
    assert main(["migrate"]) == 0
    runtime = compose(Settings())
    with start_live_server(runtime.engine, runtime.keyring, tmp_path / "data") as started:
        monkeypatch.setenv("CARTABLE_PUBLIC_URL", started.url)
        yield started
    runtime.engine.dispose()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


class Command:
    """Runs commands, each of which must succeed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run a command and return what it printed."""
        self.capsys.readouterr()
        assert main(list(words)) == code, self.capsys.readouterr()
        printed = self.capsys.readouterr()
        return printed.out + printed.err


def test_from_nothing_to_a_teacher_with_a_tablet(empty_server: LiveServer, run: Command, tmp_path: Path) -> None:
    run("town", "create", "Ville-Neuve", "--phone", "01 23 45 67 89")
    run("school", "add", "ville-neuve", "0922999K", "École A")
    (tmp_path / "roster.csv").write_text(ROSTER)
    preview = run("roster", "import", "ville-neuve", "roster.csv")
    assert "2 new" in preview
    assert "line 4: invalid" in preview
    assert count_people(empty_server) == (0, 0), "nothing is written before it is confirmed"
    import_id = preview.partition(":")[0]
    assert "2 new" in run("roster", "confirm", import_id)
    run("roster", "confirm", import_id, code=1)
    assert count_people(empty_server) == (2, 0)

    teacher_id = run("staff", "add", "0922999k", "Durand", "Paule", "--email", "paule@ville.example").split()[0]
    assert run("staff", "add", "0922999K", "Durand", "Paule", "--email", "paule@ville.example").split()[0] == teacher_id
    assert run("staff", "list", "ville-neuve").strip() == f"{teacher_id} Paule Durand"
    colleague = ("colleague", "invite", "ville-neuve", "paule@ville.example", "Paule Durand", "--role", "teacher")
    for place in ((), ("--school", "0922999K"), ("--school", "0922999K", "--class", "CM2")):
        run(*colleague, *place, code=1)  # a teacher has a class
    sign_in(empty_server, run(*colleague, "--school", "0922999K", "--class", "ce2 a").split()[0])

    invited = run("tablet", "invite", "ville-neuve", "--staff", teacher_id)
    assert "█" in invited or "▀" in invited, "a QR code for the camera of the tablet"
    asyncio.run(enrol_and_obey(empty_server, invited.split()[0], teacher_id))
    stock = run("tablet", "invite", "ville-neuve", "--school", "0922999K", "--uses", "30", "--no-qr").splitlines()
    assert (stock[0].startswith(f"{empty_server.url}/join/"), "for 30 tablet(s)" in stock[1], len(stock)) == (True, True, 2)


def test_an_import_that_is_discarded_cannot_be_confirmed(empty_server: LiveServer, run: Command, tmp_path: Path) -> None:
    run("town", "create", "Ville-Neuve")
    run("school", "add", "ville-neuve", "0922999K", "École A")
    (tmp_path / "roster.csv").write_text(ROSTER)
    import_id = run("roster", "import", "ville-neuve", "roster.csv", "--school", "0922999k").partition(":")[0]
    run("roster", "discard", import_id)
    run("roster", "confirm", import_id, code=1)
    (tmp_path / "other.csv").write_text("Article;Prix\nStylo;2\n")
    run("roster", "import", "ville-neuve", "other.csv", code=1)
    with pytest.raises(SystemExit, match="cannot be read"):
        run("roster", "import", "ville-neuve", "missing.csv")
    assert count_people(empty_server) == (0, 0)


def count_people(server: LiveServer) -> tuple[int, int]:
    """The pupils and the adults of the installation."""
    with server.runtime.open_unit_of_work() as work:
        return work.session.query(Pupil).count(), work.session.query(StaffMember).count()


def sign_in(server: LiveServer, link: str) -> None:
    """Choose a password by a link, and sign in with it."""
    with httpx.Client(verify=ssl.create_default_context(cafile=str(server.ca)), timeout=20) as client:
        assert client.post(link, data={"password": PASSWORD, "again": PASSWORD}).status_code == 303
        opened = client.post(f"{server.url}/api/v1/tokens", json={"login": "paule@ville.example", "password": PASSWORD})
        assert opened.status_code == 200, opened.text


async def enrol_and_obey(server: LiveServer, url: str, teacher_id: str) -> None:
    """Enrol by the address of the invitation; the tablet is then the teacher's."""
    async with SimulatedTablet(code=url, ca=server.ca) as tablet:
        await tablet.enrol()
        for _ in range(4):
            await asyncio.to_thread(server.run_worker)
            assert (await tablet.poll()).http_status == 200
        with server.runtime.open_unit_of_work() as work:
            row = TabletRepository(work.session).get_by_serial(tablet.serial)
            assert row is not None
            assert (str(load_facts(work, [row.id])[row.id].staff_id), row.state) == (teacher_id, TabletState.IN_USE)
