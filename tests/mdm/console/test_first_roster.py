"""A town made from its first roster: the schools that the file names exist, and the person sees what its lines would change."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import func, select

from enrollment.people.models import Pupil
from enrollment.places.models import School, Town
from enrollment.rosters.models import ImportState, RosterImport
from tests.enrollment.rosters.files import ONDE, onde_line
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read
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
