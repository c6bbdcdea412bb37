"""Presets: taken in by documents at their width, in one mode or all, with a life of their own."""

from __future__ import annotations

import pytest

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from profiles.effective.preview import preview
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent, PresetUse
from profiles.policy.errors import BadSetting, PresetExists
from profiles.policy.kinds import PlaceKind, PresetKind, StageKind
from profiles.policy.models import Preset
from profiles.schedule.modes import Mode
from tests.profiles.policy.places import PolicyTown, value_on
from tests.support.policy import publish_content, publish_document


def make_filter(work: UnitOfWork, town: PolicyTown, **values: object) -> Preset:
    """Create a filter that is live with these values of `web.*`."""
    preset = documents.create_preset(work, SYSTEM, town.town.id, PresetKind.FILTER, "Cycle 2")
    publish_content(work, preset, PolicyContent({"all": {f"web.{key}": value for key, value in values.items()}}))
    return preset


def test_own_values_replace_choices_of_a_preset_and_add_to_its_lists(work: UnitOfWork, town: PolicyTown) -> None:
    preset = make_filter(work, town, denied=["a.example"], safe_search=True, blocked_categories=["games", "press"])
    values = {"all": {"web.denied": ["b.example"], "web.safe_search": False, "web.permitted_categories": ["games"]}}
    publish_document(work, town.town.id, PlaceKind.GRADE, "CE2", values, presets=[PresetUse(preset.id)])
    tablet = town.tablets[0][0]
    assert value_on(work, tablet, "web.denied") == ["a.example", "b.example"]
    assert value_on(work, tablet, "web.safe_search") is False
    assert "games" not in value_on(work, tablet, "web.blocked_categories")  # type: ignore[operator]
    assert "press" in value_on(work, tablet, "web.blocked_categories")  # type: ignore[operator]
    assert value_on(work, town.tablets[2][0], "web.denied") is None


def test_a_preset_may_be_taken_in_for_one_mode(work: UnitOfWork, town: PolicyTown) -> None:
    preset = make_filter(work, town, only_permitted=True)
    publish_document(work, town.town.id, PlaceKind.TOWN, "", {}, presets=[PresetUse(preset.id, "school")])
    tablet = town.tablets[0][0]
    assert [value_on(work, tablet, "web.only_permitted", mode) for mode in (Mode.SCHOOL, Mode.HOME)] == [True, None]


def test_a_lock_may_bind_what_a_preset_sets(work: UnitOfWork, town: PolicyTown) -> None:
    preset = make_filter(work, town, only_permitted=True)
    publish_document(
        work, town.town.id, PlaceKind.TOWN, "", {}, locks={"all": ["web.only_permitted"]}, presets=[PresetUse(preset.id)]
    )
    town.publish(work, PlaceKind.GRADE, "CE2", {"web.only_permitted": False})
    assert value_on(work, town.tablets[0][0], "web.only_permitted") is True


def test_a_preset_is_previewed_over_all_documents_that_take_it_in_and_rolled_out_by_stages(
    work: UnitOfWork, town: PolicyTown
) -> None:
    preset = make_filter(work, town, denied=["a.example"])
    for target in ("CE2", "CM2"):
        publish_document(work, town.town.id, PlaceKind.GRADE, target, {}, presets=[PresetUse(preset.id)])
    content = PolicyContent({"all": {"web.denied": ["a.example", "b.example"]}})
    found = preview(work, preset, content)
    assert (found.tablets, found.changed, found.closes, found.opens) == (6, 6, ("b.example",), ())
    version = life.save_draft(work, SYSTEM, preset, life.Draft(content))
    life.publish(work, SYSTEM, preset, version.number, life.Stage(StageKind.CLASS, town.classes[2].id))
    assert value_on(work, town.tablets[2][0], "web.denied") == ["a.example", "b.example"]
    assert value_on(work, town.tablets[0][0], "web.denied") == ["a.example"]
    life.stop(work, SYSTEM, preset, "too early")
    assert value_on(work, town.tablets[2][0], "web.denied") == ["a.example"]


def test_a_preset_holds_its_own_part_of_the_catalogue_and_no_locks(work: UnitOfWork, town: PolicyTown) -> None:
    preset = make_filter(work, town)
    for content, field in (
        (PolicyContent({"all": {"camera": False}}), "values.all.allowCamera"),
        (PolicyContent({"all": {"web.delivery": {"kind": "built_in"}}}), "values.all.web.delivery"),
        (PolicyContent({"all": {"web.only_permitted": True}}, {"all": ["web.only_permitted"]}), "locks"),
        (PolicyContent(presets=(PresetUse(preset.id),)), "presets"),
    ):
        with pytest.raises(BadSetting) as refusal:
            life.save_draft(work, SYSTEM, preset, life.Draft(content))
        assert refusal.value.details["field"] == field
    with pytest.raises(PresetExists):
        documents.create_preset(work, SYSTEM, town.town.id, PresetKind.FILTER, "Cycle 2")
