"""The pages of rosters and of the school year keep strangers, other sites, other schools and other towns out."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select

from cartable.errors import Invalid
from cartable.scope import SYSTEM, Role
from enrollment.people.models import Pupil
from enrollment.people.text import compute_name_hash
from enrollment.places.models import Grade
from enrollment.rollover import drafting
from enrollment.rollover.models import RolloverLine
from enrollment.rosters.imports import previewing
from enrollment.rosters.models import RosterImport
from mdm.accounts import service as accounts
from tests.conftest import KEYRING
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support import databases
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    engine = databases.create_sqlite_engine(tmp_path)
    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running
    engine.dispose()


class RosterWorld:
    """Two schools of one town, an import and a passage there; another town."""

    def __init__(self, server: LiveServer) -> None:
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            self.town, self.elsewhere = world.create_town(), world.create_town()
            self.school, self.other = world.create_school(self.town, "Ici"), world.create_school(self.town, "Ailleurs")
            self.classes = [world.create_class(each) for each in (self.school, self.other)]
            self.pupils = [world.create_pupil(each, Grade.CE2, last="CANARI", first="Zoé") for each in self.classes]
            self.rollover = drafting.preview_rollover(work, SYSTEM, self.town.id)
            content = text_file(ONDE, onde_line("CANARI", "Ana"))
            self.imported = previewing.preview_import(work, SYSTEM, self.town.id, content, self.other.uai)

    def pages(self) -> list[str]:
        own, other = self.classes
        return [
            "/rosters", f"/rosters?town={self.town.id}", f"/rosters/{self.imported.id}", f"/rosters/{self.imported.id}/report.csv",
            f"/rosters/export/own.csv?town={self.town.id}", "/year", f"/year?town={self.town.id}",
            f"/year/schools/{self.school.id}", f"/year/schools/{self.other.id}",
            f"/year/schools/{self.school.id}/classes/{own.id}", f"/year/schools/{self.other.id}/classes/{other.id}",
            f"/year/schools/{self.other.id}/classes/none", f"/year/schools/{self.other.id}/classes/nonsense",
        ]  # fmt: skip

    def forms(self) -> dict[str, dict[str, str]]:
        """Every form that changes something, as an administrator would send it."""
        base, at = f"/year/{self.rollover.id}", f"/year/schools/{self.other.id}"
        return {
            f"/rosters/{self.imported.id}/confirm": {}, f"/rosters/{self.imported.id}/undo": {}, f"/rosters/{self.imported.id}/discard": {},
            f"/rosters/{self.imported.id}/lines/0": {"target": ""},
            "/rosters/mapping": {"school": str(self.other.id), "kind": "pupils", "title_1": "X", "field_1": "grade"},
            "/rosters/export/oneroster": {"town": str(self.town.id)}, "/rosters/export/apple": {"town": str(self.town.id)},
            f"/year/{self.town.id}/preview": {}, f"{base}/dates": {"freezes_on": "2027-07-03", "starts_on": "2027-09-01"},
            f"/year/storage/{self.town.id}/away": {}, f"/year/storage/{self.town.id}/back": {},
            **{f"{base}/{act}": {} for act in ("apply", "undo", "arm", "disarm", "close", "open-returns", "close-returns")},
            f"{at}/classes": {"label": "CM1"}, f"{at}/done": {}, f"{at}/days": {"day_none": "2027-06-24"},
            f"{at}/classes/{self.classes[1].id}": {f"decision_{self.pupils[1].id}": "retained"},
        }  # fmt: skip


@pytest.fixture
def place(server: LiveServer) -> RosterWorld:
    return RosterWorld(server)


@contextlib.contextmanager
def _sign_in(server: LiveServer, town_id: UUID, role: Role, login: str, school_id: UUID | None = None) -> Iterator[httpx.Client]:
    with server.runtime.open_unit_of_work() as work:
        made = accounts.create_account(
            work, SYSTEM, login=login, display_name=login, password=PASSWORD, role=role, town_id=town_id, school_id=school_id
        )
        made.must_change_password = False
    with _anonymous_client(server) as client:
        client.post("/sign-in", data={"login": login, "password": PASSWORD})
        assert "cartable" in client.cookies
        yield client


def _anonymous_client(server: LiveServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, verify=ssl.create_default_context(cafile=str(server.ca)), timeout=20)


def _csrf(client: httpx.Client, page: str = "/") -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(page).text)
    assert found
    return found[1]


def _load_state(server: LiveServer) -> tuple[object, ...]:
    with server.runtime.open_unit_of_work() as work:
        lines = work.session.scalars(select(RolloverLine).order_by(RolloverLine.pupil_id)).all()
        imported = work.session.scalars(select(RosterImport)).one()
        pupils = work.session.scalar(select(func.count()).select_from(Pupil))
        return [(each.decision, each.decided_by_head, each.class_after) for each in lines], imported.state, pupils


def test_a_stranger_is_redirected_to_the_sign_in_page(server: LiveServer, place: RosterWorld) -> None:
    before = _load_state(server)
    with _anonymous_client(server) as client:
        for page in place.pages():
            answer = client.get(page)
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), page
        for page, fields in place.forms().items():
            answer = client.post(page, data={"csrf": "x", **fields})
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), page
    assert _load_state(server) == before


def test_a_form_that_another_site_sent_does_nothing(server: LiveServer, place: RosterWorld) -> None:
    before = _load_state(server)
    with _sign_in(server, place.town.id, Role.TOWN_ADMIN, "mairie") as client:
        for page, fields in place.forms().items():
            for csrf in ({}, {"csrf": ""}, {"csrf": "guessed"}):
                assert client.post(page, data={**csrf, **fields}).status_code in (403, 422), page
        for page in ("/rosters", "/rosters/columns"):
            sent = client.post(page, data={"csrf": "guessed", "town": str(place.town.id)}, files={"file": ("a.csv", b"x")})
            assert sent.status_code == 403
    assert _load_state(server) == before


def test_a_head_sees_the_own_school_only(server: LiveServer, place: RosterWorld) -> None:
    before = _load_state(server)
    with _sign_in(server, place.town.id, Role.HEAD, "directrice", place.school.id) as client:
        csrf = _csrf(client)
        for page in place.pages():
            answer = client.get(page)
            mine = str(place.school.id) in page or page.split("?")[0] in ("/rosters", "/year")
            assert answer.status_code == (200 if mine else 403 if "export" in page else 404), page
            assert str(place.other.id) not in answer.text, page
            assert "text/html" in answer.headers["content-type"]
        for page, fields in place.forms().items():
            assert client.post(page, data={"csrf": csrf, **fields}).status_code in (403, 404), page
        upload = client.post(
            "/rosters",
            data={"csrf": csrf, "town": str(place.town.id), "school": place.other.uai},
            files={"file": ("a.csv", text_file(ONDE, onde_line("NEUF", "Ana")))},
        )
        assert upload.status_code == 403
    assert _load_state(server) == before


def test_a_technician_imports_on_behalf_of_a_school_and_no_more(server: LiveServer, place: RosterWorld) -> None:
    with _sign_in(server, place.town.id, Role.TECHNICIAN, "other") as client:
        front = client.get("/").text
        assert ('href="/rosters"' in front, 'href="/year"' in front) == (True, False)
        assert "/rosters/export/" not in client.get("/rosters").text
        assert client.get("/rosters/export/own.csv", params={"town": str(place.town.id)}).status_code == 403
        years = [page for page in place.pages() if page.startswith("/year")]
        assert years
        for page in years:
            assert client.get(page).status_code in (403, 404), page


@pytest.mark.parametrize("role", [Role.HELPDESK, Role.DPO])
def test_roles_without_rights_over_pupils_do_not_see_these_chapters(server: LiveServer, place: RosterWorld, role: Role) -> None:
    with _sign_in(server, place.town.id, role, "other") as client:
        front = client.get("/").text
        assert 'href="/rosters"' not in front
        assert 'href="/year"' not in front
        for page in place.pages():
            assert client.get(page).status_code in (403, 404), page


def test_another_town_sees_nothing(server: LiveServer, place: RosterWorld) -> None:
    before = _load_state(server)
    with _sign_in(server, place.elsewhere.id, Role.TOWN_ADMIN, "voisine") as client:
        csrf = _csrf(client)
        for page in place.pages():
            answer = client.get(page)
            assert answer.status_code in (200, 403, 404), page
            for secret in (place.school.id, place.other.id, place.imported.id, place.rollover.id, "CANARI"):
                assert str(secret) not in answer.text, page
        for page, fields in place.forms().items():
            assert client.post(page, data={"csrf": csrf, **fields}).status_code in (403, 404), page
    assert _load_state(server) == before


def test_an_unreadable_file_comes_back_as_a_page_with_the_reason(server: LiveServer, place: RosterWorld) -> None:
    with _sign_in(server, place.town.id, Role.TOWN_ADMIN, "mairie") as client:
        csrf = _csrf(client)
        for content in (b"", b"\0\0", b"Nom;Nom\nx;y", b"\xff" * 200, b"PK\x03\x04nonsense"):
            for page in ("/rosters", "/rosters/columns"):
                answer = client.post(
                    page,
                    data={"csrf": csrf, "town": str(place.town.id), "school": place.school.uai},
                    files={"file": ("CSVExtraction.csv", content)},
                )
                assert answer.status_code in (200, 422), (page, content)
                assert "text/html" in answer.headers["content-type"]
        for page in ("/rosters/nonsense", f"/year/{place.rollover.id}/nonsense", "/rosters?town=nonsense"):
            assert client.get(page).status_code in (404, 405, 422), page
        late = client.post(f"/year/{place.rollover.id}/apply", data={"csrf": csrf})
        assert late.status_code == 409
        assert "1er septembre" in late.text
        assert "script-src 'self'" in late.headers["content-security-policy"]


def test_a_head_is_always_of_one_school(server: LiveServer, place: RosterWorld) -> None:
    with server.runtime.open_unit_of_work() as work, pytest.raises(Invalid):
        accounts.create_account(
            work, SYSTEM, login="x", display_name="x", password=PASSWORD, role=Role.HEAD, town_id=place.town.id
        )


def test_a_decision_in_the_file_is_a_proposal_that_the_head_may_overrule(server: LiveServer, place: RosterWorld) -> None:
    content = text_file(ONDE, onde_line("CANARI", "Zoé", grade="CE2", label="", number="", decision="Redoublement"))
    page = f"/year/schools/{place.school.id}/classes/{place.classes[0].id}"
    with server.runtime.open_unit_of_work() as work:
        known = work.session.get_one(Pupil, place.pupils[0].id)
        known.name_hash = compute_name_hash(work.keyring, place.town.id, "CANARI", "Zoé")
    with _sign_in(server, place.town.id, Role.HEAD, "directrice", place.school.id) as client:
        csrf = _csrf(client)
        assert "proposé par le fichier" not in client.get(page).text
        sent = {"csrf": csrf, "town": str(place.town.id), "school": place.school.uai}
        made = client.post("/rosters", data=sent, files={"file": ("CSVExtraction.csv", content)})
        preview = made.headers["location"].partition("?")[0]
        assert "l&#39;an prochain : maintenu" in client.get(preview).text
        assert client.post(f"{preview}/confirm", data={"csrf": csrf}).status_code == 303
        shown = client.get(page).text
        assert "proposé par le fichier" in shown
        assert re.search(r'value="retained" checked', shown)
        client.post(page, data={"csrf": csrf, f"decision_{place.pupils[0].id}": "promoted"})
        shown = client.get(page).text
        assert "proposé par le fichier" not in shown
        assert "coché" in shown
    with contextlib.closing(server.sign_in(place.town.id, Role.TOWN_ADMIN, "admin")) as client:
        lines = client.get(f"/rollovers/{place.rollover.id}/lines", params={"school_id": str(place.school.id)}).json()["items"]
        assert [(each["decision"], each["decided_by_head"], each["proposed_decision"]) for each in lines] == [
            ("promoted", True, "retained")
        ]
