"""Every file of the corpus through the API, as the person who uploads it would see: preview, report, confirmation, the same file again,
undo; and every file that must be refused, with its word.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import pytest

from cartable.paging import MAX_LIMIT
from cartable.scope import Role
from tests.conftest import KEYRING
from tests.enrollment.rosters.corpus.bad import BAD
from tests.enrollment.rosters.corpus.good import GOOD, GoodFile
from tests.support import databases, sampling
from tests.support.api import list_all
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

_logins = count(1)
WRITTEN = {"new", "renamed", "moved_class", "changed_grade", "left_file"}


@dataclass
class Desk:
    """An administrator of a town with one empty school."""

    client: httpx.Client
    town_id: UUID
    uai: str

    def upload(self, content: bytes) -> httpx.Response:
        data = {"town_id": str(self.town_id), "school_uai": self.uai}
        return self.client.post("/rosters", files={"file": ("CSVExtraction.csv", content)}, data=data)

    def preview(self, content: bytes) -> dict[str, Any]:
        answer = self.upload(content)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def reasons(self, made: dict[str, Any]) -> dict[str, set[str]]:
        lines = list_all(self.client, f"/rosters/{made['id']}/lines", limit=MAX_LIMIT)
        reasons: dict[str, set[str]] = defaultdict(set)
        for line in lines:
            reasons[line["last_name"]] |= set(line["why"])
        return reasons

    def do(self, made: dict[str, Any], verb: str) -> dict[str, Any]:
        answer = self.client.post(f"/rosters/{made['id']}/{verb}")
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result


@pytest.fixture(scope="module", params=[each for place, each in enumerate(databases.DIALECTS) if sampling.is_turn(place, 2)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("corpus")
    engine = databases.create_sqlite_engine(folder) if request.param == "sqlite" else databases.empty_postgres_engine()
    with start_live_server(engine, KEYRING, folder / "data") as running:
        yield running
    engine.dispose()


@pytest.fixture
def desk(server: LiveServer) -> Iterator[Desk]:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        town_id, uai = town.id, school.uai
    with contextlib.closing(server.sign_in(town_id, Role.TOWN_ADMIN, f"corpus-{next(_logins)}")) as client:
        yield Desk(client, town_id, uai)


def _counted(made: dict[str, Any], subject: str, kind: str) -> int:
    return int(made["counts"]["by_subject"].get(subject, {}).get(kind, 0))


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.name)
def test_a_good_file_from_upload_to_undo(desk: Desk, good: GoodFile) -> None:
    if good.before is not None:
        desk.do(desk.preview(good.before(desk.uai)), "confirm")
    content = good.content(desk.uai)
    made = desk.preview(content)
    brought = tuple(_counted(made, subject, "new") for subject in ("pupil", "guardian", "staff"))
    assert brought == (good.new, good.guardians, good.staff), (made["counts"], dict(desk.reasons(made)) if good.new < 99 else "")
    assert made["counts"]["skipped"] == good.skipped
    assert set(good.ignored) <= set(made["counts"]["ignored"])
    reasons = desk.reasons(made)
    for name, why in good.expected_reasons.items():
        assert reasons[name] == ({why} if why else set()), (name, reasons[name])
    assert set(good.same_names) <= set(reasons)
    _the_report_is_whole(desk, made)

    assert desk.do(made, "confirm")["state"] == "confirmed"
    again = desk.preview(content)
    changing = {kind: again["counts"][kind] for kind in WRITTEN if again["counts"][kind]}
    assert changing == {}, (changing, dict(desk.reasons(again)) if good.new < 99 else "")
    assert again["counts"]["unchanged"] == good.new + good.guardians + good.staff

    assert desk.do(made, "undo")["state"] == "undone"
    once_more = desk.preview(content)
    assert once_more["counts"] == made["counts"], "as if it had never been"


def _the_report_is_whole(desk: Desk, made: dict[str, Any]) -> None:
    report = desk.client.get(f"/rosters/{made['id']}/report.csv").content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(report), delimiter=";"))
    line_count = sum(made["counts"][kind] for kind in (*WRITTEN, "unchanged", "duplicate", "ambiguous", "invalid"))
    assert len(rows) == line_count + 1
    assert not [cell for row in rows for cell in row if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert desk.client.get(f"/rosters/{made['id']}/report.xlsx").content[:2] == b"PK"


@pytest.mark.parametrize(("content", "why"), [each[1:] for each in BAD], ids=[each[0] for each in BAD])
def test_a_bad_file_is_refused_with_its_word(desk: Desk, content: Any, why: str) -> None:
    answer = desk.upload(content() if callable(content) else content)
    assert (answer.status_code, answer.json()["code"], answer.json()["details"]["why"]) == (422, "unreadable_roster", why)
    assert desk.client.get("/rosters", params={"town_id": str(desk.town_id)}).json()["items"] == [], "nothing is kept of it"
