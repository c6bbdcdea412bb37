"""Rosters over real HTTPS: columns by hand, the report as files, decisions, two people, undo, refusals with stable codes."""

from __future__ import annotations

import contextlib
import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from python_calamine import CalamineWorkbook

from cartable.scope import Role
from enrollment.places.models import School, Town
from tests.enrollment.rosters.files import ONDE, OWN, onde_line, text_file
from tests.support.api import list_all
from tests.support.server import LiveServer
from tests.support.world import TownFactory

FILE = text_file(ONDE, *(onde_line(f"NOM{n}", "Zoé", ine=f"{n:010d}A") for n in range(20)))


@pytest.fixture
def place(server: LiveServer) -> tuple[Town, School]:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        return town, world.create_school(town)


@pytest.fixture
def people(server: LiveServer, place: tuple[Town, School]) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    with contextlib.ExitStack() as stack:
        yield tuple(  # type: ignore[misc]
            stack.enter_context(contextlib.closing(server.sign_in(place[0].id, Role.TOWN_ADMIN, login)))
            for login in ("one", "two")
        )


def upload(
    client: httpx.Client, place: tuple[Town, School], content: bytes, path: str = "/rosters", **form: str
) -> httpx.Response:
    data = {"town_id": str(place[0].id), "school_uai": place[1].uai, **form}
    return client.post(path, files={"file": ("CSVExtraction.csv", content)}, data=data)


