"""The page of the web filter: what is in force is said as it is, the resolver is chosen by way of a draft, an address is tried at a place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM, Role
from enrollment.places.models import Grade, Town
from enrollment.tablets.models import TabletState
from mdm.resolver.blocked_counts import store_counts
from profiles.filters import service
from profiles.filters.models import UpdateProblem
from profiles.filters.reading import read_lists
from profiles.filters.repository import FilterRepository
from profiles.policy.kinds import PlaceKind
from profiles.policy.repository import PolicyRepository
from tests.conftest import KEYRING
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.profiles.filters.test_lists import archive
from tests.support.policy import publish_document
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory


@pytest.fixture
def server(engine: Engine, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    settings: dict[str, Any] = getattr(request, "param", {"resolver_url": "https://dns.ville.example"})
    with start_live_server(engine, KEYRING, tmp_path / "data", ManualClock(datetime.now(UTC)), **settings) as running:
        yield running


@pytest.fixture
def town_id(server: LiveServer) -> UUID:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        world.create_pupil(world.create_class(world.create_school(town)), Grade.CE2)
        lists = read_lists(archive({"l/games/domains": b"jeux.example\n", "l/adult/domains": b"adulte.example\n"}).read())
        service.import_lists(work, SYSTEM, town.id, lists)
        publish_document(work, town.id, PlaceKind.GRADE, "CE2", {"home": {"web.blocked_categories": ["games"]}})
        return town.id


def test_the_resolver_is_chosen_by_way_of_a_draft_that_is_seen_before_it_is_published(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    page = read(admin.client.get("/web-filter"))
    assert "https://dns.ville.example" in page
    assert "vers les tablettes Filtre du système" in page
    fields = {"means": "resolver", "when_away": "lenient", "networks": "ecole\r\n mairie \r\n"}
    draft = admin.client.post(f"/web-filter/{town_id}/means", data={"csrf": admin.csrf, **fields}, follow_redirects=True)
    assert draft.url.path == "/rules/draft"
    assert "Tous les noms seraient cherchés par un service DNS" in read(draft), "what could cut tablets off is shown"
    with server.runtime.open_unit_of_work() as work:
        repository = PolicyRepository(work.session)
        document = repository.get_document_of_place(town_id, PlaceKind.TOWN, "")
        assert document is not None
        version = repository.get_version(document, 1)
        assert version is not None
        assert version.values["all"]["web.delivery"] == {
            "kind": "resolver", "when_away": "lenient", "networks": ["ecole", "mairie"]
        }  # fmt: skip
    assert "Filtre du système" in read(admin.client.get("/web-filter")), "a draft is not in force"


def test_an_address_is_tried_for_a_grade_in_a_mode_and_what_is_not_enforced_is_said(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    at_home = {"host": "www.jeux.example", "grade": "CE2", "mode": "home"}
    page = read(admin.client.get("/web-filter", params=at_home))
    assert "fermé par les règles : une catégorie bloquée (jeux, games)" in page
    assert "Inapplicable avec ces moyens" in page, "the built-in filter knows no categories"
    with server.runtime.open_unit_of_work() as work:
        publish_document(work, town_id, PlaceKind.TOWN, "", {"all": {"web.delivery": {"kind": "resolver"}}})
    page = read(admin.client.get("/web-filter", params=at_home))
    assert "Fermé par : le résolveur de la collectivité" in page
    assert "Inapplicable" not in page
    assert "ouvert selon les règles : aucune règle" in read(admin.client.get("/web-filter", params={**at_home, "mode": "school"}))
    assert "ouvert selon les règles : aucune règle" in read(admin.client.get("/web-filter", params={**at_home, "grade": "CM2"}))
    adult = {**at_home, "host": "adulte.example", "mode": "school"}
    assert "une catégorie fermée à tous les enfants (pornographie, adult)" in read(admin.client.get("/web-filter", params=adult))
    assert "n'est pas un nom d'hôte" in read(admin.client.get("/web-filter", params={"host": "no host"}))


@pytest.mark.parametrize("server", [{}], indirect=True)
def test_without_a_resolver_it_is_said_and_cannot_be_chosen(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    page = admin.client.get("/web-filter")
    assert "Cette installation n'a pas de résolveur" in read(page)
    assert 'value="resolver"  disabled' in page.text
    answer = send(admin, f"/web-filter/{town_id}/means", means="resolver")
    assert answer.status_code == 303
    assert "refusé" in read(admin.client.get(answer.headers["location"])), "the draft says why it cannot be published"


def test_who_does_not_write_rules_does_not_choose_the_filter(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    technician = person(town_id, Role.TECHNICIAN)
    assert technician.client.get("/web-filter").status_code in (403, 404)
    assert send(technician, f"/web-filter/{town_id}/means", means="built_in").status_code in (403, 404)


MIRROR = {"filter_lists_url": "https://miroir.ville.example/listes.tar.gz"}


@pytest.mark.parametrize("server", [MIRROR], indirect=True)
def test_a_town_wishes_that_its_lists_come_by_themselves(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    assert "L'exploitant désigne un miroir : https://miroir.ville.example/listes.tar.gz" in read(
        admin.client.get("/filter-lists")
    )
    answer = send(admin, f"/filter-lists/{town_id}/updates", is_wanted="true")
    assert answer.status_code == 303
    page = admin.client.get(answer.headers["location"])
    assert "cherchées une fois par jour" in read(page)
    assert 'name="is_wanted" value="true" checked' in page.text
    with server.runtime.open_unit_of_work() as work:
        assert [row.key for row in work.session.query(OutboxRow).filter_by(topic=Topic.FILTER_LISTS)] == [str(town_id)]
        row = FilterRepository(work.session).get_updates(town_id)
        assert row is not None
        row.checked_at, row.problem, row.shrunk = work.now, UpdateProblem.SHRUNK, ["adult"]
    assert "semblent abîmées et attendent votre décision. (pornographie (adult))" in read(admin.client.get("/filter-lists"))
    send(admin, f"/filter-lists/{town_id}/updates")
    assert 'value="true" checked' not in admin.client.get("/filter-lists").text


def test_the_towns_own_sites_are_typed_and_shown_with_their_letters(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    page = f"/web-filter/{town_id}/own-hosts"
    assert send(admin, page, hosts="https://École.ville.example/menu\nmairie.example").status_code == 303
    shown = admin.client.get("/web-filter").text
    assert "mairie.example\nécole.ville.example" in shown
    refused = send(admin, page, hosts="pas/un site")
    assert refused.status_code == 422
    assert "pas/un site" in refused.text, "what was typed stays"


def test_counts_are_off_until_a_town_asks_and_the_data_protection_officer_sees_them(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin, officer = person(town_id, Role.TOWN_ADMIN), person(town_id, Role.DPO)
    assert "Elles ne sont pas comptées." in read(officer.client.get("/web-filter/counts"))
    page = f"/web-filter/{town_id}/counting"
    refused = send(admin, page, is_wanted="true")
    assert refused.status_code == 409
    assert "au moins 5 tablettes" in read(refused)
    with server.runtime.open_unit_of_work() as work:
        factory, town = TownFactory(work), work.session.get_one(Town, town_id)
        for _ in range(5):
            factory.create_tablet(town).state = TabletState.IN_USE
    assert send(admin, page, is_wanted="true").status_code == 303
    with server.runtime.open_unit_of_work() as work:
        store_counts(work, {(town_id, "games"): 12, (town_id, "adult"): 3})
    shown = read(officer.client.get("/web-filter/counts"))
    assert "Elles sont comptées." in shown
    assert "pornographie (adult) jeux (games)" in shown
    assert "moins de 5 12" in shown
    assert officer.client.post(page, data={"csrf": officer.csrf}).status_code in (403, 404)
