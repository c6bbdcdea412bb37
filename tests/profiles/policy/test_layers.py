"""Layers as people use them: drafts, previews, locks, staged roll-outs, roll-back, walls; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import event

from cartable.errors import Forbidden
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import load_facts
from enrollment.places.models import Grade
from enrollment.tablets.models import Tablet
from profiles.effective.explain import why
from profiles.errors import BadSetting
from profiles.policy import service
from profiles.policy.errors import BadTarget, CannotPublish
from profiles.policy.kinds import LayerKind, StageKind, VersionState
from profiles.policy.models import PolicyLayer
from profiles.policy.preview import preview
from profiles.policy.repository import LayerRepository
from profiles.policy.service import Stage
from tests.support.world import TownFactory


class Place:
    """A town with two classes of CE2 and one of CM2, two tablets each."""

    def __init__(self, work: UnitOfWork) -> None:
        world = TownFactory(work)
        self.town = world.create_town()
        self.school = world.create_school(self.town)
        self.classes = [world.create_class(self.school, label) for label in ("CE2 A", "CE2 B", "CM2 A")]
        levels = (Grade.CE2, Grade.CE2, Grade.CM2)
        self.tablets: list[list[Tablet]] = []
        for school_class, level in zip(self.classes, levels, strict=True):
            pair = [world.create_tablet(self.town) for _ in range(2)]
            for tablet in pair:
                world.lend_tablet(tablet, world.create_pupil(school_class, level))
            self.tablets.append(pair)

    def layer(self, work: UnitOfWork, kind: LayerKind, target: str = "") -> PolicyLayer:
        return service.open_layer(work, SYSTEM, self.town.id, kind, target, "")


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    with runtime.open_unit_of_work() as opened:
        yield opened


@pytest.fixture
def place(work: UnitOfWork) -> Place:
    return Place(work)


def value(work: UnitOfWork, tablet: Tablet, key: str) -> object:
    work.session.flush()
    found = why(work, load_facts(work, [tablet.id])[tablet.id]).settings.get(key)
    return found.value if found else None


def put(work: UnitOfWork, layer: PolicyLayer, settings: dict[str, object], locks: tuple[str, ...] = ()) -> None:
    draft = service.save_draft(work, SYSTEM, layer.id, {"all": settings}, locks)
    service.publish(work, SYSTEM, layer.id, draft.number)


def test_the_narrower_layer_chooses_unless_a_lock_flows_down(work: UnitOfWork, place: Place) -> None:
    first, second = place.tablets[0][0], place.tablets[1][0]
    put(work, place.layer(work, LayerKind.TOWN), {"allowCamera": False, "allowAirDrop": False}, ("allowAirDrop",))
    put(work, place.layer(work, LayerKind.CLASS, str(place.classes[0].id)), {"allowCamera": True, "allowAirDrop": True})
    assert (value(work, first, "allowCamera"), value(work, first, "allowAirDrop")) == (True, False)
    assert (value(work, second, "allowCamera"), value(work, second, "allowAirDrop")) == (False, False)


def test_a_draft_changes_nothing_and_bad_values_are_refused_with_the_field_named(work: UnitOfWork, place: Place) -> None:
    layer = place.layer(work, LayerKind.GRADE, "CE2")
    service.save_draft(work, SYSTEM, layer.id, {"all": {"allowCamera": False}})
    assert value(work, place.tablets[0][0], "allowCamera") is None
    for settings, field in (
        ({"all": {"allowCamera": "no"}}, "settings.all.allowCamera"),
        ({"all": {"allowNothing": True}}, "settings.all.allowNothing"),
        ({"siesta": {"allowCamera": True}}, "settings.siesta"),
    ):
        with pytest.raises(BadSetting) as refusal:
            service.save_draft(work, SYSTEM, layer.id, settings)
        assert refusal.value.details["field"] == field
    with pytest.raises(BadSetting):
        service.save_draft(work, SYSTEM, layer.id, {"all": {}}, ["allowCamera"])


def test_a_preview_tells_the_tablets_and_settings_before_saving(work: UnitOfWork, place: Place) -> None:
    put(work, place.layer(work, LayerKind.TOWN), {"allowChat": False}, ("allowChat",))
    layer = place.layer(work, LayerKind.GRADE, "CE2")
    found = preview(work, SYSTEM, layer.id, {"all": {"allowCamera": False, "allowChat": True}})
    assert (found.tablets, found.changed) == (4, 4)
    [effect] = found.effects
    assert (effect.change.key, effect.change.after, effect.tablets) == ("allowCamera", False, 4)
    assert found.without_effect == ("allowChat",)
    assert found.loosened_in_vain == ("allowChat",)


def test_a_roll_out_goes_from_one_tablet_to_all_and_can_be_stopped_and_rolled_back(work: UnitOfWork, place: Place) -> None:
    layer = place.layer(work, LayerKind.TOWN)
    put(work, layer, {"allowCamera": True})
    one, other = place.tablets[0]
    draft = service.save_draft(work, SYSTEM, layer.id, {"all": {"allowCamera": False}})
    service.publish(work, SYSTEM, layer.id, draft.number, Stage(StageKind.TABLET, one.id))
    assert (value(work, one, "allowCamera"), value(work, other, "allowCamera")) == (False, True)
    service.publish(work, SYSTEM, layer.id, draft.number, Stage(StageKind.CLASS, place.classes[0].id))
    assert (value(work, other, "allowCamera"), value(work, place.tablets[1][0], "allowCamera")) == (False, True)
    third = service.save_draft(work, SYSTEM, layer.id, {"all": {"allowCamera": True}})
    with pytest.raises(CannotPublish):
        service.publish(work, SYSTEM, layer.id, third.number)
    service.stop(work, SYSTEM, layer.id, "the camera is needed")
    assert value(work, one, "allowCamera") is True
    service.roll_back(work, SYSTEM, layer.id, draft.number)
    assert value(work, place.tablets[2][0], "allowCamera") is False
    states = [row.state for row in LayerRepository(work.session).versions(layer.id)]
    assert states == [VersionState.LIVE, VersionState.DRAFT, VersionState.STOPPED, VersionState.SUPERSEDED]


def test_publishing_asks_for_new_decisions_on_the_tablets_concerned_alone(work: UnitOfWork, place: Place) -> None:
    put(work, place.layer(work, LayerKind.CLASS, str(place.classes[2].id)), {"allowCamera": False})
    rows = work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.RECONCILE).all()
    assert {UUID(row.key) for row in rows} == {tablet.id for tablet in place.tablets[2]}


def test_groups_and_single_tablets_have_layers_of_their_own(work: UnitOfWork, place: Place) -> None:
    tablet, neighbour = place.tablets[2]
    pupil_id = load_facts(work, [tablet.id])[tablet.id].pupil_id
    assert pupil_id is not None
    group = service.create_group(work, SYSTEM, place.town.id, "Chorale", [pupil_id])
    put(work, place.layer(work, LayerKind.GROUP, str(group.id)), {"allowAirDrop": True})
    put(work, place.layer(work, LayerKind.TABLET, str(neighbour.id)), {"allowAirDrop": False})
    assert (value(work, tablet, "allowAirDrop"), value(work, neighbour, "allowAirDrop")) == (True, False)


def test_targets_must_exist_in_the_town_and_authors_stay_in_theirs(work: UnitOfWork, place: Place) -> None:
    elsewhere = TownFactory(work).create_town()
    with pytest.raises(BadTarget):
        service.open_layer(work, SYSTEM, elsewhere.id, LayerKind.CLASS, str(place.classes[0].id), "")
    with pytest.raises(BadTarget):
        place.layer(work, LayerKind.GRADE, "6e")
    stranger = Actor(None, "stranger", (RoleAssignment(Role.TOWN_ADMIN, elsewhere.id),))
    with pytest.raises(Forbidden):
        service.open_layer(work, stranger, place.town.id, LayerKind.TOWN, "", "")
    with pytest.raises(Forbidden):
        service.open_layer(work, stranger, None, LayerKind.OPERATOR, "", "")


def test_why_costs_the_same_number_of_statements_for_any_number_of_layers(work: UnitOfWork, place: Place) -> None:
    tablet = place.tablets[0][0]

    def count() -> int:
        counted = 0

        def one(*_: object) -> None:
            nonlocal counted
            counted += 1

        work.session.flush()
        bind = work.session.get_bind()
        event.listen(bind, "before_cursor_execute", one)
        value(work, tablet, "allowCamera")
        event.remove(bind, "before_cursor_execute", one)
        return counted

    value(work, tablet, "allowCamera")
    before = count()
    for target in ("CE2", "CM2"):
        put(work, place.layer(work, LayerKind.GRADE, target), {"allowCamera": False})
    assert count() == before


def test_a_layer_speaks_the_towns_own_words_and_a_lock_on_one_flows_down(work: UnitOfWork, place: Place) -> None:
    tablet = place.tablets[0][0]
    put(work, place.layer(work, LayerKind.TOWN), {"ai": False, "messages": False}, ("ai",))
    put(work, place.layer(work, LayerKind.CLASS, str(place.classes[0].id)), {"ai": True, "messages": True})
    assert (value(work, tablet, "allowWritingTools"), value(work, tablet, "allowChat")) == (False, True)
