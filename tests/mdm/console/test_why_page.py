"""The page that says why a tablet has what it has: its mode, each setting with its source, one address."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from cartable.scope import SYSTEM, Role
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read
from tests.mdm.console.test_hours_pages import HoursTown
from tests.support.server import LiveServer


@pytest.fixture
def place(server: LiveServer) -> HoursTown:
    return HoursTown(server)


def publish(server: LiveServer, town_id: UUID, place: PlaceKind, target: str, **content: object) -> None:
    with server.runtime.open_unit_of_work() as work:
        document = documents.open_document(work, SYSTEM, town_id, place, target)
        draft = life.Draft(PolicyContent(**content), reason="un essai")  # type: ignore[arg-type]
        version = life.save_draft(work, SYSTEM, document, draft)
        life.publish(work, SYSTEM, document, version.number)


def test_each_setting_tells_its_source_and_what_it_replaced(
    server: LiveServer, person: Callable[..., Person], place: HoursTown
) -> None:
    publish(server, place.town_id, PlaceKind.TOWN, "", values={"all": {"allowCamera": True, "web.denied": ["jeux.example"]}})
    publish(server, place.town_id, PlaceKind.GRADE, "CE2", values={"all": {"allowCamera": False}})
    helpdesk = person(place.town_id, Role.HELPDESK)
    page = helpdesk.client.get(f"/tablets/{place.tablet_id}")
    assert f'href="/tablets/{place.tablet_id}/why"' in page.text
    why = read(helpdesk.client.get(f"/tablets/{place.tablet_id}/why?q=allowCamera"))
    assert "non niveau CE2" in why or "non niveau" in why, why
    assert "au lieu de toute la ville : oui" in why
    assert "école" in why, "without hours a tablet is in school mode"
    everything = read(helpdesk.client.get(f"/tablets/{place.tablet_id}/why"))
    assert "le socle de sécurité" in everything
    assert "jeux.example" in everything
    assert "Nom : Urgence 3018" in everything
    assert "un fichier" in everything, "the picture of the emergency card is not shown as text"
    assert "iVBOR" not in everything


def test_a_page_writes_colons_as_its_language_does(server: LiveServer, person: Callable[..., Person], place: HoursTown) -> None:
    client = person(place.town_id, Role.TECHNICIAN).client
    address = f"/tablets/{place.tablet_id}/why?host=exemple.fr"
    assert "</strong> : " in client.get(f"{address}&lang=fr").text
    assert "</strong>: " in client.get(f"{address}&lang=en").text
    assert "Search: zzz" in read(client.get("/search?q=zzz&lang=en"))
    assert "Chercher : zzz" in read(client.get("/search?q=zzz&lang=fr"))


def test_an_address_is_tried(server: LiveServer, person: Callable[..., Person], place: HoursTown) -> None:
    publish(server, place.town_id, PlaceKind.TOWN, "", values={"all": {"web.denied": ["jeux.example"]}})
    client = person(place.town_id, Role.TECHNICIAN).client
    address = f"/tablets/{place.tablet_id}/why"
    assert "fermé par les règles : un site interdit (jeux.example)" in read(
        client.get(address, params={"host": "www.jeux.example"})
    )
    assert "ouvert : aucune règle ne le ferme" in read(client.get(address, params={"host": "exemple.fr"}))
    for wrong in ("%", "a b", "<script>", "x" * 300):
        refused = client.get(address, params={"host": wrong})
        assert refused.status_code == 200
        assert "<script>" not in refused.text
        assert 'role="alert"' in refused.text


def test_a_tablet_of_another_town_is_not_explained(server: LiveServer, person: Callable[..., Person], place: HoursTown) -> None:
    stranger = person(HoursTown(server).town_id, Role.TOWN_ADMIN)
    assert stranger.client.get(f"/tablets/{place.tablet_id}/why").status_code == 404
