"""Documents of places: who may write them, what they hold, whom they concern; on both databases."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from cartable.errors import Forbidden
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import UnitOfWork
from profiles.policy import documents, groups, life
from profiles.policy.content import PolicyContent, PresetUse
from profiles.policy.errors import BadSetting, SettingsConflict, UnknownPlace
from profiles.policy.kinds import AppUse, PlaceKind
from profiles.schedule.modes import Mode
from tests.profiles.policy.places import PolicyTown, value_on
from tests.support.policy import publish_document
from tests.support.world import TownFactory


def test_a_draft_changes_nothing(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.GRADE, "CE2")
    life.save_draft(work, SYSTEM, document, life.Draft(PolicyContent({"all": {"allowCamera": False}})))
    assert value_on(work, town.tablets[0][0], "allowCamera") is None


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (PolicyContent({"all": {"allowCamera": "no"}}), "values.all.allowCamera"),
        (PolicyContent({"all": {"allowNothing": True}}), "values.all.allowNothing"),
        (PolicyContent({"siesta": {"allowCamera": True}}), "values.siesta"),
        (PolicyContent({"all": {}}, {"all": ["allowCamera"]}), "locks.all.allowCamera"),
        (PolicyContent({"home": {"allowCamera": False}}, {"school": ["allowCamera"]}), "locks.school.allowCamera"),
        (PolicyContent({"all": {"web.denied": ["no host"]}}), "values.all.web.denied"),
        (PolicyContent({"all": {"apps.required": ["fr.unknown"]}}), "values.all.apps.required"),
        (PolicyContent({"school": {"apps.required": []}}), "values.school.apps.required"),
        (PolicyContent({"all": {"web.delivery": {"kind": "built_in"}}}), "values.all.web.delivery"),
        (PolicyContent(presets=(PresetUse(uuid4()),)), "presets[0].preset_id"),
        (PolicyContent(presets=(PresetUse(uuid4(), "home", AppUse.REQUIRED),)), "presets[0].mode"),
    ],
)
def test_what_is_not_acceptable_is_refused_with_the_field_named(
    work: UnitOfWork, town: PolicyTown, content: PolicyContent, field: str
) -> None:
    document = town.open(work, PlaceKind.GRADE, "CE2")
    with pytest.raises(BadSetting) as refusal:
        life.save_draft(work, SYSTEM, document, life.Draft(content))
    assert refusal.value.details["field"] == field


def test_a_conflict_between_two_settings_is_refused_with_both_named(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.GRADE, "CE2")
    content = PolicyContent({"all": {"allowed_apps": ["fr.a"]}, "exam": {"single_app": "fr.evaluation"}})
    with pytest.raises(SettingsConflict) as refusal:
        life.save_draft(work, SYSTEM, document, life.Draft(content))
    details = refusal.value.details
    assert (details["field"], details["other"], details["mode"]) == ("app.lock", "allowListedAppBundleIDs", "exam")


def test_hosts_are_stored_without_scheme_and_path(work: UnitOfWork, town: PolicyTown) -> None:
    town.publish(work, PlaceKind.TOWN, "", {"web.denied": ["HTTPS://Jeux.Example/page", "jeux.example", "autres.example"]})
    assert value_on(work, town.tablets[0][0], "web.denied") == ["autres.example", "jeux.example"]


def test_groups_and_single_tablets_have_documents(work: UnitOfWork, town: PolicyTown) -> None:
    tablet, neighbour = town.tablets[2]
    group = groups.create_group(work, SYSTEM, town.town.id, "Chorale", [UUID(town.pupil_of(work, tablet))])
    town.publish(work, PlaceKind.GROUP, str(group.id), {"allowAirDrop": True})
    town.publish(work, PlaceKind.TABLET, str(neighbour.id), {"allowAirDrop": False})
    assert (value_on(work, tablet, "allowAirDrop"), value_on(work, neighbour, "allowAirDrop")) == (True, False)


def test_the_baseline_holds_whatever_the_operator_sets(work: UnitOfWork, town: PolicyTown) -> None:
    publish_document(work, None, PlaceKind.OPERATOR, "", {"all": {"allowVPNCreation": True, "allowCamera": False}})
    town.publish(work, PlaceKind.TOWN, "", {"allowCamera": True})
    assert value_on(work, town.tablets[0][0], "allowVPNCreation") is False
    assert value_on(work, town.tablets[0][0], "allowCamera", Mode.HOME) is True


def test_places_must_exist_in_the_town_and_authors_stay_in_theirs(work: UnitOfWork, town: PolicyTown) -> None:
    elsewhere = TownFactory(work).create_town()
    with pytest.raises(UnknownPlace):
        documents.open_document(work, SYSTEM, elsewhere.id, PlaceKind.CLASS, str(town.classes[0].id))
    with pytest.raises(UnknownPlace):
        town.open(work, PlaceKind.GRADE, "6e")
    stranger = Actor(None, "stranger", (RoleAssignment(Role.TOWN_ADMIN, elsewhere.id),))
    with pytest.raises(Forbidden):
        documents.open_document(work, stranger, town.town.id, PlaceKind.TOWN, "")
    with pytest.raises(Forbidden):
        documents.open_document(work, stranger, None, PlaceKind.OPERATOR, "")


def test_publishing_asks_for_new_decisions_on_the_tablets_concerned_alone(work: UnitOfWork, town: PolicyTown) -> None:
    for place, target, indexes in (
        (PlaceKind.CLASS, str(town.classes[2].id), {2}),
        (PlaceKind.GRADE, "CE2", {0, 1}),
        (PlaceKind.ROLE, "pupil", {0, 1, 2}),
        (PlaceKind.ROLE, "cart", set()),
        (PlaceKind.PUPIL, town.pupil_of(work, town.tablets[1][0]), None),
    ):
        work.session.query(OutboxRow).delete()
        town.publish(work, place, target, {"allowCamera": False})
        rows = work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.RECONCILE).all()
        expected = {town.tablets[1][0].id} if indexes is None else {t.id for index in indexes for t in town.tablets[index]}
        assert {UUID(row.key) for row in rows} == expected, place
        assert all(row.key == str(UUID(row.key)) for row in rows), "keys are spelled as everywhere else"


def test_an_explanation_costs_the_same_number_of_statements_for_any_number_of_documents(
    work: UnitOfWork, town: PolicyTown
) -> None:
    def count_statements() -> int:
        counted: list[object] = []
        work.session.flush()
        bind = work.session.get_bind()
        listener = lambda *_: counted.append(None)  # noqa: E731
        event.listen(bind, "before_cursor_execute", listener)
        value_on(work, town.tablets[0][0], "allowCamera")
        event.remove(bind, "before_cursor_execute", listener)
        return len(counted)

    value_on(work, town.tablets[0][0], "allowCamera")
    before = count_statements()
    for target in ("CE2", "CM2"):
        town.publish(work, PlaceKind.GRADE, target, {"allowCamera": False})
    assert count_statements() == before
