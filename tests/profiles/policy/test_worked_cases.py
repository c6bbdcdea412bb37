"""The worked cases of the merge, as a town would author them; docs/domain/policy.md lists them."""

from __future__ import annotations

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from profiles.catalog.merge import StepOutcome
from profiles.effective.preview import preview
from profiles.policy.content import PolicyContent
from profiles.policy.documents import open_document
from profiles.policy.kinds import PlaceKind
from profiles.schedule.modes import Mode
from tests.profiles.policy.places import PolicyTown, value_on
from tests.support.policy import publish_document


def test_the_narrower_place_chooses(work: UnitOfWork, town: PolicyTown) -> None:
    pupil, classmate, neighbour = town.tablets[0][0], town.tablets[0][1], town.tablets[1][0]
    town.publish(work, PlaceKind.TOWN, "", {"camera": False})
    town.publish(work, PlaceKind.SCHOOL, str(town.school.id), {"camera": True})
    town.publish(work, PlaceKind.CLASS, str(town.classes[0].id), {"camera": False})
    town.publish(work, PlaceKind.PUPIL, town.pupil_of(work, pupil), {"camera": True})
    assert [value_on(work, tablet, "allowCamera") for tablet in (pupil, classmate, neighbour)] == [True, False, True]


def test_a_lock_binds_the_narrower_and_the_preview_names_it(work: UnitOfWork, town: PolicyTown) -> None:
    town.publish(work, PlaceKind.TOWN, "", {"messages": False}, ["messages"])
    document = town.open(work, PlaceKind.CLASS, str(town.classes[0].id))
    draft = preview(work, document, PolicyContent({"all": {"messages": True}}))
    assert {(each.key, each.outcome, each.by) for each in draft.outcomes} == {
        ("allowChat", StepOutcome.BOUNDED, ("town",)),
        ("allowRCSMessaging", StepOutcome.BOUNDED, ("town",)),
    }
    assert draft.ineffective_settings == ("allowChat", "allowRCSMessaging")
    assert (draft.tablets, draft.changed, draft.effects) == (2, 0, ())
    town.publish(work, PlaceKind.CLASS, str(town.classes[0].id), {"messages": True})
    assert value_on(work, town.tablets[0][0], "allowChat") is False


def test_a_lock_does_not_turn_its_own_value(work: UnitOfWork, town: PolicyTown) -> None:
    tablet = town.tablets[0][0]
    town.publish(work, PlaceKind.TOWN, "", {"camera": False})
    town.publish(work, PlaceKind.PUPIL, town.pupil_of(work, tablet), {"camera": True}, ["camera"])
    assert value_on(work, tablet, "allowCamera") is True


def test_a_wider_lock_is_stronger_than_a_narrower_one(work: UnitOfWork, town: PolicyTown) -> None:
    tablet = town.tablets[0][0]
    town.publish(work, PlaceKind.TOWN, "", {"screen_capture": False}, ["screen_capture"])
    town.publish(work, PlaceKind.PUPIL, town.pupil_of(work, tablet), {"screen_capture": True}, ["screen_capture"])
    assert value_on(work, tablet, "allowScreenShot") is False


def test_lists_that_forbid_add_up(work: UnitOfWork, town: PolicyTown) -> None:
    town.publish(work, PlaceKind.TOWN, "", {"web.denied": ["a.example"]})
    town.publish(work, PlaceKind.CLASS, str(town.classes[0].id), {"web.denied": ["b.example"]})
    assert value_on(work, town.tablets[0][0], "web.denied") == ["a.example", "b.example"]


def test_lists_that_permit_are_replaced_and_bounds_intersect(work: UnitOfWork, town: PolicyTown) -> None:
    tablet, hosts = town.tablets[0][0], ["x.example", "y.example", "z.example"]
    town.publish(work, PlaceKind.TOWN, "", {"web.permitted": hosts[:2]})
    town.publish(work, PlaceKind.CLASS, str(town.classes[0].id), {"web.permitted": hosts[1:]})
    assert value_on(work, tablet, "web.permitted") == hosts[1:]
    town.publish(work, PlaceKind.TOWN, "", {"web.permitted": hosts[:2]}, ["web.permitted"])
    assert value_on(work, tablet, "web.permitted") == [hosts[1]]


def test_a_narrower_word_for_all_modes_replaces_a_wider_one_for_a_mode(work: UnitOfWork, town: PolicyTown) -> None:
    publish_document(work, town.town.id, PlaceKind.TOWN, "", {"school": {"allowSafari": False}})
    town.publish(work, PlaceKind.CLASS, str(town.classes[0].id), {"allowSafari": True})
    assert value_on(work, town.tablets[0][0], "allowSafari", Mode.SCHOOL) is True
    assert value_on(work, town.tablets[1][0], "allowSafari", Mode.SCHOOL) is False


def test_within_one_document_a_mode_goes_before_all_modes(work: UnitOfWork, town: PolicyTown) -> None:
    values = {"all": {"allowSafari": True}, "school": {"allowSafari": False}}
    publish_document(work, town.town.id, PlaceKind.CLASS, str(town.classes[0].id), values)
    tablet = town.tablets[0][0]
    assert [value_on(work, tablet, "allowSafari", mode) for mode in (Mode.SCHOOL, Mode.HOME)] == [False, True]


def test_a_lock_for_one_mode_binds_in_that_mode_and_the_preview_names_it_there(work: UnitOfWork, town: PolicyTown) -> None:
    publish_document(work, town.town.id, PlaceKind.TOWN, "", {"home": {"airdrop": False}}, locks={"home": ["airdrop"]})
    target = str(town.classes[0].id)
    draft = preview(
        work, open_document(work, SYSTEM, town.town.id, PlaceKind.CLASS, target), PolicyContent({"all": {"airdrop": True}})
    )
    bounded = [each for each in draft.outcomes if each.outcome is StepOutcome.BOUNDED]
    assert [(each.key, each.by, each.modes, each.tablets) for each in bounded] == [("allowAirDrop", ("town",), (Mode.HOME,), 2)]
    town.publish(work, PlaceKind.CLASS, target, {"airdrop": True})
    tablet = town.tablets[0][0]
    assert [value_on(work, tablet, "allowAirDrop", mode) for mode in (Mode.HOME, Mode.SCHOOL)] == [False, True]


def test_an_evaluation_makes_room_for_the_app_that_it_shows(work: UnitOfWork, town: PolicyTown) -> None:
    publish_document(work, town.town.id, PlaceKind.GRADE, "CE2", {"exam": {"single_app": "fr.evaluation"}})
    tablet = town.tablets[0][0]
    assert "fr.evaluation" in value_on(work, tablet, "allowListedAppBundleIDs", Mode.EXAM)  # type: ignore[operator]
    assert "fr.evaluation" not in value_on(work, tablet, "allowListedAppBundleIDs", Mode.NIGHT_REST)  # type: ignore[operator]