def test_lines_are_read_page_by_page_and_by_kind(people: tuple[httpx.Client, httpx.Client], place: tuple[Town, School]) -> None:
    one, _ = people
    made = upload(one, place, FILE).json()
    lines = list_all(one, f"/rosters/{made['id']}/lines", limit=7)
    assert [line["number"] for line in lines] == [*range(20)]
    assert list_all(one, f"/rosters/{made['id']}/lines", limit=7, kind="new") == lines
    assert list_all(one, f"/rosters/{made['id']}/lines", limit=7, kind="left_file") == []
    refused = one.get(f"/rosters/{made['id']}/lines", params={"cursor": "bm8"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")


def test_a_roster_from_upload_to_undo(people: tuple[httpx.Client, httpx.Client], place: tuple[Town, School]) -> None:
    one, two = people
    made = upload(one, place, FILE).json()
    assert (made["state"], made["counts"]["new"], made["needs_second_person"]) == ("previewed", 20, False)
    lines = one.get(f"/rosters/{made['id']}/lines", params={"limit": 5, "kind": "new"}).json()["items"]
    assert [(line["number"], line["last_name"], line["kind"]) for line in lines[:2]] == [(0, "NOM0", "new"), (1, "NOM1", "new")]
    assert one.post(f"/rosters/{made['id']}/confirm").json()["state"] == "confirmed"
    assert len(one.get(f"/rosters/{made['id']}/lines").json()["items"]) == 20, "the report stays for a day"

    fewer = text_file(ONDE, *(onde_line(f"NOM{n}", "Zoé", ine=f"{n:010d}A") for n in range(4)))
    partial = upload(one, place, fewer).json()
    assert (partial["counts"]["left_file"], partial["needs_second_person"]) == (16, True)
    refused = one.post(f"/rosters/{partial['id']}/confirm")
    assert (refused.status_code, refused.json()["code"]) == (403, "needs_second_person")
    assert two.post(f"/rosters/{partial['id']}/confirm").json()["state"] == "confirmed"
    assert one.post(f"/rosters/{partial['id']}/undo").json()["state"] == "undone"
    assert upload(one, place, FILE).json()["counts"]["unchanged"] == 20
    listed = one.get("/rosters", params={"town_id": str(place[0].id)}).json()["items"]
    assert [row["state"] for row in listed] == ["previewed", "undone", "confirmed"]
    assert one.delete(f"/rosters/{listed[0]['id']}").status_code == 204
    assert one.get(f"/rosters/{listed[0]['id']}/lines").json()["code"] == "import_finished"


def test_the_report_as_files_runs_nothing(people: tuple[httpx.Client, httpx.Client], place: tuple[Town, School]) -> None:
    one, _ = people
    evil = ["=cmd|' /C calc'!A1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(1)"]
    content = text_file(OWN, *(f"{place[1].uai};CP;CP;{name};Zoé;;" for name in evil))
    made = upload(one, place, content).json()
    assert made["counts"]["new"] == 5
    report = one.get(f"/rosters/{made['id']}/report.csv", headers={"Accept-Language": "fr"})
    assert report.headers["content-disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(report.content.decode("utf-8-sig")), delimiter=";"))
    assert [row[4] for row in rows[1:]] == ["'" + name for name in evil]
    assert (rows[0][3], rows[1][3]) == ("changement", "arrivée")
    book = one.get(f"/rosters/{made['id']}/report.xlsx", headers={"Accept-Language": "en"}).content
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_index(0).to_python()
    assert [row[4] for row in sheet[1:]] == evil
    assert b"<f>" not in zipfile.ZipFile(io.BytesIO(book)).read("xl/worksheets/sheet1.xml"), "no formula, only text"
    assert one.get(f"/rosters/{made['id']}/report.pdf").status_code == 422


def test_columns_by_hand_are_kept_for_the_school(people: tuple[httpx.Client, httpx.Client], place: tuple[Town, School]) -> None:
    one, _ = people
    new = text_file("Patronyme;Prénom usuel;Degré;Adresse1;Groupe", "MARTIN;Zoé;CE1;1 rue;CE1 A")
    assert upload(one, place, new).json()["details"] == {"why": "missing_last_name"}
    seen = upload(one, place, new, "/rosters/columns").json()
    assert {c["title"]: c["standing"] for c in seen["columns"]} == {
        "Patronyme": "unknown", "Prénom usuel": "unknown", "Degré": "unknown", "Adresse1": "forbidden", "Groupe": "unknown",
    }  # fmt: skip
    path = f"/rosters/mappings/{place[1].id}"
    bad: list[tuple[dict[str, str], str]] = [
        ({"Adresse1": "class_label"}, "forbidden_column"),
        ({"Degré": "sex"}, "unknown_field"),
    ]
    for columns, code in bad:
        assert one.put(path, json={"kind": "pupils", "columns": columns}).json()["code"] == code
    named = {"Patronyme": "last_name", "Prénom usuel": "first_name", "Degré": "grade", "Groupe": "class_label"}
    one.put(path, json={"kind": "pupils", "columns": named}).raise_for_status()
    assert one.get(path).json()["items"][0]["columns"]["prenomusuel"] == "first_name"
    assert upload(one, place, new).json()["counts"]["new"] == 1
    one.put(path, json={"kind": "pupils", "columns": {}}).raise_for_status()
    assert upload(one, place, new).status_code == 422


def test_a_line_is_decided(people: tuple[httpx.Client, httpx.Client], place: tuple[Town, School]) -> None:
    one, _ = people
    made = upload(one, place, text_file(OWN, *(f"{place[1].uai};CP {label};CP;MARTIN;Zoé;;" for label in "AB"))).json()
    one.post(f"/rosters/{made['id']}/confirm").raise_for_status()
    unsure = upload(one, place, text_file(OWN, *(f"{place[1].uai};CP {label};CP;MARTIN;Zoé;;" for label in "CD"))).json()
    [line, _other] = one.get(f"/rosters/{unsure['id']}/lines", params={"kind": "ambiguous"}).json()["items"]
    path = f"/rosters/{unsure['id']}/lines/{line['number']}"
    assert one.put(path, json={"target_id": str(place[0].id)}).json()["code"] == "not_a_candidate"
    assert one.put(path, json={"target_id": line["candidates"][0]}).json()["counts"]["moved_class"] == 1
    assert one.put(path, json={"target_id": None}).json()["code"] == "line_already_decided"


def test_faulty_uploads_are_refused_never_a_crash(people: tuple[httpx.Client, httpx.Client], place: tuple[Town, School]) -> None:
    one, _ = people
    bad: list[tuple[bytes, dict[str, str], Any]] = [
        (b"", {}, ("unreadable_roster", "empty")),
        (b"PK\x03\x04" + b"x" * 99, {}, ("unreadable_roster", "bad_zip")),
        (b"a;b\n1;2", {}, ("unreadable_roster", "missing_last_name")),
        (b"x" * (5 * 2**20 + 1), {}, ("unreadable_roster", "too_large")),
        (FILE, {"school_uai": "0000000X"}, ("not_found", None)),
        (FILE, {"school_uai": ""}, ("school_required", None)),
    ]
    for content, form, (code, why) in bad:
        answer = upload(one, place, content, **form)
        assert (answer.json()["code"], answer.json()["details"].get("why")) == (code, why)
    assert upload(one, place, b"x" * (11 * 2**20)).status_code == 413


def test_exports_are_files_or_reasons(people: tuple[httpx.Client, httpx.Client], place: tuple[Town, School]) -> None:
    one, _ = people
    town = {"town_id": str(place[0].id)}
    refused = one.post("/rosters/exports/apple-school-manager", data=town)
    assert (refused.status_code, refused.json()["code"]) == (409, "export_refused")
    assert {reason["code"] for reason in refused.json()["details"]["reasons"]} == {"no_pupils", "school_without_pupils"}
    made = upload(one, place, FILE).json()
    one.post(f"/rosters/{made['id']}/confirm").raise_for_status()
    assert one.get("/rosters/exports/apple-school-manager/problems", params=town).json()["items"] == []
    apple = one.post("/rosters/exports/apple-school-manager", data={**town, "password_policy": "4"})
    assert apple.headers["content-type"] == "application/zip"
    names = zipfile.ZipFile(io.BytesIO(apple.content)).namelist()
    assert sorted(names) == ["classes.csv", "courses.csv", "locations.csv", "rosters.csv", "staff.csv", "students.csv"]
    assert zipfile.ZipFile(io.BytesIO(one.post("/rosters/exports/oneroster", json=town).content)).testzip() is None
    own = one.get("/rosters/exports/template.csv", params=town)
    assert len(own.content.decode("utf-8-sig").splitlines()) == 21
    assert upload(one, place, own.content).json()["counts"]["unchanged"] == 20
    assert one.get("/rosters/exports/template.xlsx", params={**town, "part": "staff"}).content[:2] == b"PK"
    assert one.get("/rosters/exports/template.xlsx", params={**town, "school_id": str(place[0].id)}).status_code == 404
