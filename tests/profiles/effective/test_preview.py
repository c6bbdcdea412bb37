"""What a preview announces is what happens, for tablets, settings, licences and the web."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from profiles.apps import licences
from profiles.apps.service import create_app
from profiles.catalog.merge import StepOutcome
from profiles.effective import bundles
from profiles.effective.contents import build_mode_content, list_wanted_apps
from profiles.effective.preview import preview
from profiles.effective.situation import build_situation, load_policy
from profiles.policy.content import PolicyContent, PresetUse
from profiles.policy.errors import BadSetting
from profiles.policy.kinds import AppUse, PlaceKind
from profiles.policy.lint import LintRule
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes
from tests.profiles.policy.places import PolicyTown
from tests.support.policy import publish_content


def digests(work: UnitOfWork, town: PolicyTown) -> dict[UUID, list[str]]:
    """What each tablet is sent, in every mode, and its apps."""
    work.session.flush()
    facts = load_facts(work, [tablet.id for pair in town.tablets for tablet in pair])
    policy, now = load_policy(work, facts.values()), evaluate_modes(work, facts.values())
    found = {}
    for tablet_id, each in facts.items():
        situation = build_situation(each, policy, now[tablet_id])
        apps = [app.bundle_identifier for app in list_wanted_apps(situation, policy)]
        found[tablet_id] = [*apps, *(build_mode_content(situation, policy, mode).digest for mode in Mode)]
    return found


@pytest.mark.parametrize(
    ("place", "target", "values"),
    [
        (PlaceKind.TOWN, "", {"all": {"camera": False}}),
        (PlaceKind.GRADE, "CE2", {"home": {"camera": True, "messages": False}}),
        (PlaceKind.GRADE, "CE2", {"all": {"airdrop": True}}),
        (PlaceKind.ROLE, "cart", {"all": {"camera": False}}),
        (PlaceKind.TOWN, "", {"all": {"web.denied": ["a.example"]}, "school": {"web.only_permitted": True}}),
        (PlaceKind.TOWN, "", {"all": {"web.blocked_categories": ["games"]}}),  # no payload carries categories
        (PlaceKind.TOWN, "", {"all": {"apps.required": ["fr.test.app"]}}),
    ],
)
def test_what_is_announced_happens(
    work: UnitOfWork, town: PolicyTown, place: PlaceKind, target: str, values: dict[str, dict[str, Any]]
) -> None:
    create_app(work, SYSTEM, town.town.id, name="App", bundle_identifier="fr.test.app", app_store_id=7, manifest_url=None)
    town.publish(work, PlaceKind.TOWN, "", {"airdrop": False, "messages": False}, ["airdrop"])
    town.publish(work, PlaceKind.CLASS, str(town.classes[1].id), {"camera": False})
    document, content = town.open(work, place, target), PolicyContent(values)
    announced, before = preview(work, document, content), digests(work, town)
    publish_content(work, document, content)
    after = digests(work, town)
    assert announced.changed == sum(before[tablet_id] != after[tablet_id] for tablet_id in before)


def test_a_preview_counts_by_setting_and_mode_and_names_who_overrules(work: UnitOfWork, town: PolicyTown) -> None:
    town.publish(work, PlaceKind.TOWN, "", {"allowChat": False}, ["allowChat"])
    town.publish(work, PlaceKind.CLASS, str(town.classes[1].id), {"allowCamera": True})
    found = preview(
        work, town.open(work, PlaceKind.GRADE, "CE2"), PolicyContent({"all": {"allowCamera": False, "allowChat": True}})
    )
    assert (found.tablets, found.changed) == (4, 2)
    [effect] = found.effects
    assert (effect.change.key, effect.change.after, effect.tablets) == ("allowCamera", False, 2)
    assert Mode.SCHOOL in effect.modes
    assert Mode.NIGHT_REST not in effect.modes, "closed at night already"
    outcomes = {(each.key, each.outcome, each.by): each.tablets for each in found.outcomes}
    assert outcomes[("allowCamera", StepOutcome.CHOSEN, ())] == 2
    assert outcomes[("allowCamera", StepOutcome.REPLACED, ("class",))] == 2
    assert outcomes[("allowChat", StepOutcome.BOUNDED, ("town",))] == 4
    assert found.ineffective_settings == ("allowChat",)


def test_a_preview_counts_licences_and_lists_contradictions(work: UnitOfWork, town: PolicyTown) -> None:
    app = create_app(
        work, SYSTEM, town.town.id, name="ScratchJr", bundle_identifier="org.scratchjr.ipad", app_store_id=7, manifest_url=None
    )
    licences.set_pool_total(work, SYSTEM, app.id, 3)
    bundle = bundles.create_bundle(work, SYSTEM, town.town.id, "Code", [app.id])
    content = PolicyContent(
        {"exam": {"single_app": "fr.evaluation", "allowed_apps": ["fr.other"]}},
        presets=(PresetUse(bundle.id, use=AppUse.REQUIRED),),
    )
    found = preview(work, town.open(work, PlaceKind.GRADE, "CE2"), content)
    [need] = found.licences
    assert (need.app, need.needed, need.owned, need.free, need.missing) == ("ScratchJr", 4, 3, 3, 1)
    assert [(each.rule, each.mode) for each in found.findings] == [(LintRule.APP_NOT_SHOWN, Mode.EXAM)]


def test_what_opens_and_closes_on_the_web_is_sampled(work: UnitOfWork, town: PolicyTown) -> None:
    town.publish(work, PlaceKind.TOWN, "", {"web.blocked_categories": ["games"], "web.denied": ["a.example"]})
    content = PolicyContent({"all": {"web.permitted_categories": ["games"]}, "school": {"web.only_permitted": True}})
    found = preview(work, town.open(work, PlaceKind.GRADE, "CE2"), content)
    assert (found.opens, found.closes) == (("category:games",), ("*",))


def test_a_preview_refuses_what_cannot_be_saved(work: UnitOfWork, town: PolicyTown) -> None:
    with pytest.raises(BadSetting):
        preview(work, town.open(work, PlaceKind.TOWN), PolicyContent({"all": {"allowCamera": "no"}}))
