"""A town made from its first roster: the schools that the file names exist, and the person sees what its lines would change."""

from __future__ import annotations

import re
from base64 import b32decode
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import func, select

from cartable.settings import SecondFactorPolicy
from enrollment.people.models import Pupil
from enrollment.places.models import School, Town
from enrollment.rosters.models import ImportState, RosterImport
from mdm.accounts import totp
from tests.enrollment.rosters.files import ONDE, onde_line
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer

OWN = "nom;prenom;niveau;classe;uai\nMARTIN;Léa;CP;CP A;0922999K\nDURAND;Tom;CE1;CE1 B;0929001J\nPETIT;Zoé;CE1;CE1 B;0929001X\n"


def make_town(person: Person, content: bytes, schools: str = "", name: str = "Belleville-sur-Craie") -> httpx.Response:
    fields = {"csrf": person.csrf, "name": name, "schools": schools}
    return person.client.post("/start/town", data=fields, files={"roster": ("eleves.csv", content, "text/csv")})


def list_schools(server: LiveServer, name: str = "Belleville-sur-Craie") -> list[str]:
    with server.runtime.open_unit_of_work() as work:
        statement = select(School.uai).join(Town, Town.id == School.town_id).where(Town.name == name)
        return sorted(work.session.scalars(statement))


def test_the_schools_of_a_roster_are_made_and_its_preview_is_shown(server: LiveServer, operator_of: Callable[[], Person]) -> None:
    answer = make_town(operator_of(), OWN.encode())
    assert answer.status_code == 303, read(answer)
    assert answer.headers["location"].startswith("/rosters/")
    assert list_schools(server) == ["0922999K", "0929001J"]
    with server.runtime.open_unit_of_work() as work:
        row = work.session.scalars(select(RosterImport)).one()
        assert (row.state, row.counts["new"]) == (ImportState.PREVIEWED, 2)
        assert work.session.scalar(select(func.count()).select_from(Pupil).where(Pupil.town_id == row.town_id)) == 0


def test_a_file_without_codes_is_of_the_one_school_beside_it(server: LiveServer, operator_of: Callable[[], Person]) -> None:
    onde_file = f"{ONDE}\n{onde_line('MARTIN', 'Léa')}\n".encode()
    operator = operator_of()
    refused = make_town(operator, onde_file)
    assert (refused.status_code, "UAI" in read(refused)) == (422, True)
    assert list_schools(server) == []
    answer = make_town(operator, onde_file, "0922999K École Jules-Verne")
    assert (answer.status_code, list_schools(server)) == (303, ["0922999K"]), read(answer)
    page = operator.client.get(answer.headers["location"])
    assert (page.status_code, "MARTIN" in read(page)) == (200, True)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\x02", b"PK\x03\x04 no archive", b"a;b;c\n1;2;3\n", OWN.replace("nom;", "x;").encode()]
)
def test_a_file_that_cannot_be_read_makes_no_town(server: LiveServer, operator_of: Callable[[], Person], content: bytes) -> None:
    operator = operator_of()
    answer = make_town(operator, content, "0922999K École Jules-Verne", name="Ville refusée")
    assert answer.status_code == 422
    assert "Ce fichier ne peut pas être lu" in read(answer)
    assert 'value="Ville refusée"' in answer.text  # what was typed is kept
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(func.count()).select_from(Town).where(Town.name == "Ville refusée")) == 0


def test_a_name_that_is_refused_is_refused_before_the_file_is_read(server: LiveServer, operator_of: Callable[[], Person]) -> None:
    assert make_town(operator_of(), b"\x00", name="x" * 130).status_code == 422
    assert list_schools(server, "x" * 130) == []


def test_schools_of_another_town_stay_there(server: LiveServer, operator_of: Callable[[], Person]) -> None:
    operator = operator_of()
    assert make_town(operator, OWN.encode(), name="Ville voisine").status_code == 303
    refused = make_town(operator, OWN.encode(), name="Autre ville")
    assert (refused.status_code, list_schools(server, "Autre ville")) == (422, [])
    assert list_schools(server, "Ville voisine") == ["0922999K", "0929001J"]


def test_the_mistyped_code_of_the_school_beside_a_roster_is_named(server: LiveServer, operator_of: Callable[[], Person]) -> None:
    onde_file = f"{ONDE}\n{onde_line('MARTIN', 'Léa')}\n".encode()
    refused = make_town(operator_of(), onde_file, "0922999A École Jules-Verne")
    assert (refused.status_code, "Le code d'école (UAI) 0922999A est faux" in read(refused)) == (422, True)
    assert list_schools(server) == []


class TestSecondFactorIsAskedForAfterTheTown:
    """Who has made a town administers it, and needs a second factor from then on."""

    @pytest.fixture(autouse=True)
    def _require_second_factors(self, server: LiveServer) -> None:
        required = {"second_factor": SecondFactorPolicy.REQUIRED}
        server.runtime.settings = server.runtime.settings.model_copy(update=required)

    def test_lines_that_made_no_school_are_shown_before(self, operator_of: Callable[[], Person]) -> None:
        operator = operator_of()
        fields = {"csrf": operator.csrf, "name": "Belleville", "schools": "0922999K Jules-Verne\n0929001A Marie-Curie"}
        report = operator.client.post("/start/town", data=fields)
        assert (report.status_code, "0929001A" in read(report), "le code UAI est faux" in read(report)) == (200, True, True)
        assert 'id="menu"' not in report.text, "no chapter opens yet"

    def test_the_preview_is_the_page_after_the_recovery_codes(
        self, server: LiveServer, operator_of: Callable[[], Person]
    ) -> None:
        operator = operator_of()
        preview = make_town(operator, OWN.encode()).headers["location"]
        asked = operator.client.get(preview)
        account = operator.client.get(asked.headers["location"])
        assert f'name="then" value="{preview}"' in account.text
        assert 'id="menu"' not in account.text, "no chapter opens yet"
        begun = send_with_password(operator, "/me/totp/begin", then=preview)
        assert f'name="then" value="{preview}"' in begun.text
        secret = b32decode("".join(re.findall(r"<code>([A-Z2-7 ]+)</code>", begun.text)).replace(" ", ""))
        code = totp.compute_code(secret, totp.get_step(server.runtime.clock.now()))
        codes = operator.client.post("/me/totp", data={"csrf": operator.csrf, "code": code, "then": preview})
        assert f'href="{preview}"' in codes.text
        assert operator.client.get(preview).status_code == 200

    def test_no_other_site_is_the_page_after_it(self, operator_of: Callable[[], Person]) -> None:
        operator = operator_of()
        assert make_town(operator, OWN.encode()).status_code == 303
        for elsewhere in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
            assert 'name="then"' not in operator.client.get("/me", params={"then": elsewhere}).text


def send_with_password(person: Person, address: str, **fields: str) -> httpx.Response:
    form = {"csrf": person.csrf, **fields}
    return person.client.post(f"{address}?confirm=password", data={**form, "confirm_password": PASSWORD})
