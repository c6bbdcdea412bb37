"""Uploads are read outside any transaction: while one is being read, tablets are answered and other requests go on."""

from __future__ import annotations

import asyncio
import io
import threading
import time
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, event

from cartable import limited_process, uploads
from cartable.scope import Role
from cartable.spreadsheets import build_workbook
from cartable.uploads import ReadingLimits, UploadsBusy, hold_upload_slot
from enrollment.places.models import Town
from simulator import SimulatedTablet
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support.enrolled import run_scenario
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_a_tablet_is_answered_while_a_roster_is_being_read(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader stops in the middle of the file until the tablet has had its answers; on SQLite one transaction would block it."""
    is_reading, may_go_on = threading.Event(), threading.Event()
    run_limited = limited_process.run_limited

    def read_slowly(function: Callable[..., object], *arguments: object, **limits: Any) -> object:
        is_reading.set()
        assert may_go_on.wait(20)
        return run_limited(function, *arguments, **limits)

    monkeypatch.setattr(uploads, "run_limited", read_slowly)

    async def scenario(tablet: SimulatedTablet) -> None:
        with server.runtime.open_unit_of_work() as work:
            town = work.session.query(Town).first()
            assert town is not None
            school = TownFactory(work).create_school(town)
        client = await asyncio.to_thread(server.sign_in, town.id, Role.TOWN_ADMIN, "admin")
        files = {"file": ("onde.csv", text_file(ONDE, onde_line("MARTIN", "Zoé")))}
        answers: list[httpx.Response] = []
        upload = threading.Thread(
            target=lambda: answers.append(
                client.post("/rosters", data={"town_id": str(town.id), "school_uai": school.uai}, files=files)
            )
        )
        upload.start()
        try:
            assert await asyncio.to_thread(is_reading.wait, 20)
            assert (await tablet.channel.send_check_in("TokenUpdate", {"Token": b"t" * 32, "PushMagic": "m"})).status == 200
            await tablet.poll()
            assert not answers, "the file is still being read"
        finally:
            may_go_on.set()
            await asyncio.to_thread(upload.join, 20)
        assert answers[0].status_code == 201, answers[0].text
        client.close()

    run_scenario(server, scenario)


def test_files_are_read_in_few_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "WAITING_SECONDS", 0.0)
    with hold_upload_slot(), hold_upload_slot(), pytest.raises(UploadsBusy), hold_upload_slot():
        pass
    with hold_upload_slot():
        pass


def _build_expanding_sheet() -> bytes:
    """Return a workbook of some kilobytes whose sheet has 50 MB."""
    buffer = io.BytesIO(build_workbook([["Nom", "Prénom"]]))
    with zipfile.ZipFile(buffer) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    row = b'<row><c t="inlineStr"><is><t>a</t></is></c></row>'
    head, _, tail = parts[name].partition(b"</sheetData>")
    parts[name] = head + row * (50 * 2**20 // len(row)) + b"</sheetData>" + tail
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return out.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "sheet": _build_expanding_sheet,
    "csv": lambda: b"Nom;Pr\xc3\xa9nom\n" + b";\n" * 2_000_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_time_and_other_requests_are_answered(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, bomb: str
) -> None:
    monkeypatch.setattr(uploads, "DEFAULT_LIMITS", ReadingLimits(cpu_seconds=1))
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        school = TownFactory(work).create_school(town)
    client = server.sign_in(town.id, Role.TOWN_ADMIN, "admin")
    other = server.sign_in(town.id, Role.TOWN_ADMIN, "colleague")
    answers: list[httpx.Response] = []

    def upload() -> None:
        files = {"file": ("onde.csv", BOMBS[bomb]())}
        answers.append(client.post("/rosters", data={"town_id": str(town.id), "school_uai": school.uai}, files=files))

    thread, begun = threading.Thread(target=upload), time.monotonic()
    thread.start()
    longest = 0.0
    while thread.is_alive():
        asked = time.monotonic()
        assert other.get("/schools").status_code == 200
        longest = max(longest, time.monotonic() - asked)
    client.close()
    other.close()
    assert answers[0].status_code == 422, answers[0].text
    assert time.monotonic() - begun < 20
    assert longest < 2


@pytest.mark.parametrize(
    "path", ["/schools/import", "/rosters", "/rosters/columns", "/rosters/exports/apple-school-manager", "filter-lists"]
)
def test_no_transaction_is_open_while_a_file_is_read(server: LiveServer, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """What reads the file writes to the database meanwhile, which on SQLite no open transaction of another would allow."""
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        school = TownFactory(work).create_school(town)
    path = f"/towns/{town.id}/filter-lists" if path == "filter-lists" else path
    client, states = server.sign_in(town.id, Role.TOWN_ADMIN, "admin"), []
    open_now: set[int] = set()
    engine = server.runtime.engine

    def note_begin(_connection: Connection) -> None:
        open_now.add(threading.get_ident())

    def note_end(_connection: Connection) -> None:
        open_now.discard(threading.get_ident())

    event.listen(engine, "begin", note_begin)
    for name in ("commit", "rollback"):
        event.listen(engine, name, note_end)

    def read(function: Callable[..., object], *arguments: object, **limits: Any) -> object:
        states.append(threading.get_ident() in open_now)
        raise limited_process.FileTooDemanding

    monkeypatch.setattr(uploads, "run_limited", read)
    response = client.post(
        path,
        data={"town_id": str(town.id), "school_uai": school.uai},
        files={"file": ("list.csv", b"0929001J;Jules"), "template": ("t.zip", b"PK")},
    )
    client.close()
    assert (response.status_code, states) == (422, [False]), response.text
