"""What was compiled is kept between batches, and never used for anything that differs."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from cartable.unit_of_work import Runtime
from enrollment.facts import load_facts
from enrollment.tablets.models import Tablet
from profiles.apps.models import App
from profiles.effective.compile import DesiredState
from profiles.effective.compiled_cache import CompiledCache
from profiles.effective.desired_states import compute_desired_states
from profiles.policy.kinds import PlaceKind
from tests.support.installation import install
from tests.support.policy import publish_document
from tests.support.world import TownFactory


def test_the_result_used_longest_ago_is_dropped() -> None:
    cache: CompiledCache[list[int]] = CompiledCache(2)
    first = cache.get_or_build(1, lambda: [1])
    second = cache.get_or_build(2, lambda: [2])
    assert cache.get_or_build(1, lambda: [0]) is first
    cache.get_or_build(3, lambda: [3])
    assert cache.get_or_build(1, lambda: [0]) is first
    assert cache.get_or_build(2, lambda: [0]) is not second


@pytest.fixture
def tablet_id(runtime: Runtime) -> UUID:
    install(runtime)
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        work.session.add(
            App(town_id=town.id, name="Calcul", bundle_identifier="fr.calcul", manifest_url="https://a.test/1.plist")
        )
        publish_document(work, town.id, PlaceKind.TOWN, "", {"all": {"allowCamera": False, "apps.required": ["fr.calcul"]}})
        return factory.create_tablet(town).id


def compute(runtime: Runtime, tablet_id: UUID) -> DesiredState:
    with runtime.open_unit_of_work() as work:
        return compute_desired_states(work, load_facts(work, [tablet_id]).values())[tablet_id]


def test_a_batch_takes_what_the_one_before_compiled(runtime: Runtime, tablet_id: UUID) -> None:
    assert compute(runtime, tablet_id) is compute(runtime, tablet_id)


def test_another_version_app_system_or_setting_is_compiled_anew(runtime: Runtime, tablet_id: UUID) -> None:
    states = [compute(runtime, tablet_id)]
    with runtime.open_unit_of_work() as work:
        work.session.query(App).one().manifest_url = "https://a.test/2.plist"
    states.append(compute(runtime, tablet_id))
    assert states[1].apps[0].manifest_url == "https://a.test/2.plist"
    with runtime.open_unit_of_work() as work:
        town_id = work.session.get_one(Tablet, tablet_id).town_id
        publish_document(work, town_id, PlaceKind.TOWN, "", {"all": {"allowCamera": True}})
    states.append(compute(runtime, tablet_id))
    with runtime.open_unit_of_work() as work:
        work.session.get_one(Tablet, tablet_id).os_version = "16.7"
    states.append(compute(runtime, tablet_id))
    assert (states[2].apps, states[3].declaration_set) == ((), None)
    other = replace(runtime, settings=runtime.settings.model_copy(update={"public_url": "https://other.test"}))
    with runtime.open_unit_of_work() as work:
        work.session.get_one(Tablet, tablet_id).os_version = "26.1"
    assert compute(other, tablet_id).declaration_set != compute(runtime, tablet_id).declaration_set
