"""Uploads are read outside any transaction: while one is being read, tablets are answered and other requests go on."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest

from cartable import uploads
from cartable.scope import Role
from cartable.uploads import UploadsBusy, UploadTooSlow, check_time, reading_upload
from enrollment.places.models import Town
from enrollment.rosters.imports import service
from profiles.filters.service import read_lists
from simulator import SimulatedTablet
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.profiles.filters.test_lists import archive
from tests.support.enrolled import run_scenario
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_a_tablet_is_answered_while_a_roster_is_being_read(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader stops in the middle of the file until the tablet has had its answers; on SQLite one transaction would block it."""
    is_reading, may_go_on = threading.Event(), threading.Event()
    read_file = service.read_file

    def read_slowly(content: bytes, options: service.ReadingOptions) -> service.RosterFile:
        is_reading.set()
        assert may_go_on.wait(20)
        return read_file(content, options)

    monkeypatch.setattr(service, "read_file", read_slowly)

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


def test_reading_has_a_time_limit_and_few_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "WAITING_SECONDS", 0.0)
    check_time()  # outside a turn there is no limit
    with pytest.raises(UploadTooSlow), reading_upload(seconds=-1):
        check_time()
    with reading_upload(), reading_upload(), pytest.raises(UploadsBusy), reading_upload():
        pass
    with reading_upload():
        check_time()


def test_an_archive_that_takes_too_long_is_refused() -> None:
    with pytest.raises(UploadTooSlow), reading_upload(seconds=-1):
        read_lists(archive({"l/games/domains": b"a.example\n"}))
