"""The pages of the rules: a setting found by words, noted in a draft, seen, published by stages, stopped and restored."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest

from cartable.scope import SYSTEM, Role
from enrollment.places.models import Town
from mdm.console.policy.values import NotAValue, format_value, get_form_kind, parse_value
from profiles.catalog.composites import list_authorable_fields
from profiles.catalog.secrets import HIDDEN, hide_secrets, restore_secrets
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind, VersionState
from profiles.policy.models import PolicyVersion
from profiles.policy.repository import PolicyRepository
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.mdm.console.test_hours_pages import HoursTown
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.fixture
def place(server: LiveServer) -> HoursTown:
    return HoursTown(server)


@pytest.fixture
def admin(person: Callable[..., Person], place: HoursTown) -> Person:
    return person(place.town_id, Role.TOWN_ADMIN)


def load_versions(server: LiveServer, place: HoursTown, kind: PlaceKind, target: str) -> list[PolicyVersion]:
    with server.runtime.open_unit_of_work() as work:
        document = PolicyRepository(work.session).get_document_of_place(place.town_id, kind, target)
        if document is None:
            return []
        repository = PolicyRepository(work.session)
        numbers = range(1, repository.get_next_number(document))
        return [version for number in numbers if (version := repository.get_version(document, number)) is not None]


def note(admin: Person, place: HoursTown, where: str, key: str, value: str, **fields: Any) -> int:
    return send(admin, f"/rules/{place.town_id}/setting", place=where, key=key, value=value, **fields).status_code


def test_a_setting_is_found_noted_seen_and_published(server: LiveServer, admin: Person, place: HoursTown) -> None:
    school = f"school:{place.school_id}"
    found = admin.client.get("/rules", params={"place": school, "q": "appareil photo"})
    assert re.search(r"key=camera", found.text), read(found)
    assert load_versions(server, place, PlaceKind.SCHOOL, str(place.school_id)) == [], "looking writes nothing"
    form = admin.client.get("/rules/setting", params={"place": school, "key": "camera"})
    assert "pas fixé ici" in form.text
    assert note(admin, place, school, "camera", "false") == 303
    rules = read(admin.client.get("/rules", params={"place": school}))
    assert "dans le brouillon" in rules
    draft = read(admin.client.get("/rules/draft", params={"place": school}))
    assert "1 tablette sur 1 change" in draft
    assert "oui non" in draft or "– non" in draft
    publish = f"/rules/{place.town_id}/publish"
    assert send(admin, publish, place=school, number=1, reason="photos interdites").status_code == 303
    (version,) = load_versions(server, place, PlaceKind.SCHOOL, str(place.school_id))
    assert (version.state, version.reason) == (VersionState.LIVE, "photos interdites")
    assert send(admin, publish, place=school, number=1, reason="encore").status_code in (404, 409)


def test_what_concerns_a_town_goes_by_stages_and_can_be_stopped(server: LiveServer, admin: Person, place: HoursTown) -> None:
    with server.runtime.open_unit_of_work() as work:
        TownFactory(work).create_tablet(work.session.get_one(Town, place.town_id))
    assert note(admin, place, "town:", "camera", "false", locked="true") == 303
    assert send(admin, f"/rules/{place.town_id}/publish", place="town:", number=1, reason="photos").status_code == 303
    (version,) = load_versions(server, place, PlaceKind.TOWN, "")
    assert version.state is VersionState.ROLLING
    page = read(admin.client.get("/rules"))
    assert "en cours de déploiement" in page
    assert "Déploiement" in read(admin.client.get("/rules/draft"))
    assert send(admin, f"/rules/{place.town_id}/stop", place="town:", reason="erreur").status_code == 303
    (version,) = load_versions(server, place, PlaceKind.TOWN, "")
    assert version.state is VersionState.STOPPED


def test_a_version_is_restored(server: LiveServer, admin: Person, place: HoursTown) -> None:
    with server.runtime.open_unit_of_work() as work:
        document = documents.open_document(work, SYSTEM, place.town_id, PlaceKind.GRADE, "CE2")
        for value in (False, True):
            draft = life.Draft(PolicyContent({"all": {"allowCamera": value}}), reason="essai")
            life.publish(work, SYSTEM, document, life.save_draft(work, SYSTEM, document, draft).number)
    assert send(admin, f"/rules/{place.town_id}/restore", place="grade:CE2", number=1).status_code == 303
    versions = load_versions(server, place, PlaceKind.GRADE, "CE2")
    assert versions[-1].state is VersionState.LIVE
    assert versions[-1].values == {"all": {"allowCamera": False}}


def test_what_cannot_be_comes_back_as_typed(server: LiveServer, admin: Person, place: HoursTown) -> None:
    for key, value in (
        ("update_delay", "bientôt"),
        ("update_delay", "1000"),
        ("school_wifi", "{"),
        ("school_wifi", '[{"x": 1}]'),
    ):
        refused = send(admin, f"/rules/{place.town_id}/setting", place="town:", key=key, value=value)
        assert refused.status_code == 422, (key, value)
        assert value in html.unescape(refused.text)
    assert load_versions(server, place, PlaceKind.TOWN, "") == []
    for params in ({"key": "nothing"}, {"key": "camera", "mode": "x"}, {"key": "camera", "place": "grade:XX"}):
        assert admin.client.get("/rules/setting", params=params).status_code in (404, 422)
    assert admin.client.get("/rules", params={"place": "operator:"}).status_code == 404
    assert admin.client.get("/rules/draft").status_code == 404


def test_a_password_is_never_shown_and_stays(server: LiveServer, admin: Person, place: HoursTown) -> None:
    network = '[{"name": "ecole", "password": "tres-secret-1234"}]'
    assert note(admin, place, "town:", "school_wifi", network) == 303
    form = admin.client.get("/rules/setting", params={"key": "school_wifi"})
    assert "tres-secret" not in form.text + admin.client.get("/rules").text
    typed = html.unescape(re.findall(r"<textarea[^>]*>(.*?)</textarea>", form.text, re.DOTALL)[0]).replace("ecole", "ecole-2")
    assert HIDDEN in typed
    assert note(admin, place, "town:", "school_wifi", typed) == 303
    newest = load_versions(server, place, PlaceKind.TOWN, "")[-1]
    assert newest.values["all"]["school_wifi"] == [{"name": "ecole-2", "password": "tres-secret-1234"}]


def test_others_do_not_write_rules(person: Callable[..., Person], place: HoursTown, server: LiveServer) -> None:
    assert person(place.town_id, Role.TECHNICIAN).client.get("/rules").status_code == 404
    stranger = person(HoursTown(server).town_id, Role.TOWN_ADMIN)
    assert stranger.client.get("/rules", params={"town": str(place.town_id)}).status_code == 404
    assert note(stranger, place, "town:", "camera", "false") == 404


@pytest.mark.parametrize("key", sorted(list_authorable_fields()))
def test_the_form_of_every_setting_keeps_its_default(key: str) -> None:
    field = list_authorable_fields()[key]
    get_form_kind(field)
    assert parse_value(field, "") is None
    if field.default is not None and not field.secret:
        assert parse_value(field, format_value(field, field.default)) == field.default


def test_numbers_and_lists_are_read_as_people_type_them() -> None:
    fields = list_authorable_fields()
    assert parse_value(fields["update_delay"], " 30 ") == 30
    assert parse_value(fields["blocked_apps"], "a.b\n\n c.d \n") == ["a.b", "c.d"]
    for wrong in ("1e9", "٣", "0x1", "1.5"):
        with pytest.raises(NotAValue):
            parse_value(fields["update_delay"], wrong)
    with pytest.raises(NotAValue):
        parse_value(fields["school_wifi"], "[NaN]")


def test_hidden_secrets_come_back_where_they_were() -> None:
    wifi = list_authorable_fields()["school_wifi"]
    former = [{"name": "a", "password": "one"}, {"name": "b"}]
    shown = hide_secrets(wifi, former)
    assert shown == [{"name": "a", "password": HIDDEN}, {"name": "b"}]
    assert restore_secrets(wifi, shown, former) == former
    assert restore_secrets(wifi, [{"name": "a", "password": "new"}], former) == [{"name": "a", "password": "new"}]
    assert restore_secrets(wifi, [{"name": "z", "password": HIDDEN}], None) == [{"name": "z", "password": None}]


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("fr", ["tablettes des élèves", "tablettes du personnel", "tablettes des chariots"]),
        ("en", ["tablets of pupils", "tablets of the staff", "tablets of carts"]),
    ],
)
def test_what_tablets_are_used_as_is_named_in_words(admin: Person, language: str, names: list[str]) -> None:
    page = read(admin.client.get("/rules", params={"lang": language}))
    assert [name for name in names if name in page] == names
    assert [word for word in ("pupil", "staff", "cart") if re.search(rf"r[oô]le {word}", page)] == []
